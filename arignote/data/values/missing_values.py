"""Missing values and other numbers that are not finite: markers of text tables, checks and errors."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from arignote.data.readers.base import Array, Reader
from arignote.data.values.columns import Names
from arignote.errors import DataError

__all__ = [
    "MISSING_MARKERS",
    "check_missing",
    "count_missing",
    "first_not_finite",
    "is_missing",
    "is_missing_marker",
    "missing_error",
    "not_finite_error",
]

# `na_values` of pandas.read_csv, and the mark of the UCI repository.
MISSING_MARKERS = frozenset(
    (
        *("", "?", "NA", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "<NA>"),
        *("#NA", "#N/A", "#N/A N/A", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
    )
)
_FOLDED = frozenset(word.lower() for word in MISSING_MARKERS)
# Without abstract classes, such as Number, of which isinstance takes several times as long for each value.
_MAY_BE_NAN = (float, complex, np.generic, Decimal)
# The largest number of columns that an error lists.
_MOST_COLUMNS = 5


def is_missing(value: Any) -> bool:
    """Return whether a value is missing: None, NaN, or the NA or NaT of pandas."""
    # Comparing the NA of pandas gives NA, whose truth value raises: it is recognised by its type.
    if type(value).__name__ in ("NoneType", "NAType", "NaTType"):
        return True
    return isinstance(value, _MAY_BE_NAN) and bool(value != value)


def is_missing_marker(field: str, markers: Collection[str] | None = None, *, exact: bool = False) -> bool:
    """Return whether a field of a text table marks a missing value.

    Parameters
    ----------
    field : str
        The field; surrounding spaces are ignored.
    markers : collection of str, optional
        Markers used in place of `MISSING_MARKERS`. An empty field is always missing.
    exact : bool
        Whether the comparison is case-sensitive. Set for labels, where "none" may be the name of a class.

    Returns
    -------
    bool
    """
    word = field.strip()
    if markers is not None:
        return not word or word in markers
    return word in MISSING_MARKERS if exact else word.lower() in _FOLDED


def count_missing(table: Array, columns: Sequence[str | int]) -> dict[str | int, tuple[int, int]]:
    """Count the NaN of each column of a table.

    Parameters
    ----------
    table : array (rows, n_columns)
        Numbers.
    columns : sequence of str or int
        Names of the columns.

    Returns
    -------
    dict of (str or int) to (int, int)
        For each column with NaN: the first row with NaN, and the number of such rows.
    """
    are_missing = np.isnan(table)
    counts = are_missing.sum(axis=0)
    return {
        column: (int(are_missing[:, place].argmax()), int(counts[place]))
        for place, column in enumerate(columns)
        if counts[place]
    }


def missing_error(where: str, missing: Mapping[str | int, tuple[int, int]]) -> DataError:
    """Return the error for a table with missing numbers.

    Parameters
    ----------
    where : str
        Name of the table in the message.
    missing : dict of (str or int) to (int, int)
        As returned by `count_missing`; not empty.

    Returns
    -------
    DataError
        Names the first missing number, all columns with missing numbers (at most five), and what to do.
    """
    row, column = min((row, place) for place, (row, _) in enumerate(missing.values()))
    names = [*missing]
    n_missing = sum(count for _, count in missing.values())
    message = f"{where} row {row} holds nan in column {names[column]!r}"
    hint = "leave the rows or the columns out"
    if n_missing > 1:
        shown = ", ".join(map(repr, names[:_MOST_COLUMNS]))
        more = f" and {len(names) - _MOST_COLUMNS} more" if len(names) > _MOST_COLUMNS else ""
        message += (
            f"; {n_missing} numbers are missing, in {'column' if len(names) == 1 else 'the columns'} {shown}{more}"
        )
    if len(names) <= _MOST_COLUMNS:
        hint += f" (columns: '{','.join(f'!{name}' for name in names)}')"
    return DataError(f'{message}. Fill them in with preprocess [["Impute"]], {hint}, or pass allow_nonfinite=True')


def check_missing(reader: Reader, may_miss: Collection[int] = ()) -> None:
    """Raise DataError if the reader of a table knows that numbers are missing, before any row is read.

    Parameters
    ----------
    reader : Reader
    may_miss : collection of int
        Positions of columns that may have missing numbers.

    Raises
    ------
    DataError
    """
    allowed = [reader.columns[place] for place in may_miss] if reader.columns else []
    missing = {column: rows_of_column for column, rows_of_column in reader.missing.items() if column not in allowed}
    if missing:
        raise missing_error(reader.where, missing)


def first_not_finite(x: Array) -> int | None:
    """Return the first row of an array that holds a number that is not finite in float32; None if there is none."""
    flat = x.reshape(len(x), -1)
    # The network uses float32, in which larger numbers are infinite.
    good = np.isfinite(flat) if x.itemsize <= 4 else np.abs(flat) <= np.finfo(np.float32).max
    return None if good.all() else int(np.argmin(good.all(axis=1)))


def not_finite_error(where: str, row: Array, columns: Names) -> DataError:
    """Return the error for a row that holds NaN, infinity, or a number too large for float32.

    Parameters
    ----------
    where : str
        Name of the row.
    row : array (...)
        Its values.
    columns : tuple of str or of int
        Names of the columns of a table; empty if they are not known.
    """
    is_odd = ~np.isfinite(row)
    # The first that is not finite; if all are finite, the largest, which float32 cannot hold.
    place = int(np.argmax(is_odd if is_odd.any() else np.abs(row)))
    at = [int(index) for index in np.unravel_index(place, row.shape)]
    within = f" in column {(columns or range(len(row)))[place]!r}" if row.ndim == 1 else f" at {at}"
    if not is_odd.any():
        return DataError(f"{where} holds {row.flat[place]}{within}, which is too large for float32; scale the data")
    return DataError(
        f"{where} holds {row.flat[place]}{within}; clean the data of NaN and infinity, or pass allow_nonfinite=True"
    )
