"""Missing values: how text tables mark them, and how numbers that are missing are reported."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from arignote.data.readers.base import Array
from arignote.errors import DataError

__all__ = ["MARKERS", "is_marker", "missing_in", "missing_numbers"]

# `na_values` of pandas.read_csv, and the mark of the UCI repository.
MARKERS = frozenset(
    (
        *("", "?", "NA", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "<NA>"),
        *("#NA", "#N/A", "#N/A N/A", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
    )
)
_FOLDED = frozenset(word.lower() for word in MARKERS)
# More columns than this are not listed in an error.
_MOST_COLUMNS = 5


def is_marker(field: str, given: Collection[str] | None = None, *, exact: bool = False) -> bool:
    """Return whether a field of a text table stands for a missing value.

    Parameters
    ----------
    field : str
        Spaces around it do not matter.
    given : collection of str, optional
        Markers in place of the usual ones; nothing at all is one always.
    exact : bool
        Whether capitals matter: among words "none" is the name of a class rather than a marker, which "None" is.
    """
    word = field.strip()
    if given is not None:
        return not word or word in given
    return word in MARKERS if exact else word.lower() in _FOLDED


def missing_in(table: Array, columns: Sequence[str | int]) -> dict[str | int, tuple[int, int]]:
    """Return the first row, and the number of rows, without a number, of each column of a table that has such rows."""
    are_missing = np.isnan(table)
    counts = are_missing.sum(axis=0)
    return {
        column: (int(are_missing[:, place].argmax()), int(counts[place]))
        for place, column in enumerate(columns)
        if counts[place]
    }


def missing_numbers(where: str, missing: Mapping[str | int, tuple[int, int]]) -> DataError:
    """Return the error of a table with missing numbers.

    Parameters
    ----------
    where : str
        The table.
    missing : dict
        First row, and number of rows, without a number, of each column that has such rows; see `missing_in`.
    """
    row, column = min((row, place) for place, (row, _) in enumerate(missing.values()))
    names = [*missing]
    n_missing = sum(count for _, count in missing.values())
    told = f"{where} row {row} holds nan in column {names[column]!r}"
    way = "leave the rows or the columns out"
    if n_missing > 1:
        shown = ", ".join(map(repr, names[:_MOST_COLUMNS]))
        more = f" and {len(names) - _MOST_COLUMNS} more" if len(names) > _MOST_COLUMNS else ""
        told += f"; {n_missing} numbers are missing, in {'column' if len(names) == 1 else 'the columns'} {shown}{more}"
    if len(names) <= _MOST_COLUMNS:
        way += f" (columns: '{','.join(f'!{name}' for name in names)}')"
    return DataError(f"{told}. Fill them in, {way}, or pass allow_nonfinite=True")
