"""Bounds of what a pickle may hold: shared containers count as often as they occur, and none contains itself."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.safe.pickled_values import PickleError
from arignote.safe.value_bounds import check_tree


def test_items_are_counted_as_code_that_copies_them_would():
    inner = [0] * 9
    # One list of ten lists of nine numbers: 1 + 10 * (1 + 9), though two lists are all there is.
    check_tree([inner] * 10, 101, 5)
    with pytest.raises(PickleError, match="more than 100 items in all"):
        check_tree([inner] * 10, 100, 5)


def test_doubling_forty_times_is_refused_at_once():
    value = []
    for _ in range(40):
        value = [value, value]
    with pytest.raises(PickleError, match="items in all"):
        check_tree(value, 1_000_000, 1000)


@pytest.mark.parametrize(
    "wrap", [lambda x: [x], lambda x: (x,), lambda x: {"a": x}, lambda x: np.array([x, None], object)]
)
def test_levels_are_those_of_every_kind_of_container(wrap):
    value = wrap(wrap(wrap(1)))
    check_tree(value, 100, 3)
    with pytest.raises(PickleError, match="more than 2 levels"):
        check_tree(value, 100, 2)


def test_a_container_within_itself_is_refused():
    value = [1]
    value.append({"a": value})
    with pytest.raises(PickleError, match="contains itself"):
        check_tree(value, 100, 100)
