"""A table in an HDF5 file that is read by rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.hdf.attributes import reporting
from arignote.data.readers.memory_check import check_memory
from arignote.errors import DataError

__all__ = ["HDFTable"]

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
