"""Base classes of readers: rows of one table, which need not fit into memory."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "IN_MEMORY",
    "Array",
    "ArrayReader",
    "Reader",
    "RowIndex",
    "TableOrigin",
    "text_columns",
]

Array = NDArray[Any]

# Bytes. Larger files are not loaded, and the fingerprint of larger data is that of a sample.
IN_MEMORY = 256_000_000
# A slice of step 1, or row numbers (n,).
RowIndex = slice | NDArray[np.int64]


@dataclass(frozen=True)
class TableOrigin:
    """The file and table that a reader reads.

    Attributes
    ----------
    path : str
        Absolute path of the file.
    table : str
        Path of the table in an HDF5 file.
    is_whole : bool
        Whether all columns are read, rather than columns that were named one by one.
    csv : dict
        Format of a text table, as far as the user has set it.
    dialect : str
        Description of the format of a text table, as detected.
    """

    path: str
    table: str = ""
    is_whole: bool = True
    csv: Mapping[str, Any] = field(default_factory=dict)
    dialect: str = ""


class Reader(ABC):
    """Base class of readers: any rows of a table can be read, and so any minibatch.

    A user's own reader needs only `iter_epoch`, and no base class; other methods and attributes make it faster.

    Attributes
    ----------
    where : str
        File and table, as named in errors.
    shape : tuple of int
        (rows, ...).
    dtype : numpy.dtype
        dtype of the arrays that `read` returns.
    chunk_rows : int or None
        Rows that are stored together and should be read together; None if single rows can be read efficiently.
    is_sequential : bool
        Whether chunks should be read in their order.
    columns : tuple of str or of int
        Names of the columns of a table, or their positions if it has no header; empty for other data.
    origin : TableOrigin or None
        File and table, for readers of columns of a file.
    in_memory : bool
        Whether the rows are those of an array, or of a memory map.
    text : tuple of int
        Positions of the columns of text, of a table that has columns of numbers too: its rows are objects.
    missing : dict of (str or int) to (int, int)
        First row with a missing number, and number of such rows, for each column that has any; empty if unknown.

    Examples
    --------
    >>> class Squares:
    ...     '''Ten rows of two numbers, computed when they are read.'''
    ...
    ...     def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
    ...         stop = 10 if stop is None else min(stop, 10)
    ...         start = start // batch_size * batch_size if start_on_batch else start
    ...         for at in range(start, stop, batch_size):
    ...             end = min(at + batch_size, stop)
    ...             if allow_partial or end - at == batch_size:
    ...                 yield np.array([[row, row**2] for row in range(at, end)], dtype=np.float32)
    >>> from arignote.data.readers.user_reader import reader_of
    >>> reader = reader_of(Squares())
    >>> reader.shape, reader.read(slice(3, 5)).tolist()
    ((10, 2), [[3.0, 9.0], [4.0, 16.0]])
    """

    where: str = ""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk_rows: int | None = None
    is_sequential: bool = False
    columns: tuple[str, ...] | tuple[int, ...] = ()
    origin: TableOrigin | None = None
    in_memory: bool = False
    text: tuple[int, ...] = ()
    # Read-only, as it is shared by all readers that know of none.
    missing: Mapping[str | int, tuple[int, int]] = MappingProxyType({})

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def read(self, rows: RowIndex) -> Array:
        """Read rows.

        Parameters
        ----------
        rows : slice or array (n,) of int64
            A slice of step 1, or row numbers in any order.

        Returns
        -------
        array (n, ...)

        Raises
        ------
        DataError
            If the source cannot be read.
        """

    def stamp(self) -> object:
        """Return a value that changes with the source, such as size and time of a file; None if it cannot change."""
        return None

    def digest(self) -> str | None:
        """Return the SHA-256 of all rows, if it can be found without reading them; else None."""
        return None

    def iter_epoch(
        self,
        batch_size: int,
        start: int = 0,
        stop: int | None = None,
        start_on_batch: bool = True,
        allow_partial: bool = False,
    ) -> Iterator[Array]:
        """Yield minibatches in the order of the rows.

        Parameters
        ----------
        batch_size : int
            Rows of a batch.
        start, stop : int, int or None
            Range of the rows, as of a slice (None: to the end).
        start_on_batch : bool
            Whether `start` is rounded down to a multiple of `batch_size`.
        allow_partial : bool
            Whether a last, smaller batch is yielded.

        Yields
        ------
        array (batch_size, ...)
        """
        start = start // batch_size * batch_size if start_on_batch else start
        stop = len(self) if stop is None else min(stop, len(self))
        for at in range(start, stop, batch_size):
            end = min(at + batch_size, stop)
            if allow_partial or end - at == batch_size:
                yield self.read(slice(at, end))


class ArrayReader(Reader):
    """Rows of an array in memory, or of a memory map.

    Parameters
    ----------
    array : array (rows, ...)
        Values of any dtype.
    where : str
        File and table that the array comes from.
    like : Reader, optional
        Reader of the same columns, whose `columns` and `origin` are copied.
    """

    in_memory = True

    def __init__(self, array: Any, where: str = "", like: Reader | None = None):
        self.where = where
        if like is not None:
            self.columns, self.origin = like.columns, like.origin
        self.array = array if isinstance(array, np.ndarray) else np.asarray(array)
        self.shape, self.dtype = self.array.shape, self.array.dtype

    def read(self, rows: RowIndex) -> Array:
        # For row numbers, `take` needs two thirds of the time of indexing.
        values: Array = self.array[rows] if isinstance(rows, slice) else self.array.take(rows, axis=0)
        return values

    def stamp(self) -> object:
        """Return size and time (ns) of the file of a memory map; None for an array, or if the file no longer exists."""
        # The map of a temporary file, which has no name, has none either.
        if not isinstance(self.array, np.memmap) or self.array.filename is None:
            return None
        with suppress(OSError):
            status = os.stat(self.array.filename)
            return status.st_size, status.st_mtime_ns
        return None


def text_columns(reader: Reader) -> tuple[str, ...] | tuple[int, ...]:
    """Return the names of the columns of text of a table; positions, if it has no names."""
    columns = reader.columns or range(reader.shape[-1] if reader.text else 0)
    return tuple(columns[place] for place in reader.text)  # type: ignore[return-value]
