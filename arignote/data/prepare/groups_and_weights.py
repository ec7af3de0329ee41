"""Groups and sample weights: one value for each training row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.base import ArrayReader
from arignote.data.readers.sources import get_reader, is_source
from arignote.data.readers.windows import Windows
from arignote.data.values.missing_values import is_missing
from arignote.errors import DataError

__all__ = ["groups_of", "weights_of"]


def groups_of(source: Any, n_rows: int, windows: Windows | None = None) -> NDArray[Any]:
    """Return the group of each row.

    Parameters
    ----------
    source : array (n_rows,), reader or str
        The groups, or where they are read from.
    n_rows : int
        Training rows, before any are held out.
    windows : Windows, optional
        Rows are windows of a series, whose steps have a value each; that of the last step is the value of a window.

    Returns
    -------
    array (n_rows,)
        Numbers or text.

    Raises
    ------
    DataError
        If the number of rows differs, a value is missing, or numbers and text are mixed; the message names the row.
    """
    groups, where = _values("groups", source, n_rows, windows)
    rule = f"{where} must be all numbers or all text, with none missing"
    missing = np.isnan(groups) if groups.dtype.kind == "f" else [is_missing(group) for group in groups.tolist()]
    if np.any(missing):
        raise DataError(f"{rule}; row {int(np.argmax(missing))} is missing")
    # Numbers and text cannot be sorted together, as np.unique of `partition` does.
    if groups.dtype == object:
        others = [row for row, group in enumerate(groups) if type(group) is not type(groups[0])]
        if others:
            raise DataError(f"{rule}; row 0 is {groups[0]!r}, row {others[0]} is {groups[others[0]]!r}")
    return groups


def weights_of(source: Any, n_rows: int, windows: Windows | None = None) -> NDArray[np.float64]:
    """Return the weight of each row.

    Parameters
    ----------
    source : array (n_rows,), reader or str
        The weights, or where they are read from.
    n_rows : int
        Training rows, before any are held out.
    windows : Windows, optional
        Rows are windows of a series, whose steps have a value each; that of the last step is the value of a window.

    Returns
    -------
    array (n_rows,) of float64
        Finite numbers >= 0.

    Raises
    ------
    DataError
        If the number of rows differs, or a weight is missing, negative or not finite; the message names the row.
    """
    array, where = _values("sample_weight", source, n_rows, windows)
    weights = array.astype(np.float64) if array.dtype.kind in "biuf" else _as_numbers(array.tolist(), where)
    good = np.isfinite(weights) & (weights >= 0)
    if not good.all():
        row = int(np.argmin(good))
        raise DataError(f"{where} must be finite numbers >= 0; row {row} is {weights[row]:g}")
    return weights


def _values(name: str, source: Any, n_rows: int, windows: Windows | None) -> tuple[NDArray[Any], str]:
    """Return the values (n_rows,) of an array or a source, and their name in errors."""
    where = name
    values = source
    if is_source(source):
        reader = get_reader(source, labels=True)
        where = f"{name} ({reader.where})" if reader.where else name
        values = reader.array if isinstance(reader, ArrayReader) else reader.read(slice(0, len(reader)))
    array = np.asarray(values)
    if windows is not None:
        if array.ndim != 1 or len(windows.starts(len(array))) != n_rows:
            raise DataError(f"{where} must be one value for each step of the series; got the shape {array.shape}")
        array = windows.values(array, each_step=False)
    if array.shape != (n_rows,):
        raise DataError(f"{where} must have the shape ({n_rows},), one for each row of X; got {array.shape}")
    return array, where


def _as_numbers(values: list[Any], where: str) -> NDArray[np.float64]:
    """Return objects as numbers, NaN for missing ones."""
    # Strings are parsed: one word in a column makes all of it text.
    numbers = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        try:
            numbers[row] = np.nan if is_missing(value) else float(value)
        except (TypeError, ValueError):
            raise DataError(f"{where} must be numbers; row {row} is {value!r:.60}") from None
    return numbers
