"""Tables with columns of a type each, of pandas, polars or pyarrow, none of which is imported, as arrays of NumPy."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.values.missing_values import is_missing
from arignote.errors import DataError

__all__ = [
    "check_kinds",
    "columns_of_table",
    "is_table",
    "is_text",
    "names_of_table",
    "numbers_of",
    "numbers_of_table",
    "words_of",
]

Array = NDArray[Any]
# Of Python, of NumPy, and of `decimal`.
_NUMBERS = (Number, np.bool_)


def is_table(x: Any) -> bool:
    """Return whether `x` is a table of typed columns: a DataFrame of pandas or polars, or a table of pyarrow."""
    return hasattr(x, "__array__") and (hasattr(x, "column_names") or hasattr(x, "columns"))


def names_of_table(x: Any) -> list[Any]:
    """Return the names of the columns of a table."""
    return list(x.column_names if hasattr(x, "column_names") else x.columns)


def check_kinds(x: Any, what: str) -> None:
    """Raise DataError if a column of a table holds times or complex numbers, which NumPy would take for numbers."""
    for name, column in zip(names_of_table(x), columns_of_table(x)[0], strict=True):
        if column.dtype.kind in "mMc":
            raise DataError(
                f"{what}: column {name!r} must be numbers; got {column.dtype}. Compute numbers of it, or leave it out"
            )


def numbers_of_table(x: Any) -> Array:
    """Return a table of numbers (rows, n_columns) as float64, NaN where one is missing; ValueError if there is text."""
    return np.stack([numbers_of(column) for column in columns_of_table(x)[0]], axis=1)


def columns_of_table(x: Any) -> tuple[list[Array], list[int]]:
    """Return the columns of a table as arrays (rows,) in the type of each, and the positions of those of categories."""
    if hasattr(x, "iloc"):
        columns = [x.iloc[:, place] for place in range(x.shape[1])]
    else:
        columns = list(x.columns) if hasattr(x, "column_names") else list(x.get_columns())
    # pandas' categories may be numbers.
    categories = [at for at, column in enumerate(columns) if str(getattr(column, "dtype", "")) == "category"]
    return [np.asarray(_without_dictionary(column)) for column in columns], categories


def is_text(column: Array) -> bool:
    """Return whether a column (rows,) holds anything but numbers, some of which may be missing."""
    if column.dtype != object:
        return column.dtype.kind not in "biuf"
    return not all(isinstance(value, _NUMBERS) or is_missing(value) for value in column)


def _without_dictionary(column: Any) -> Any:
    """Return a column of pyarrow by its values: NumPy takes a missing entry of a dictionary for its last one."""
    kind: Any = getattr(column, "type", None)
    return column.cast(kind.value_type) if str(kind).startswith("dictionary") else column


def numbers_of(column: Array) -> Array:
    """Return a column of numbers as float64, NaN where one is missing."""
    if column.dtype == object:
        try:
            column = np.array([np.nan if is_missing(value) else value for value in column], np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"a column of numbers holds a value that is no real number of 64 bits: {error}") from None
    return column.astype(np.float64, copy=False)


def words_of(column: Array, where: str) -> Array:
    """Return a column of text, or of other names of categories, as objects, None where one is missing."""
    # Equal words are one object: a column has few of them.
    known: dict[Any, Any] = {}
    words = np.empty(len(column), object)
    is_time = column.dtype.kind in "mM"
    # tolist makes integers of times in nanoseconds, which would pass for categories.
    for row, value in enumerate(column if is_time else column.tolist()):
        if is_missing(value):
            continue
        # complex is a Number, too.
        if is_time or isinstance(value, complex) or not isinstance(value, (str, *_NUMBERS)):
            raise DataError(
                f"{where} must be numbers or text; row {row} holds {type(value).__name__} {str(value)[:40]!r}. Compute "
                "numbers of it, or leave it out"
            )
        value = value.item() if isinstance(value, np.generic) else value
        words[row] = known.setdefault(value, value)
    if len({isinstance(value, str) for value in known}) > 1:
        text, number = (next(v for v in known if isinstance(v, str) is is_str) for is_str in (True, False))
        raise DataError(f"{where} must be numbers or text; it holds both {text!r} and {number!r}")
    return words
