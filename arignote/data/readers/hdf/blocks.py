"""A table in an HDF5 file that is read by rows, assembled from blocks of columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.hdf.attributes import reporting
from arignote.data.readers.memory_check import check_memory
from arignote.errors import DataError, available_names, listed

__all__ = ["ColumnBlock", "HDFTable", "block_of", "field_of", "objects", "plan"]

Array = NDArray[Any]
# Bytes of one read: little memory, but enough that the overhead of a call is negligible.
_READ_BYTES = 1 << 20
# Bytes of a gap between rows that are read faster than a second read starts.
_GAP = 1 << 16


class HDFTable:
    """Rows of one table of an open file, read slice by slice.

    Attributes
    ----------
    shape : tuple of int
        Rows first.
    dtype : numpy.dtype
        dtype of the rows; object for strings, with NaN for missing ones.
    chunk_rows : int or None
        Rows per HDF5 chunk; None if the data is contiguous.
    rows_per_read : int
        Rows that should be read together: about 1 MB, in whole chunks; a function of shape, dtype and layout.
    names : list of str
        Names of the columns; empty if they have none.

    Parameters
    ----------
    read : function of start and stop
        Returns these rows, to be reshaped to `shape`.
    chunk : int, optional
        Lines of an HDF5 chunk.
    lines : int
        Lines of one row.
    row_bytes : int, optional
        Bytes of a row in the file, if they differ from those of a row of `shape` and `dtype`.
    scattered : bool
        Whether each read passes over the whole table, so that reads should be large.
    """

    def __init__(
        self,
        where: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        read: Callable[[int, int], Array],
        chunk: int | None = None,
        names: Sequence[str] = (),
        *,
        lines: int = 1,
        row_bytes: int | None = None,
        scattered: bool = False,
    ):
        if min(shape) < 0:
            raise DataError(f"{where}: has the shape {shape}, which no table has")
        # A fit draws an order of the rows, an int64 for each.
        check_memory(8 * shape[0], where, f"the row numbers of its {shape[0]} rows")
        self.shape, self.dtype, self.names = shape, dtype, list(names)
        self._where, self._read, self._chunk, self._lines = where, read, chunk, lines
        self._row_bytes = max(1, row_bytes or math.prod(shape[1:]) * dtype.itemsize)
        self.chunk_rows = max(1, chunk // lines) if chunk else None
        self._gap = math.inf if scattered else _GAP
        near = max(1, (64 * _READ_BYTES if scattered else _READ_BYTES) // self._row_bytes)
        # With several lines per row, rows and chunks end together only every `whole` rows.
        whole = math.lcm(chunk, lines) // lines if chunk else 1
        step = whole if whole <= near else self.chunk_rows or 1
        self.rows_per_read = step * max(1, round(near / step))

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, start: int, stop: int) -> Array:
        """Return the rows of a slice.

        Parameters
        ----------
        start, stop : int
            Bounds, as in a slice.

        Returns
        -------
        array (stop - start, ...)

        Raises
        ------
        DataError
            If these rows are broken, or their layout differs from that of the first rows.
        """
        start, stop, _ = slice(start, stop).indices(len(self))
        stop = max(start, stop)
        self._check_memory(stop - start)
        with reporting(self._where, f" (in rows {start} to {stop})"):
            rows = self._read(start, stop).reshape(stop - start, *self.shape[1:])
            return np.ascontiguousarray(rows, dtype=self.dtype)

    def _check_memory(self, n_rows: int) -> None:
        n_bytes = max(self._row_bytes, math.prod(self.shape[1:]) * self.dtype.itemsize)
        check_memory(n_rows * n_bytes, self._where, f"{n_rows} of its rows {self.shape[1:]}")

    def pick(self, rows: NDArray[np.int64]) -> Array:
        """Return rows by their numbers; no chunk is read twice.

        Parameters
        ----------
        rows : array (n,) of int64
            In any order, with repetitions.

        Returns
        -------
        array (n, ...)
        """
        requested, order = rows, np.argsort(rows, kind="stable")
        rows = rows[order]
        cuts = np.flatnonzero(self._apart(rows[:-1], rows[1:])) + 1
        if len(rows) and not len(cuts):
            values: Array = self.read(int(rows[0]), int(rows[-1]) + 1).take(requested - rows[0], axis=0)
            return values
        self._check_memory(len(rows))
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            if start < stop:
                low = int(rows[start])
                out[order[start:stop]] = self.read(low, int(rows[stop - 1]) + 1)[rows[start:stop] - low]
        return out

    def _apart(self, row: NDArray[np.int64], following: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return between which consecutive rows (of a sorted selection) a new read starts."""
        if self._chunk:
            far = ((row + 1) * self._lines - 1) // self._chunk < following * self._lines // self._chunk
        else:
            far = (following - row - 1) * self._row_bytes > self._gap
            far |= row // self.rows_per_read != following // self.rows_per_read
        near: NDArray[np.bool_] = following <= row + 1
        return far & ~near


@dataclass(frozen=True)
class ColumnBlock:
    """Columns that are stored together: one block of a DataFrame, or one field of a table.

    Attributes
    ----------
    labels : list of str
        Names of the columns.
    dtype : numpy.dtype
        dtype of the values.
    cut : callable
        Returns the values of the columns from the raw data of a read.
    width : int
        Values per column and row.
    unsupported : str
        What the columns hold, if it is neither numbers nor strings.
    """

    labels: list[str]
    dtype: np.dtype[Any]
    cut: Callable[[Any], Array]
    width: int = 1
    unsupported: str = ""


def block_of(
    kind: Any,
    labels: list[str],
    cut: Callable[[Any], Array],
    unsupported: str = "",
    encoding: str = "",
    missing: str | None = None,
) -> ColumnBlock:
    """Return the block of columns of an HDF5 type.

    Parameters
    ----------
    kind : h5py.h5t.TypeID
        Type of the values.
    labels : list of str
        Names of the columns.
    cut : callable
        See `ColumnBlock`.
    unsupported : str
        Kind of the columns, if their type does not determine it.
    encoding : str
        Encoding of strings; UTF-8 if empty.
    missing : str, optional
        String that marks a missing value.

    Returns
    -------
    ColumnBlock
    """
    import h5py

    width, form = 1, kind.get_class()
    if form == h5py.h5t.ARRAY:
        width, kind = math.prod(kind.get_array_dims()) // len(labels), kind.get_super()
        form = kind.get_class()
    if form == h5py.h5t.BITFIELD and kind.get_size() == 1:
        # PyTables keeps booleans as bit fields.
        return ColumnBlock(labels, np.dtype(bool), lambda raw: cut(raw).astype(bool), width, unsupported)
    if form == h5py.h5t.STRING:

        def strings(raw: Any) -> Array:
            field = cut(raw)
            flat = [value.decode(encoding or "utf-8") if isinstance(value, bytes) else value for value in field.ravel()]
            return objects([np.nan if value == missing else value for value in flat]).reshape(field.shape)

        return ColumnBlock(labels, np.dtype(object), strings, width, unsupported)
    try:
        dtype = kind.dtype
    except TypeError:
        return ColumnBlock(
            labels, np.dtype(object), cut, width, unsupported or "values of a type that NumPy lacks, such as times"
        )
    if dtype.kind in "biufc":
        return ColumnBlock(labels, dtype.newbyteorder("="), cut, width, unsupported)
    what = {h5py.h5t.VLEN: "rows of different lengths", h5py.h5t.COMPOUND: "columns within a column"}
    return ColumnBlock(labels, dtype, cut, width, unsupported or what.get(form, f"values of type {dtype}"))


def plan(
    where: str, blocks: list[ColumnBlock], names: list[str], columns: Sequence[str] | None
) -> tuple[np.dtype[Any], int, Callable[[Any, int], Array]]:
    """Plan how columns are assembled from blocks.

    Parameters
    ----------
    where : str
        Name of the table in errors.
    blocks : list of ColumnBlock
    names : list of str
        Names of all columns.
    columns : sequence of str, optional
        The requested columns; by default all.

    Returns
    -------
    dtype : numpy.dtype
        Common dtype of the columns.
    width : int
        Number of values per row.
    assemble : callable
        Returns the array (rows, width) of raw data and a number of rows.

    Raises
    ------
    DataError
        If there is no such column, or a column holds neither numbers nor strings.
    """
    wanted = list(names if columns is None else columns)
    spots = {label: (block, j) for block in blocks for j, label in enumerate(block.labels)}
    for name in wanted:
        if name not in spots:
            raise DataError(f"{where}: has no column {name!r}. {available_names(name, names)}")
    if not wanted or len(set(names)) < len(names):
        raise DataError(f"{where}: has {'columns of the same name' if wanted else 'no columns to read'}")
    text = [name for name in wanted if spots[name][0].dtype.kind == "O"]
    numbers = [name for name in names if spots[name][0].dtype.kind in "biufc" and not spots[name][0].unsupported]
    for name in wanted:
        unsupported = spots[name][0].unsupported or (
            name in text and (columns is None or len(text) < len(wanted)) and "strings"
        )
        if unsupported:
            raise DataError(
                f"{where}: column {name!r} holds {unsupported}, not numbers. Columns of numbers: {listed(numbers)}"
            )
    moves: dict[int, tuple[ColumnBlock, list[int], list[int]]] = {}
    total = 0
    for block, j in (spots[name] for name in wanted):
        _, take, put = moves.setdefault(id(block), (block, [], []))
        take += range(j * block.width, (j + 1) * block.width)
        put += range(total, total + block.width)
        total += block.width
    dtype = np.result_type(*(block.dtype for block, _, _ in moves.values()))
    steps = [(block, _span(take), _span(put)) for block, take, put in moves.values()]

    def assemble(raw: Any, rows: int) -> Array:
        out = np.empty((rows, total), dtype)
        for block, take, put in steps:
            out[:, put] = block.cut(raw).reshape(rows, len(block.labels) * block.width)[:, take]
        return out

    return dtype, total, assemble


def _span(places: list[int]) -> slice | list[int]:
    """Return adjacent places as a slice, which NumPy copies much faster than a list of places."""
    whole = range(places[0], places[-1] + 1)
    return slice(whole.start, whole.stop) if places == list(whole) else places


def field_of(name: str) -> Callable[[Any], Array]:
    """Return a function that selects the field `name` of a structured array."""
    return lambda raw: np.asarray(raw[name])


def objects(values: Any) -> Array:
    """Return values (n,) of any types as an array of objects."""
    out = np.empty(len(values), object)
    out[:] = list(values)
    return out
