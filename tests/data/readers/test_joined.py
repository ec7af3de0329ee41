"""JoinedReader: rows of several readers, as any other reader."""

from __future__ import annotations

import numpy as np
import pytest
from chunked_rows import Chunked

from arignote import DataError
from arignote.data.readers.base import ArrayReader
from arignote.data.readers.joined import JoinedReader
from arignote.data.readers.user_reader import UserReader

A = np.arange(40, dtype=np.float32).reshape(20, 2)
B = np.arange(20, dtype=np.int64)[::-1].reshape(20, 1)


class Forwards:
    """A reader of a user that reads forwards only."""

    def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
        return ArrayReader(B).iter_epoch(batch_size, start, stop, start_on_batch, allow_partial)


def test_rows_are_those_of_each_reader():
    reader = JoinedReader({"a": Chunked(A), "b": ArrayReader(B)})
    assert (len(reader), reader.shape, reader.dtype.itemsize) == (20, (20,), 2 * 4 + 8)
    for rows in (slice(3, 9), np.array([17, 0, 17])):
        found = reader.read(rows)
        assert np.array_equal(found["a"], A[rows]) and np.array_equal(found["b"], B[rows])


def test_chunks_are_the_largest_of_the_readers():
    small, large = Chunked(A), Chunked(A)
    small.chunk_rows, large.chunk_rows = 3, 8
    assert JoinedReader({"a": small, "b": ArrayReader(B), "c": large}).chunk_rows == 8
    assert JoinedReader({"a": ArrayReader(A), "b": ArrayReader(B)}).chunk_rows is None


def test_it_is_in_memory_if_all_are_and_sequential_if_any_is():
    arrays, mixed = JoinedReader({"a": ArrayReader(A), "b": ArrayReader(B)}), {"a": ArrayReader(A), "b": Chunked(B)}
    assert arrays.in_memory and not arrays.is_sequential
    assert not JoinedReader(mixed).in_memory and not JoinedReader(mixed).is_sequential
    assert JoinedReader({"a": ArrayReader(A), "b": UserReader(Forwards())}).is_sequential


def test_a_change_of_any_source_changes_the_stamp(tmp_path):
    np.save(tmp_path / "a.npy", A)
    reader = JoinedReader({"a": ArrayReader(np.load(tmp_path / "a.npy", mmap_mode="r")), "b": ArrayReader(B)})
    before = reader.stamp()
    assert before == reader.stamp()
    np.save(tmp_path / "a.npy", A[:10])
    assert reader.stamp() != before


def test_readers_of_other_numbers_of_rows_are_refused():
    with pytest.raises(DataError, match="valid must have as many rows in each channel; 'a' has 20, 'b' has 19"):
        JoinedReader({"a": ArrayReader(A), "b": ArrayReader(B[1:])}, "valid")


def test_the_readers_that_were_given_and_where_they_read_are_kept():
    a, b = Chunked(A), ArrayReader(B)
    reader = JoinedReader({"a": a, "b": b})
    assert reader.sources == reader.readers == {"a": a, "b": b} and reader.where == "a: data.h5:/x"
    assert JoinedReader({"a": a}, sources={"c": b}).sources == {"c": b}
    assert reader.dtype == [("a", np.float32, (2,)), ("b", np.int64, (1,))]
    with pytest.raises(DataError, match=r"^X must have as many rows"):
        JoinedReader({"a": a, "b": ArrayReader(B[1:])})
