"""The history of a fitted estimator: a list of records, of which columns are taken by name."""

from __future__ import annotations

from typing import Any

from arignote.errors import available_names

__all__ = ["Records"]


class Records(list[dict[str, Any]]):
    """A list of dicts, one per validation, that takes the name of a column, or several, behind a position or a slice.

    Examples
    --------
    >>> history = Records([{"epoch": 1, "valid_nll": 0.5}, {"epoch": 2, "valid_nll": 0.25}])
    >>> history[:, "valid_nll"]
    [0.5, 0.25]
    >>> history[-1, ("epoch", "valid_nll")]
    (2, 0.25)
    """

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, tuple):
            # A slice of a list is a plain one, which has no columns.
            return Records(super().__getitem__(key)) if isinstance(key, slice) else super().__getitem__(key)
        rows, columns = key
        records = self[rows]
        if isinstance(records, Records):
            return [_values(record, columns) for record in records]
        return _values(records, columns)


def _values(record: dict[str, Any], columns: Any) -> Any:
    """Return the value of a column, of several a tuple."""
    if isinstance(columns, list | tuple):
        return tuple(_values(record, column) for column in columns)
    if columns not in record:
        raise KeyError(f"the history has no column {columns!r}. {available_names(str(columns), list(record))}")
    return record[columns]
