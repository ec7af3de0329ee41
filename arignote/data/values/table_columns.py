"""Columns of a table on their way through preprocessing: of numbers, of text, and those that were made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from arignote.data.values.columns import chosen_columns
from arignote.errors import DataError
from arignote.registry import as_tuple

__all__ = ["CATEGORY", "NUMBER", "ColumnChoice", "TableColumns", "TableRows"]

Array = NDArray[Any]
NUMBER, CATEGORY = "number", "category"


ColumnChoice = Annotated[str | int | tuple[str | int, ...] | None, BeforeValidator(as_tuple)]


@dataclass(frozen=True)
class TableColumns:
    """Names of the columns of a table that are still to be transformed, by kind.

    Attributes
    ----------
    names : tuple of str
        All columns as they are stored; positions if they have no names.
    numbers, words : tuple of str
        Those of numbers, in the order of `TableRows.numbers`, and of text, in that of `TableRows.words`.
    """

    names: tuple[str, ...]
    numbers: tuple[str, ...]
    words: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str | int], text: Sequence[int]) -> TableColumns:
        """Return the columns of a table, of which those at some positions are text."""
        known = tuple(map(str, names))
        if len(set(known)) < len(known):
            twice = next(name for name in known if known.count(name) > 1)
            raise DataError(
                f"X: two columns are named {twice!r}, so that OneHot and Impute cannot tell them apart: rename one"
            )
        words = tuple(known[place] for place in text)
        return cls(known, tuple(name for at, name in enumerate(known) if at not in text), words)

    def chosen(self, asked: Any, where: str) -> tuple[str, ...]:
        """Return the columns that a selection names, as of `chosen_columns`, or by their kind.

        Raises
        ------
        DataError
            If there is no such column, or if one that is named has been encoded by an earlier step.
        """
        items = [asked] if isinstance(asked, int) or asked in self.names else asked
        items = items.split(",") if isinstance(items, str) else items
        of_kind = {NUMBER: self.numbers, CATEGORY: self.words}
        wanted: list[str | int] = []
        for item in items:
            # A column that is named "number" or "category" comes before the kind of that name.
            wanted += of_kind[item] if item in of_kind and item not in self.names else [item]
        if not wanted:
            return ()
        # Positions are those of the whole table.
        names, are_named = chosen_columns(wanted, self.names, where)
        for name in names:
            if are_named and name not in (*self.numbers, *self.words):
                raise DataError(f"{where}: an earlier step of preprocess has encoded the column {name!r}")
        return tuple(dict.fromkeys(name for name in names if name in (*self.numbers, *self.words)))

    def without(self, names: Sequence[str]) -> TableColumns:
        """Return the columns but those of some names."""
        kept = [tuple(name for name in one if name not in names) for one in (self.numbers, self.words)]
        return replace(self, numbers=kept[0], words=kept[1])


@dataclass(frozen=True)
class TableRows:
    """Rows of a table on their way through preprocessing.

    Attributes
    ----------
    numbers : array (rows, n_numbers) of float64
        NaN where one is missing.
    words : array (rows, n_words) of object
        Text, and None where it is missing.
    made : tuple of array (rows, n) of float32
        What `OneHot` has made of other columns; no later step changes it.
    """

    numbers: Array
    words: Array
    made: tuple[Array, ...] = ()

    @classmethod
    def of(cls, x: Array, is_text: Array) -> TableRows:
        """Return rows (rows, n_columns) as they are stored, from a mask (n_columns,) of the columns of text."""
        if x.ndim != 2:
            raise DataError(f"OneHot and Impute are for tables, (rows, columns); got {x.shape}")
        if x.shape[1] != len(is_text):
            raise DataError(
                f"X has {x.shape[1]} features, but is expected to have {len(is_text)}, as the training rows"
            )
        if not is_text.any():
            return cls(x.astype(np.float64), np.empty((len(x), 0), object))
        words = x[:, is_text].astype(object)
        # A column of which nothing is there comes as one of numbers.
        words[words != words] = None
        try:
            return cls(x[:, ~is_text].astype(np.float64), words)
        except ValueError as error:
            raise DataError(f"X: a column that holds numbers in the training rows holds text: {error}") from None

    def columns(self, places: Mapping[str, Array]) -> Iterator[Array]:
        """Yield columns (rows,) by their positions among those of numbers, then among those of text."""
        yield from (self.numbers[:, at] for at in places["numbers"])
        yield from (self.words[:, at] for at in places["words"])

    @property
    def whole(self) -> Array:
        """All columns (rows, n) of float32: numbers, then what was made of others."""
        return np.concatenate([self.numbers.astype(np.float32), *self.made], axis=1)
