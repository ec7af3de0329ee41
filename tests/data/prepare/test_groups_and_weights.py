"""Groups and weights: one value for each training row, and errors that name the row that has none."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import DataError
from arignote.data.prepare.groups_and_weights import groups_of, weights_of
from arignote.data.readers.base import ArrayReader


@pytest.mark.parametrize("given", [[2, 0, 1], [2.0, 0.0, 1.0], np.array(["2", "0", 1], object), [True, False, True]])
def test_weights_are_numbers_however_they_are_written(given):
    expected = [1, 0, 1] if given[0] is True else [2, 0, 1]
    found = weights_of(given, 3)
    assert found.dtype == np.float64 and found.tolist() == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([1.0, None, 2.0], "row 1 is nan"),
        (np.array(["1", np.nan, "2"], object), "row 1 is nan"),
        ([1.0, np.inf, -1.0], "row 1 is inf"),
        ([1.0, 1.0, -0.5], "row 2 is -0.5"),
        (["1", "x", "y"], "must be numbers; row 1 is 'x'"),
        ([[1.0], [1.0], [1.0]], r"must have the shape \(3,\), one for each row of X; got \(3, 1\)"),
    ],
)
def test_weights_that_cannot_be_used_are_reported_with_their_row(given, words):
    with pytest.raises(DataError, match=f"^sample_weight .*{words}"):
        weights_of(np.array(given, object) if None in given else np.array(given), 3)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.array(["a", None, "b"], object), "row 1 is missing"),
        (np.array([0.0, 1.0, np.nan]), "row 2 is missing"),
        (np.array(["a", "b", 1], object), "row 0 is 'a', row 2 is 1"),
    ],
)
def test_groups_that_cannot_be_compared_are_reported_with_their_row(given, words):
    with pytest.raises(DataError, match=f"groups must be all numbers or all text, with none missing; {words}"):
        groups_of(given, 3)


def test_the_file_is_named_where_the_values_come_from_one():
    with pytest.raises(DataError, match=r"^groups \(g\.npy\) must have the shape \(4,\)"):
        groups_of(ArrayReader(np.arange(3), "g.npy"), 4)
    assert groups_of(ArrayReader(np.arange(3), "g.npy"), 3).tolist() == [0, 1, 2]
