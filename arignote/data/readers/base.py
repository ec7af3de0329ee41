"""The contract of a reader: rows of one table, which need not fit into memory."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import ArignoteError, DataError

__all__ = ["IN_MEMORY", "ArrayReader", "Origin", "OwnReader", "Reader", "check_reader", "reader_of"]

Array = NDArray[Any]

# Bytes. A larger file is not loaded, and of larger data a sample is fingerprinted.
IN_MEMORY = 256_000_000
Rows = slice | NDArray[np.int64]


@dataclass(frozen=True)
class Origin:
    """Which table of which file a reader reads.

    Attributes
    ----------
    path : str
        The file.
    table : str
        Of an HDF5 file.
    is_whole : bool
        Whether its columns were not named one by one.
    csv : dict
        What was given of the format of a text table.
    told : str
        What was found of it.
    """

    path: str
    table: str = ""
    is_whole: bool = True
    csv: Mapping[str, Any] = field(default_factory=dict)
    told: str = ""


class Reader(ABC):
    """What every reader of ours is: it gives any rows, and therefore any minibatch.

    A reader of your own needs `iter_epoch` alone; what else it has of these makes it faster.

    Attributes
    ----------
    where : str
        File and table, as they are told in errors.
    shape : tuple of int
        (rows, ...).
    dtype : numpy.dtype
        What `read` gives.
    chunk_rows : int or None
        Rows that lie together and are best read together; None where any single row is read at no cost.
    is_sequential : bool
        Whether chunks are best read in their order too.
    columns : tuple of str or of int
        Names of the columns of a table; their positions where it has no header; empty where there are none.
    origin : Origin or None
        Of columns of a file.
    missing : dict of (str or int) to (int, int)
        First row, and number of rows, without a number, of each column that has such rows, where that is known without
        reading.

    Examples
    --------
    >>> class Squares:
    ...     '''Ten rows of two numbers that nobody stores.'''
    ...
    ...     def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
    ...         stop = 10 if stop is None else min(stop, 10)
    ...         start = start // batch_size * batch_size if start_on_batch else start
    ...         for at in range(start, stop, batch_size):
    ...             end = min(at + batch_size, stop)
    ...             if allow_partial or end - at == batch_size:
    ...                 yield np.array([[row, row**2] for row in range(at, end)], dtype=np.float32)
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
    origin: Origin | None = None
    missing: Mapping[str | int, tuple[int, int]] = MappingProxyType({})

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def read(self, rows: Rows) -> Array:
        """Return rows (n, ...): those of a slice of step 1, or of row numbers in any order."""

    def stamp(self) -> object:
        """Return what changes when the source changes (size and time of a file); None where it cannot."""
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
            The rows that are read: from `start` on, before `stop` (None: the end).
        start_on_batch : bool
            Whether `start` is moved down to a multiple of `batch_size`.
        allow_partial : bool
            Whether a last, smaller batch is given.
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
        Of any kind.
    where : str
        File and table it is from.
    like : Reader, optional
        Reader of the same columns, whose `columns` and `origin` are taken over.
    """

    def __init__(self, array: Any, where: str = "", like: Reader | None = None):
        self.where = where
        if like is not None:
            self.columns, self.origin = like.columns, like.origin
        self.array = array if isinstance(array, np.ndarray) else np.asarray(array)
        self.shape, self.dtype = self.array.shape, self.array.dtype

    def read(self, rows: Rows) -> Array:
        # Of row numbers `take` needs two thirds of the time of an index.
        found: Array = self.array[rows] if isinstance(rows, slice) else self.array.take(rows, axis=0)
        return found

    def stamp(self) -> object:
        """Return size and time of the file of a memory map; None of an array, or where there is no file any more."""
        if not isinstance(self.array, np.memmap) or self.array.filename is None:
            return None
        with suppress(OSError):
            found = os.stat(self.array.filename)
            return found.st_size, found.st_mtime_ns
        return None


class OwnReader(Reader):
    """A reader of a user's own, of which `iter_epoch` is known and whatever else it has.

    Parameters
    ----------
    own : object
        With `iter_epoch`; `shape`, `dtype`, `__len__` and ``read(rows)`` are used where they are.

    Raises
    ------
    DataError
        Where it gives nothing, or forgets `start`.
    """

    is_sequential = True
    chunk_rows = 256

    def __init__(self, own: Any):
        self._own = own
        # A reader of a user's own has one position, and validation reads while training reads ahead.
        self._lock = threading.RLock()
        self.where = type(own).__name__
        first = self._first()
        shape = getattr(own, "shape", None)
        n_rows = len(own) if hasattr(own, "__len__") else shape[0] if shape else self._count()
        self.shape, self.dtype = (int(n_rows), *first.shape[1:]), first.dtype
        if hasattr(own, "read"):
            self.is_sequential = False
        else:
            self._see_that_it_starts()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Give what the user's reader raises its name."""
        try:
            yield
        except ArignoteError:
            raise
        except Exception as fault:
            raise DataError(f"{self.where}: {type(fault).__name__}: {fault}") from fault

    def _first(self) -> Array:
        with self._told():
            for batch in self._own.iter_epoch(1, allow_partial=True):
                if isinstance(batch, tuple | Mapping):
                    raise DataError(
                        f"{self.where}: iter_epoch must yield arrays of features alone, (rows, ...); got a "
                        f"{type(batch).__name__} of {len(batch)}. Give the labels on their own: fit(reader, y)"
                    )
                return np.asarray(batch)
        raise DataError(f"{self.where}: iter_epoch gives no batch")

    def _count(self) -> int:
        with self._told():
            return sum(len(batch) for batch in self._own.iter_epoch(1024, allow_partial=True))

    def _see_that_it_starts(self) -> None:
        half = min(len(self) // 2, 8)
        whole, tail = self.read(slice(0, 2 * half)), self.read(slice(half, 2 * half))
        if not np.array_equal(whole[half:], tail, equal_nan=self.dtype.kind == "f"):
            raise DataError(f"{self.where}: iter_epoch(..., start={half}) does not begin with row {half}")

    def read(self, rows: Rows) -> Array:
        with self._lock, self._told():
            if hasattr(self._own, "read"):
                return self._checked(np.asarray(self._own.read(rows)), 0)
            if isinstance(rows, slice):
                return self._stretch(*rows.indices(len(self))[:2])
            low, high = (int(rows.min()), int(rows.max()) + 1) if len(rows) else (0, 0)
            return self._stretch(low, high)[rows - low]

    def _stretch(self, start: int, stop: int) -> Array:
        """Return the rows from `start` to `stop`, of whatever `iter_epoch` gives."""
        found = self._own.iter_epoch(self.chunk_rows, start=start, stop=stop, start_on_batch=False, allow_partial=True)
        batches = [self._checked(np.asarray(batch), start // self.chunk_rows + n) for n, batch in enumerate(found)]
        whole = np.concatenate(batches) if batches else np.empty((0, *self.shape[1:]), self.dtype)
        if len(whole) != stop - start:
            raise DataError(
                f"{self.where}: rows {start} to {stop} were asked for, and {len(whole)} came; "
                "iter_epoch must respect start and stop"
            )
        return whole

    def _checked(self, batch: Array, number: int) -> Array:
        if batch.shape[1:] != self.shape[1:]:
            raise DataError(
                f"{self.where}: batch {number} has rows of shape {batch.shape[1:]}; the first ones {self.shape[1:]}"
            )
        return batch


def reader_of(source: Any) -> Reader:
    """Return a reader of ours, one of a user's own, or an array, as a `Reader`."""
    if isinstance(source, Reader):
        return source
    return OwnReader(source) if hasattr(source, "iter_epoch") else ArrayReader(source)


def check_reader(reader: Any) -> None:
    """Check that a reader keeps the contract; DataError says what it does not.

    Parameters
    ----------
    reader : Reader, or object with `iter_epoch`
        With at least two rows.
    """

    def rows(batch_size: int, **more: Any) -> Array:
        batches = [np.asarray(batch) for batch in reader.iter_epoch(batch_size, **more)]
        for number, batch in enumerate(batches):
            if batch.shape[1:] != ours.shape[1:]:
                raise DataError(
                    f"{where}: batch {number} has rows of shape {batch.shape[1:]}; it says {ours.shape[1:]}"
                )
        return np.concatenate(batches) if batches else np.empty((0, *ours.shape[1:]), ours.dtype)

    ours = reader_of(reader)
    where = ours.where or type(reader).__name__
    n = len(ours)
    whole = rows(3, allow_partial=True)
    third = max(n // 3, 1)
    expected = {
        "the same rows each time": (rows(2, allow_partial=True), whole),
        "as many rows as its length says": (np.array(len(whole)), np.array(n)),
        "whole batches only, where allow_partial is False": (rows(3), whole[: n // 3 * 3]),
        "the rows from `start` on": (rows(2, start=third, start_on_batch=False, allow_partial=True), whole[third:]),
        "the rows before `stop`": (rows(2, stop=third, allow_partial=True), whole[:third]),
        "the batch of `start`, where start_on_batch is True": (rows(2, start=1, allow_partial=True), whole),
        "the same slice by read": (ours.read(slice(third, n)), whole[third:]),
        "the same rows by read, in their order": (ours.read(np.array([n - 1, 0])), whole[[n - 1, 0]]),
    }
    for promise, (got, wanted) in expected.items():
        if not np.array_equal(got, wanted, equal_nan=whole.dtype.kind == "f"):
            raise DataError(f"{where}: a reader must give {promise}")
