"""Groups and weights: values of which there is one for each training row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.base import ArrayReader
from arignote.data.readers.sources import get_reader, is_source
from arignote.data.targets import is_missing
from arignote.errors import DataError

__all__ = ["groups_of", "weights_of"]


def groups_of(given: Any, n_rows: int) -> NDArray[Any]:
    """Return the group of each row, (n_rows,): numbers or text.

    Parameters
    ----------
    given : array (n_rows,) or source
    n_rows : int
        Training rows, before any are held out.

    Raises
    ------
    DataError
        For another number of rows, missing values, or numbers beside text; with the row.
    """
    groups, where = _values("groups", given, n_rows)
    rule = f"{where} must be all numbers or all text, with none missing"
    missing = np.isnan(groups) if groups.dtype.kind == "f" else [is_missing(group) for group in groups.tolist()]
    if np.any(missing):
        raise DataError(f"{rule}; row {int(np.argmax(missing))} is missing")
    if groups.dtype == object:
        others = [row for row, group in enumerate(groups) if type(group) is not type(groups[0])]
        if others:
            raise DataError(f"{rule}; row 0 is {groups[0]!r}, row {others[0]} is {groups[others[0]]!r}")
    return groups


def weights_of(given: Any, n_rows: int) -> NDArray[np.float64]:
    """Return how much each row counts, (n_rows,): finite numbers >= 0; the parameters are those of `groups_of`."""
    array, where = _values("sample_weight", given, n_rows)
    weights = array.astype(np.float64) if array.dtype.kind in "biuf" else _as_numbers(array.tolist(), where)
    good = np.isfinite(weights) & (weights >= 0)
    if not good.all():
        row = int(np.argmin(good))
        raise DataError(f"{where} must be finite numbers >= 0; row {row} is {weights[row]:g}")
    return weights


def _values(name: str, given: Any, n_rows: int) -> tuple[NDArray[Any], str]:
    """Return an array or the rows of a source, and how they are called in errors."""
    where = name
    if is_source(given):
        reader = get_reader(given, labels=True)
        where = f"{name} ({reader.where})" if reader.where else name
        given = reader.array if isinstance(reader, ArrayReader) else reader.read(slice(0, len(reader)))
    array = np.asarray(given)
    if array.shape != (n_rows,):
        raise DataError(f"{where} must have the shape ({n_rows},), one for each row of X; got {array.shape}")
    return array, where


def _as_numbers(values: list[Any], where: str) -> NDArray[np.float64]:
    """Return objects as numbers, NaN where they are missing: in a column of text, as one word makes of it, too."""
    found = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        try:
            found[row] = np.nan if is_missing(value) else float(value)
        except (TypeError, ValueError):
            raise DataError(f"{where} must be numbers; row {row} is {value!r:.60}") from None
    return found
