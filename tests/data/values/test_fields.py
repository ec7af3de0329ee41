"""Arrays that are joined as fields of one array are taken apart again."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import DataError
from arignote.data.values.fields import ALONE, check_lengths, fields_of, joined

A = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
B = np.array([7, 8, 9])


def test_fields_that_are_joined_are_taken_apart_with_their_types_and_shapes():
    array = joined({"a": A, "b": B})
    assert array.shape == (3,) and array.dtype == [("a", np.float32, (2, 2)), ("b", np.int64)]
    fields = fields_of(array[[2, 0]])
    assert list(fields) == ["a", "b"]
    assert np.array_equal(fields["a"], A[[2, 0]]) and np.array_equal(fields["b"], [9, 7])


def test_an_array_alone_stays_as_it_is():
    assert fields_of(A)[ALONE] is A and list(fields_of(A)) == [ALONE] and joined({ALONE: A}) is A


def test_numbers_of_rows_that_differ_are_all_named():
    check_lengths({"a": 3, "b": 3}, "X must have as many rows in each channel")
    with pytest.raises(DataError, match=r"^X must have as many rows in each channel; 'a' has 3, 'b' has 2$"):
        check_lengths({"a": 3, "b": 2}, "X must have as many rows in each channel")
