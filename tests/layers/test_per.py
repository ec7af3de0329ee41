"""Which axes of an example values differ along, by a table worked out by hand."""

from __future__ import annotations

import pytest

from arignote.layers.base import ShapeError
from arignote.layers.per import own_axes, shape_per

TABLE = [
    ("unit", (4,), None, (0,), (4,)),
    ("unit", (4, 5, 6), None, (0, 1, 2), (4, 5, 6)),
    ("unit", (4, 5, 6), "NLC", (0, 1, 2), (4, 5, 6)),
    ("channel", (4,), None, (0,), (4,)),
    ("channel", (4, 5), None, (0,), (4, 1)),
    ("channel", (4, 5), "NCL", (0,), (4, 1)),
    ("channel", (4, 5), "NLC", (1,), (1, 5)),
    ("channel", (4, 5, 6), None, (0,), (4, 1, 1)),
    ("location", (4, 5), None, (1,), (1, 5)),
    ("location", (4, 5), "NLC", (0,), (4, 1)),
    ("location", (4, 5, 6), None, (1, 2), (1, 5, 6)),
]


@pytest.mark.parametrize(("per", "shape", "axes", "own", "broadcast"), TABLE)
def test_values_differ_along_their_own_axes(per, shape, axes, own, broadcast):
    assert own_axes(per, shape, axes) == own and shape_per(per, shape, axes) == broadcast


@pytest.mark.parametrize(
    ("per", "shape", "axes"), [("location", (4,), None), ("channel", (4,), "NLC"), ("location", (4, 5, 6), "NCL")]
)
def test_a_shape_without_them_is_refused(per, shape, axes):
    with pytest.raises(ShapeError):
        own_axes(per, shape, axes)
