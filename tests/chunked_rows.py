"""A reader of an array, for tests."""

from __future__ import annotations

from arignote.data import Reader


class Chunked(Reader):
    """An array as if it lay in chunks of a file; counts what is read."""

    def __init__(self, array, chunk_rows=4):
        self.array, self.chunk_rows, self.where, self.n_read = array, chunk_rows, "data.h5:/x", 0
        self.shape, self.dtype = array.shape, array.dtype

    def read(self, rows):
        found = self.array[rows]
        self.n_read += len(found)
        return found
