"""A table that is read by rows, and the parts of which its columns are put together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.hdf.attributes import telling
from arignote.data.readers.room import check_memory
from arignote.errors import DataError, available_names, listed

__all__ = ["Part", "Table", "field_of", "objects", "part_of", "plan"]

Array = NDArray[Any]
# What is read at once costs little memory, and so much more than one call that the call does not count.
_BLOCK = 1 << 20
# A gap that is read through sooner than a second read begins.
_GAP = 1 << 16


class Table:
    """Rows of one table of an open file, read slice by slice.

    Attributes
    ----------
    shape : tuple of int
        Rows first.
    dtype : numpy.dtype
        What `read` gives; object for strings (a missing one is NaN).
    chunk_rows : int or None
        Rows per HDF5 chunk; None where the data lies in one piece.
    block_rows : int
        Rows that are best read together: about 1 MB, in whole chunks; a function of shape, dtype and layout.
    names : list of str
        The names that `columns` takes; empty where columns have none.

    Parameters
    ----------
    read : function of start and stop
        Gives these rows, to be reshaped.
    chunk : int, optional
        Lines of an HDF5 chunk.
    lines : int
        Lines of one row.
    row_bytes : int, optional
        Of a row in the file, where that is not what `read` gives.
    scattered : bool
        Whether each read passes over the whole table, so that blocks are better large.
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
        # Whoever trains on it draws an order of its rows.
        check_memory(8 * shape[0], where, f"the numbers of its {shape[0]} rows")
        self.shape, self.dtype, self.names = shape, dtype, list(names)
        self._where, self._read, self._chunk, self._lines = where, read, chunk, lines
        self._row_bytes = max(1, row_bytes or math.prod(shape[1:]) * dtype.itemsize)
        self.chunk_rows = max(1, chunk // lines) if chunk else None
        self._gap = math.inf if scattered else _GAP
        near = max(1, (64 * _BLOCK if scattered else _BLOCK) // self._row_bytes)
        # Rows of several lines meet the ends of chunks only now and then.
        whole = math.lcm(chunk, lines) // lines if chunk else 1
        step = whole if whole <= near else self.chunk_rows or 1
        self.block_rows = step * max(1, round(near / step))

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, start: int, stop: int) -> Array:
        """Return rows `start` to `stop` as (stop - start, *shape[1:]); bounds as in a slice.

        Raises
        ------
        DataError
            Where these rows are broken, or do not lie as the first ones said.
        """
        start, stop, _ = slice(start, stop).indices(len(self))
        stop = max(start, stop)
        self._check_memory(stop - start)
        with telling(self._where, f" (in rows {start} to {stop})"):
            rows = self._read(start, stop).reshape(stop - start, *self.shape[1:])
            return np.ascontiguousarray(rows, dtype=self.dtype)

    def _check_memory(self, n_rows: int) -> None:
        n_bytes = max(self._row_bytes, math.prod(self.shape[1:]) * self.dtype.itemsize)
        check_memory(n_rows * n_bytes, self._where, f"{n_rows} of its rows {self.shape[1:]}")

    def pick(self, rows: NDArray[np.int64]) -> Array:
        """Return rows by their numbers, in any order, again and again if so asked; no chunk is read twice."""
        asked, order = rows, np.argsort(rows, kind="stable")
        rows = rows[order]
        cuts = np.flatnonzero(self._apart(rows[:-1], rows[1:])) + 1
        if len(rows) and not len(cuts):
            found: Array = self.read(int(rows[0]), int(rows[-1]) + 1).take(asked - rows[0], axis=0)
            return found
        self._check_memory(len(rows))
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            if start < stop:
                low = int(rows[start])
                out[order[start:stop]] = self.read(low, int(rows[stop - 1]) + 1)[rows[start:stop] - low]
        return out

    def _apart(self, row: NDArray[np.int64], following: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which two rows that follow each other are read one by one."""
        if self._chunk:
            far = ((row + 1) * self._lines - 1) // self._chunk < following * self._lines // self._chunk
        else:
            far = (following - row - 1) * self._row_bytes > self._gap
            far |= row // self.block_rows != following // self.block_rows
        near: NDArray[np.bool_] = following <= row + 1
        return far & ~near


@dataclass(frozen=True)
class Part:
    """Columns that lie together: one block of a DataFrame or one field of a table.

    `cut` takes them out of what was read; `odd` says what they hold where that is neither numbers nor strings.
    """

    labels: list[str]
    dtype: np.dtype[Any]
    cut: Callable[[Any], Array]
    width: int = 1
    odd: str = ""


def part_of(
    kind: Any,
    labels: list[str],
    cut: Callable[[Any], Array],
    odd: str = "",
    encoding: str = "",
    missing: str | None = None,
) -> Part:
    """Describe a part by its HDF5 type; `missing` is the string that stands for none."""
    import h5py

    width, form = 1, kind.get_class()
    if form == h5py.h5t.ARRAY:
        width, kind = math.prod(kind.get_array_dims()) // len(labels), kind.get_super()
        form = kind.get_class()
    if form == h5py.h5t.BITFIELD and kind.get_size() == 1:
        # PyTables keeps booleans as bit fields.
        return Part(labels, np.dtype(bool), lambda raw: cut(raw).astype(bool), width, odd)
    if form == h5py.h5t.STRING:

        def strings(raw: Any) -> Array:
            found = cut(raw)
            flat = [value.decode(encoding or "utf-8") if isinstance(value, bytes) else value for value in found.ravel()]
            return objects([np.nan if value == missing else value for value in flat]).reshape(found.shape)

        return Part(labels, np.dtype(object), strings, width, odd)
    try:
        dtype = kind.dtype
    except TypeError:
        return Part(labels, np.dtype(object), cut, width, odd or "values of a type that NumPy lacks, such as times")
    if dtype.kind in "biufc":
        return Part(labels, dtype.newbyteorder("="), cut, width, odd)
    what = {h5py.h5t.VLEN: "rows of different lengths", h5py.h5t.COMPOUND: "columns within a column"}
    return Part(labels, dtype, cut, width, odd or what.get(form, f"values of type {dtype}"))


def plan(
    where: str, parts: list[Part], names: list[str], columns: Sequence[str] | None
) -> tuple[np.dtype[Any], int, Callable[[Any, int], Array]]:
    """Return the common dtype, the number of columns, and what puts (raw, rows) together as (rows, columns)."""
    wanted = list(names if columns is None else columns)
    spots = {label: (part, j) for part in parts for j, label in enumerate(part.labels)}
    for name in wanted:
        if name not in spots:
            raise DataError(f"{where}: has no column {name!r}. {available_names(name, names)}")
    if not wanted or len(set(names)) < len(names):
        raise DataError(f"{where}: has {'columns of the same name' if wanted else 'no columns to read'}")
    text = [name for name in wanted if spots[name][0].dtype.kind == "O"]
    numbers = [name for name in names if spots[name][0].dtype.kind in "biufc" and not spots[name][0].odd]
    for name in wanted:
        odd = spots[name][0].odd or (name in text and (columns is None or len(text) < len(wanted)) and "strings")
        if odd:
            raise DataError(f"{where}: column {name!r} holds {odd}, not numbers. Columns of numbers: {listed(numbers)}")
    moves: dict[int, tuple[Part, list[int], list[int]]] = {}
    total = 0
    for part, j in (spots[name] for name in wanted):
        _, take, put = moves.setdefault(id(part), (part, [], []))
        take += range(j * part.width, (j + 1) * part.width)
        put += range(total, total + part.width)
        total += part.width
    dtype = np.result_type(*(part.dtype for part, _, _ in moves.values()))
    steps = [(part, _span(take), _span(put)) for part, take, put in moves.values()]

    def assemble(raw: Any, rows: int) -> Array:
        out = np.empty((rows, total), dtype)
        for part, take, put in steps:
            out[:, put] = part.cut(raw).reshape(rows, len(part.labels) * part.width)[:, take]
        return out

    return dtype, total, assemble


def _span(places: list[int]) -> slice | list[int]:
    """Return neighbours as a slice, which NumPy copies far faster than a list of places."""
    whole = range(places[0], places[-1] + 1)
    return slice(whole.start, whole.stop) if places == list(whole) else places


def field_of(name: str) -> Callable[[Any], Array]:
    """Return a function that takes one field of rows with several."""
    return lambda raw: np.asarray(raw[name])


def objects(values: Any) -> Array:
    """Return values (n,) as an array of objects, whatever they are."""
    out = np.empty(len(values), object)
    out[:] = list(values)
    return out
