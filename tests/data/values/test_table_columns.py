"""Columns of a table by name, position and kind, and its rows as numbers and text."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.data.values.table_columns import TableColumns, TableRows
from arignote.errors import DataError

COLUMNS = TableColumns.of(["age", "town", "size"], [1])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("number", ("age", "size")),
        ("category", ("town",)),
        (["size", "age"], ("size", "age")),
        (1, ("town",)),
        ("size,town", ("size", "town")),
        (["number", "age"], ("age", "size")),
        ([], ()),
    ],
)
def test_columns_are_chosen_by_kind_name_and_position(asked, expected):
    assert COLUMNS.chosen(asked, "X") == expected


def test_a_column_that_was_encoded_is_chosen_by_no_kind_and_refused_by_name():
    left = COLUMNS.without(["age"])
    assert left.chosen("number", "X") == ("size",)
    with pytest.raises(DataError, match="an earlier step of preprocess has encoded the column 'age'"):
        left.chosen(["age"], "X")


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(DataError, match="two columns are named 'a'"):
        TableColumns.of(["a", "b", "a"], [])


def test_rows_are_numbers_beside_text_with_none_for_what_is_missing():
    x = np.array([[1.5, "a", 2], [np.nan, np.nan, 3]], object)
    rows = TableRows.of(x, np.array([False, True, False]))
    np.testing.assert_array_equal(rows.numbers, [[1.5, 2.0], [np.nan, 3.0]])
    assert rows.words.tolist() == [["a"], [None]]
    np.testing.assert_array_equal(
        TableRows(rows.numbers, rows.words, (np.ones((2, 1)),)).whole[:, 1:], [[2, 1], [3, 1]]
    )
    with pytest.raises(DataError, match="a column that holds numbers in the training rows holds text"):
        TableRows.of(np.array([["x", "a", 1]], object), np.array([False, True, False]))
