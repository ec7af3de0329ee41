"""Rows of a table in an HDF5 file: a reader that threads share and that finds its way into other processes."""

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
from arignote.data.readers.hdf import Table, columns_of, open_table, tables_of
from arignote.data.readers.hdf.heaps import check_heaps
from arignote.errors import DataError

if TYPE_CHECKING:
    import h5py

__all__ = ["HDFReader", "columns_in", "tables_in"]

Array = NDArray[Any]


class HDFReader(Reader):
    """Rows of one table of an HDF5 file: an array, a table of PyTables, a pandas object of today or of 2015.

    Threads may share it. It may be pickled, and used on both sides of a fork: each process opens the file for itself,
    at its first read. The file is closed by `close`, at the end of a ``with``, or with the last word of the reader;
    after `close`, the next read opens it again.

    Parameters
    ----------
    fname : str or Path
        The file. Only read.
    table : str, optional
        The table's path in the file; may be left out where the file holds one table.
    color : int or str, optional
        Of a Panel4D, this colour alone: a label, or else a position. The axis stays, with length 1.
    asarray : bool, optional
        Whether the whole table is read at once and kept in memory.
    columns : sequence of str, optional
        Which columns of a table or DataFrame, in this order. All of them if left out.

    Raises
    ------
    DataError
        Where the file is missing, cut short or no HDF5 file; where there is no such table or column or colour (with
        those there are); for rows of different lengths, and what is no number; for attributes that name code, of which
        nothing is run; for a missing filter; at a read, for rows that are broken.
    """

    _whole: Array | None
    _opened: tuple[int, Table, weakref.finalize[Any, HDFReader]] | None

    def __init__(
        self,
        fname: str | Path,
        table: str | None = None,
        color: int | str | None = None,
        asarray: bool | None = None,
        columns: Sequence[str] | None = None,
    ):
        # Another process may have another working directory.
        self._path, self._name, self._color, self._columns = os.path.abspath(fname), table, color, columns
        self._asarray = bool(asarray)
        self._start()
        with _file(self._path, table) as file:
            self._name = table or _only(file)
            self.where = f"{fname}:/{self._name.strip('/')}"
            found = self._table_of(file)
            self.shape, self.dtype = found.shape, found.dtype
            names = tuple(found.names if columns is None else columns)
            self.columns = names if found.names and found.shape[1:] == (len(names),) else ()
            self.chunk_rows = None if asarray else found.block_rows
            self._whole = found.read(0, len(found)) if asarray else None

    def _start(self) -> None:
        self._whole = self._opened = None
        # By process: a lock that a thread held at a fork is never given back in the child.
        self._locks: dict[int, threading.RLock] = {}

    def _lock(self) -> threading.RLock:
        return self._locks.setdefault(os.getpid(), threading.RLock())

    def _table_of(self, file: h5py.File) -> Table:
        return open_table(file, str(self._name), columns=self._columns, color=self._color)

    def _table(self) -> Table:
        """Return the open table of this process; the lock is held."""
        if self._opened and self._opened[0] == os.getpid():
            return self._opened[1]
        self.close()
        file = _file(self._path, self._name)
        closes = weakref.finalize(self, file.close)
        try:
            table = self._table_of(file)
            if (table.shape, table.dtype) != (self.shape, self.dtype):
                was, now = f"{self.shape} {self.dtype}", f"{table.shape} {table.dtype}"
                raise DataError(f"{self.where}: was {was} when the reader was made, and is {now} now")
        except BaseException:
            closes()
            raise
        self._opened = (os.getpid(), table, closes)
        return table

    def read(self, rows: slice | NDArray[np.int64]) -> Array:
        """Return rows: those of a slice, or of row numbers in any order; each HDF5 chunk is read at most once."""
        if isinstance(rows, slice) and rows.step not in (None, 1):
            rows = np.arange(*rows.indices(len(self)))
        if not isinstance(rows, slice):
            if np.asarray(rows).dtype == bool:
                raise DataError(f"{self.where}: rows must be numbers; of a mask: np.flatnonzero(mask)")
            rows = np.asarray(rows, np.int64)
            wrong = rows[(rows < 0) | (rows >= len(self))]
            if len(wrong):
                raise DataError(f"{self.where}: has {len(self)} rows, and so no row {wrong[0]}")
        with self._lock():
            if self._asarray:
                if self._whole is None:
                    self._whole = self._table().read(0, len(self))
                    self.close()
                found: Array = self._whole[rows]
                return found
            if isinstance(rows, slice):
                start, stop, _ = rows.indices(len(self))
                return self._table().read(start, stop)
            return self._table().pick(rows)

    def stamp(self) -> tuple[int, int]:
        """Return size and time (ns) of the file."""
        try:
            found = os.stat(self._path)
        except OSError as fault:
            raise DataError(f"{self.where}: there is no such file any more: {fault}") from None
        return found.st_size, found.st_mtime_ns

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        with self._lock():
            opened, self._opened = self._opened, None
            if opened:
                opened[2]()

    def __enter__(self) -> HDFReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_whole", "_opened", "_locks")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()


def _file(path: str, table: str | None) -> h5py.File:
    import h5py

    told = f" (table {table!r})" if table else ""
    if not os.path.isfile(path):
        raise DataError(f"{path}: there is no such file{told}")
    check_heaps(path)
    try:
        return h5py.File(path, "r")
    except Exception as fault:
        # Of a broken file the library raises OSError, and now and then another.
        what = "is cut short" if "truncated" in str(fault) else "cannot be opened"
        what = what if h5py.is_hdf5(path) else "is not an HDF5 file"
        raise DataError(f"{path}: {what}{told}: {fault}") from None


def is_hdf5(path: str | Path) -> bool:
    """Whether a file is HDF5, by its first bytes, or those after a block of the user's own."""
    import h5py

    return bool(h5py.is_hdf5(path))


def tables_in(path: str | Path) -> list[str]:
    """Return the tables of a file that `HDFReader` takes."""
    with _file(str(path), None) as file:
        return tables_of(file)


def columns_in(path: str | Path, table: str) -> list[str]:
    """Return the names of all columns of a table of a file, whatever they hold."""
    with _file(str(path), table) as file:
        return columns_of(file, table)


def _only(file: h5py.File) -> str:
    there = tables_of(file)
    if len(there) == 1:
        return there[0]
    if not there:
        raise DataError(f"{file.filename}: holds no table that can be read by rows")
    raise DataError(f"{file.filename}: holds several tables; name one: {', '.join(there)}")
