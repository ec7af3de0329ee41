"""Windows of a long series, each of which is an example."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.base import Array, Reader, RowIndex
from arignote.errors import DataError
from arignote.registry import Count, Part, register

__all__ = ["WindowReader", "Windows"]


@register(name="windows")
class Windows(Part):
    """Examples of one long series: ``x_i = series[i * step : i * step + length]``.

    Parameters
    ----------
    length : int >= 1
        Steps of the series in an example.
    step : int >= 1, default 1
        Steps from the beginning of an example to that of the next one.

    Examples
    --------
    >>> Windows(length=3, step=2).starts(8)
    array([0, 2, 4])
    """

    kind: ClassVar[str] = "windows"
    length: Count
    step: Count = 1

    def starts(self, n_steps: int) -> NDArray[np.int64]:
        """Return the first step of each window of a series; empty if it is shorter than a window."""
        return np.arange(0, n_steps - self.length + 1, self.step, dtype=np.int64)

    @property
    def gap(self) -> int:
        """Number of the next windows that have a step in common with a window."""
        # Windows i and i + k overlap while k * step < length.
        return (self.length - 1) // self.step

    def values(self, series: Array, *, each_step: bool) -> Array:
        """Return the values of a series (n_steps, ...) that belong to each window.

        Parameters
        ----------
        series : array (n_steps, ...)
        each_step : bool
            Whether those of all steps of a window are returned, (windows, length, ...), or that of the last one,
            (windows, ...).
        """
        starts = self.starts(len(series))
        return series[starts[:, None] + np.arange(self.length)] if each_step else series[starts + self.length - 1]


class WindowReader(Reader):
    """Windows of a series (windows, length, ...), read when they are needed.

    Parameters
    ----------
    series : Reader
        Rows are the steps of the series.
    windows : Windows
    what : str
        Name of the data in errors.

    Raises
    ------
    DataError
        If the series is shorter than a window.
    """

    def __init__(self, series: Reader, windows: Windows, what: str):
        self._series, self._windows = series, windows
        self._starts = windows.starts(series.shape[0] if series.shape else 0)
        if not len(self._starts):
            raise DataError(
                f"{what} has {series.shape[0] if series.shape else 0} steps, fewer than a window of {windows.length}"
            )
        self.shape = (len(self._starts), windows.length, *series.shape[1:])
        self.dtype, self.where, self.columns = series.dtype, series.where, series.columns
        self.in_memory, self.is_sequential = series.in_memory, series.is_sequential
        if series.chunk_rows is not None:
            # Windows that begin in a chunk of the series.
            self.chunk_rows = max(series.chunk_rows // windows.step, 1)

    def read(self, rows: RowIndex) -> Array:
        starts = self._starts[rows]
        if len(starts) == 0:
            return np.empty((0, *self.shape[1:]), self.dtype)
        within = np.arange(self._windows.length)
        if isinstance(rows, slice):
            # Neighbours have most of their steps in common.
            first = int(starts[0])
            steps = self._series.read(slice(first, int(starts[-1]) + self._windows.length))
            return np.asarray(steps[(starts - first)[:, None] + within])
        # Windows overlap: each step is read once.
        wanted, places = np.unique(starts[:, None] + within, return_inverse=True)
        windows: Array = self._series.read(wanted)[places.reshape(len(starts), -1)]
        return windows

    def stamp(self) -> object:
        return self._series.stamp()
