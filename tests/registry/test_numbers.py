"""Types of numbers: bounds, and one number in place of several equal ones."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from arignote.registry import Count, Finite, Interval, NonNegative, Pair, Positive, Probability, Triple, as_sizes


@pytest.mark.parametrize(
    ("kind", "accepted", "refused"),
    [
        (Count, [1, 7], [0, -1, 1.5]),
        (Positive, [1e-300, 2], [0.0, -1.0, np.inf, np.nan]),
        (NonNegative, [0.0, 3.5], [-1e-9, np.inf, np.nan]),
        (Finite, [-2.0, 0], [np.inf, -np.inf, np.nan]),
        (Probability, [0.0, 0.999], [1.0, -0.1, np.nan]),
        (Interval, [(0.0, 1.0), [-2, -1]], [(1.0, 1.0), (2.0, 1.0), (0.0, np.inf)]),
    ],
)
def test_bounds_belong_to_the_numbers_or_do_not(kind, accepted, refused):
    adapter = TypeAdapter(kind)
    for value in accepted:
        adapter.validate_python(value)
    for value in refused:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


@pytest.mark.parametrize(("kind", "n"), [(Pair, 2), (Triple, 3)])
def test_one_number_stands_for_equal_ones_and_a_list_for_itself(kind, n):
    adapter = TypeAdapter(kind)
    assert adapter.validate_python(4) == adapter.validate_python(np.int64(4)) == (4,) * n
    assert adapter.validate_python(list(range(1, n + 1))) == tuple(range(1, n + 1))
    with pytest.raises(ValidationError):
        adapter.validate_python([4] * (n + 1))
    with pytest.raises(ValidationError, match=r"Write a list with brackets: \[3, 3"):
        adapter.validate_python("(3, 3)")


def test_sizes_are_a_tuple_of_any_length():
    assert as_sizes(5) == (5,) and as_sizes([5, 6]) == (5, 6) and as_sizes(np.array([7])) == (7,)
