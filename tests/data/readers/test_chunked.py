"""A table that is read chunk by chunk: rows in any order, each chunk once for neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.data.readers.chunked import ChunkedReader
from arignote.errors import DataError

ROWS = np.arange(20.0).reshape(10, 2)


class Table(ChunkedReader):
    """Ten rows in chunks of 4, 1 and 5."""

    shape, dtype = (10, 2), np.dtype(float)

    def __init__(self, path, columns=None):
        super().__init__(path, columns)
        self.starts, self.asked = np.array([0, 4, 5]), []

    def read_chunk(self, number):
        self.asked.append(number)
        return np.split(ROWS, self.starts[1:])[number]


@pytest.fixture
def table(tmp_path):
    (tmp_path / "file").write_text("")
    return Table(tmp_path / "file")


@pytest.mark.parametrize("rows", [slice(0, 10), slice(3, 6), slice(5, 5), [9, 0, 4, 5, 3, 9], np.array([7])])
def test_rows_are_those_that_were_asked_for_in_their_order(table, rows):
    np.testing.assert_array_equal(table.read(rows), ROWS[rows])


def test_each_chunk_is_read_once_and_the_last_one_is_kept(table):
    table.read([9, 0, 5, 1])
    table.read([6])
    assert table.asked == [0, 2]


def test_rows_and_columns_that_are_not_there_are_refused(table):
    with pytest.raises(IndexError, match="rows 3 to 10 were asked for, of 10"):
        table.read([3, 10])
    wanting = Table(table.path, ["b", "z"])
    with pytest.raises(DataError, match="has no column 'z'"):
        wanting.select_columns(["a", "b"])
    with pytest.raises(DataError, match=r"has 2 columns named 'b' \(0 and 2\)"):
        Table(table.path, "b").select_columns(["b", "a", "b"])
