"""JoinedReader: rows of several readers, one for each channel of the data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from arignote.data.readers.base import Array, Reader, RowIndex
from arignote.data.values.fields import check_lengths, joined

__all__ = ["JoinedReader"]


class JoinedReader(Reader):
    """Rows of several readers as structured arrays, with a field for each channel.

    Parameters
    ----------
    readers : dict of str to Reader
        By the name of the channel.
    what : str
        Name of the data in errors.
    sources : dict of str to Reader, optional
        The readers of the channels that these were made of; by default the same.

    Raises
    ------
    DataError
        If they differ in their number of rows.
    """

    def __init__(self, readers: Mapping[str, Reader], what: str = "X", sources: Mapping[str, Reader] | None = None):
        n_rows = {name: reader.shape[0] for name, reader in readers.items()}
        check_lengths(n_rows, f"{what} must have as many rows in each channel")
        self.readers = dict(readers)
        self.sources = self.readers if sources is None else dict(sources)
        self.shape = (next(iter(n_rows.values())),)
        self.dtype = np.dtype([(name, reader.dtype, reader.shape[1:]) for name, reader in readers.items()])
        # Chunks of the channel with the largest ones are read once in an epoch, those of others perhaps more often.
        self.chunk_rows = max((one.chunk_rows for one in readers.values() if one.chunk_rows is not None), default=None)
        self.is_sequential = any(reader.is_sequential for reader in readers.values())
        self.in_memory = all(reader.in_memory for reader in readers.values())
        self.where = ", ".join(f"{name}: {reader.where}" for name, reader in readers.items() if reader.where)

    def read(self, rows: RowIndex) -> Array:
        return joined({name: reader.read(rows) for name, reader in self.readers.items()})

    def stamp(self) -> object:
        return tuple(reader.stamp() for reader in self.readers.values())
