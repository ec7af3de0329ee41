"""Pipeline: several steps of preprocessing, of arrays or of tables with columns of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.preprocess import Learned, Preprocess
from arignote.data.table_columns import TableColumns, TableRows
from arignote.data.table_steps import OneHot, TableStep
from arignote.errors import DataError
from arignote.registry import build

__all__ = ["Pipeline"]

Array = NDArray[Any]


class Pipeline:
    """Apply several preprocessing parts in sequence, each fitted to the output of the previous ones.

    With `OneHot` or `Impute` among them, rows are those of a table, (rows, columns), and may hold text. Other parts
    then transform the columns of numbers, without those that `OneHot` has made.

    Parameters
    ----------
    parts : sequence of Preprocess or of specs
        A spec is ``[Name, {params}]``.
    """

    def __init__(self, parts: Sequence[Any]):
        self.parts: tuple[Preprocess, ...] = tuple(build("preprocess", part) for part in parts)

    @cached_property
    def takes_tables(self) -> bool:
        """Whether a part works on columns of a table."""
        return any(isinstance(part, TableStep) for part in self.parts)

    @cached_property
    def refuses_categories(self) -> bool:
        """Whether a part raises an error for a category that no training row holds."""
        return any(isinstance(part, OneHot) and part.handle_unknown == "error" for part in self.parts)

    def fit(
        self, chunks: Callable[[], Iterator[Array]], names: Sequence[str | int] = (), text: Sequence[int] = ()
    ) -> Learned:
        """Fit all parts.

        Parameters
        ----------
        chunks : callable
            Returns an iterator over the training rows, arrays (rows, ...); it is called once for each part.
        names : sequence of str or int, optional
            Names of the columns of a table; by default their positions.
        text : sequence of int, optional
            Positions of the columns of text.

        Returns
        -------
        dict of str to array
            What each part has learned, prefixed by its position: "0.mean", "1.W" ...; of a table "text", too.
        """
        learned: Learned = {}
        columns = None
        if self.takes_tables:
            columns = TableColumns.of(names or range(next(iter(chunks())).shape[-1]), text)
            learned["text"] = np.isin(np.arange(len(columns.names)), text)
        for i, part in enumerate(self.parts):
            if columns is None:
                own = part.fit(self._apply(i, learned, x) for x in chunks())
            elif isinstance(part, TableStep):
                own = part.learn((self._table(i, learned, x) for x in chunks()), columns)
                columns = part.after(columns)
            else:
                own = part.fit(self._table(i, learned, x).numbers for x in chunks()) if columns.numbers else {}
            learned |= {f"{i}.{name}": array for name, array in own.items()}
        return learned

    def apply(self, learned: Mapping[str, Array], x: Array) -> Array:
        """Return rows (rows, ...) as float32, transformed by all parts; `learned` is what `fit` has returned."""
        if self.takes_tables:
            return self._table(len(self.parts), learned, np.asarray(x)).whole
        return np.asarray(self._apply(len(self.parts), learned, x), dtype=np.float32)

    def may_be_missing(self, columns: TableColumns, where: str) -> set[str]:
        """Return the columns of a table whose missing values the parts replace or encode.

        Raises
        ------
        DataError
            If a part names a column that is not there, or if columns of text are left.
        """
        found: set[str] = set()
        for part in self.parts:
            if isinstance(part, TableStep):
                found |= set(part.chosen(columns, where))
                columns = part.after(columns)
        if columns.words:
            listed = ", ".join(map(repr, columns.words[:5]))
            raise DataError(
                f"{where} holds text in the columns {listed}, which no step of preprocess encodes. Add "
                f'["OneHot"], or leave them out'
            )
        return found

    def _apply(self, n_parts: int, learned: Mapping[str, Array], x: Array) -> Array:
        for i, part in enumerate(self.parts[:n_parts]):
            x = part.apply(_own(i, learned), np.asarray(x))
        return x

    def _table(self, n_parts: int, learned: Mapping[str, Array], x: Array) -> TableRows:
        rows = TableRows.of(x, learned["text"])
        for i, part in enumerate(self.parts[:n_parts]):
            if isinstance(part, TableStep):
                rows = part.transform(_own(i, learned), rows)
            elif rows.numbers.shape[1]:
                rows = replace(rows, numbers=part.apply(_own(i, learned), rows.numbers))
        return rows


def _own(i: int, learned: Mapping[str, Array]) -> dict[str, Array]:
    """Return what a part has learned, by its position."""
    return {key.partition(".")[2]: array for key, array in learned.items() if key.startswith(f"{i}.")}
