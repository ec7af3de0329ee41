"""Reader of a table in an HDF5 file, which threads may share and other processes may unpickle."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.base import Reader
from arignote.data.readers.hdf import HDFTable, columns_of, open_table, tables_of
from arignote.data.readers.hdf.heaps import check_heaps
from arignote.errors import DataError

if TYPE_CHECKING:
    import h5py

__all__ = ["HDFReader", "columns_in", "is_hdf5", "tables_in"]

Array = NDArray[Any]


class HDFReader(Reader):
    """Reader of one table of an HDF5 file: an array, a table of PyTables, or a pandas object, also of 2015.

    Threads may share a reader. It can be pickled, and used on both sides of a fork: each process opens the file at its
    first read. The file is closed by `close`, at the end of a ``with`` block, or when the reader is deleted; after
    `close`, the next read opens it again.

    Parameters
    ----------
    fname : str or Path
        The file, opened read-only.
    table : str, optional
        Path of the table in the file; may be left out if the file holds one table.
    color : int or str, optional
        The colour of a Panel4D that is read: a label, or else a position. Its axis is kept, with length 1.
    asarray : bool, optional
        Whether the whole table is read at once and kept in memory.
    columns : sequence of str, optional
        Columns of a table or DataFrame, in this order; by default all.

    Raises
    ------
    DataError
        If the file is missing, truncated or not an HDF5 file; if there is no such table, column or colour (the message
        lists those that exist); if rows differ in length, or values are not numbers; if an attribute names code, which
        is not run; if a filter is missing; when read, if rows are broken.
    """

    _whole: Array | None
    _opened: tuple[int, HDFTable, weakref.finalize[Any, HDFReader]] | None

    def __init__(
        self,
        fname: str | Path,
        table: str | None = None,
        color: int | str | None = None,
        asarray: bool | None = None,
        columns: Sequence[str] | None = None,
    ):
        # Absolute, as another process may have another working directory.
        self._path, self._name, self._color, self._columns = os.path.abspath(fname), table, color, columns
        self._asarray = bool(asarray)
        self._start()
        with _file(self._path, table) as file:
            self._name = table or _only(file)
            self.where = f"{fname}:/{self._name.strip('/')}"
            opened = self._table_of(file)
            self.shape, self.dtype = opened.shape, opened.dtype
            names = tuple(opened.names if columns is None else columns)
            self.columns = names if opened.names and opened.shape[1:] == (len(names),) else ()
            self.chunk_rows = None if asarray else opened.rows_per_read
            self._whole = opened.read(0, len(opened)) if asarray else None

    def _start(self) -> None:
        self._whole = self._opened = None
        # By process: a lock that another thread holds during a fork is never released in the child.
        self._locks: dict[int, threading.RLock] = {}

    def _lock(self) -> threading.RLock:
        # Atomic, so that all threads get one lock; re-entrant, as `close` is called while `read` holds it.
        return self._locks.setdefault(os.getpid(), threading.RLock())

    def _table_of(self, file: h5py.File) -> HDFTable:
        return open_table(file, str(self._name), columns=self._columns, color=self._color)

    def _table(self) -> HDFTable:
        """Return the open table of this process; the caller holds the lock."""
        if self._opened and self._opened[0] == os.getpid():
            return self._opened[1]
        # What the parent opened before a fork: this process opens its own.
        self.close()
        file = _file(self._path, self._name)
        # Unlike `__del__`, it runs at the exit of Python before modules are taken apart, and once only.
        close_file = weakref.finalize(self, file.close)
        try:
            table = self._table_of(file)
            if (table.shape, table.dtype) != (self.shape, self.dtype):
                was, now = f"{self.shape} {self.dtype}", f"{table.shape} {table.dtype}"
                raise DataError(
                    f"{self.where}: was {was} when the reader was created, is now {now}: did the file change?"
                )
        except BaseException:
            close_file()
            raise
        self._opened = (os.getpid(), table, close_file)
        return table

    def read(self, rows: slice | NDArray[np.int64]) -> Array:
        """Read rows of a slice, also with a step, or of row numbers; see `Reader.read`. An HDF5 chunk is read once."""
        if isinstance(rows, slice) and rows.step not in (None, 1):
            rows = np.arange(*rows.indices(len(self)))
        if not isinstance(rows, slice):
            if np.asarray(rows).dtype == bool:
                raise DataError(f"{self.where}: rows must be row numbers; for a mask: np.flatnonzero(mask)")
            rows = np.asarray(rows, np.int64)
            wrong = rows[(rows < 0) | (rows >= len(self))]
            if len(wrong):
                raise DataError(f"{self.where}: has {len(self)} rows; row {wrong[0]} is out of range")
        with self._lock():
            if self._asarray:
                # The rows are not pickled: another process reads them again.
                if self._whole is None:
                    self._whole = self._table().read(0, len(self))
                    self.close()
                values: Array = self._whole[rows]
                return values
            if isinstance(rows, slice):
                start, stop, _ = rows.indices(len(self))
                return self._table().read(start, stop)
            return self._table().pick(rows)

    def stamp(self) -> tuple[int, int]:
        """Return size and modification time (ns) of the file."""
        try:
            status = os.stat(self._path)
        except OSError as error:
            raise DataError(f"{self.where}: the file no longer exists: {error}") from None
        return status.st_size, status.st_mtime_ns

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        with self._lock():
            opened, self._opened = self._opened, None
            if opened:
                opened[2]()

    def __enter__(self) -> HDFReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_whole", "_opened", "_locks")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()


def _file(path: str, table: str | None) -> h5py.File:
    import h5py

    of_table = f" (table {table!r})" if table else ""
    if not os.path.isfile(path):
        raise DataError(f"{path}: there is no such file{of_table}")
    # Before h5py opens the file: the library may loop forever on a broken heap.
    check_heaps(path)
    try:
        return h5py.File(path, "r")
    except Exception as error:
        # For a broken file, h5py mostly raises OSError, but other errors, too.
        what = "is truncated" if "truncated" in str(error) else "cannot be opened"
        what = what if h5py.is_hdf5(path) else "is not an HDF5 file"
        raise DataError(f"{path}: {what}{of_table}: {error}") from None


def is_hdf5(path: str | Path) -> bool:
    """Whether a file is HDF5, by its first bytes, or those after a block of the user's own."""
    import h5py

    return bool(h5py.is_hdf5(path))


def tables_in(path: str | Path) -> list[str]:
    """Return the paths of the tables of a file that `HDFReader` can read."""
    with _file(str(path), None) as file:
        return tables_of(file)


def columns_in(path: str | Path, table: str) -> list[str]:
    """Return the names of all columns of a table of a file, of any type; empty for an array."""
    with _file(str(path), table) as file:
        return columns_of(file, table)


def _only(file: h5py.File) -> str:
    available = tables_of(file)
    if len(available) == 1:
        return available[0]
    if not available:
        raise DataError(f"{file.filename}: holds no table that can be read by rows")
    raise DataError(f"{file.filename}: holds several tables; name one: {', '.join(available)}")
