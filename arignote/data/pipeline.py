"""Pipeline: several steps of preprocessing, of arrays or of tables with columns of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.preprocess import Learned, Preprocess
from arignote.data.table_formula import TableFormula
from arignote.data.table_steps import OneHot, TableStep
from arignote.data.values.operations import Operation
from arignote.data.values.table_columns import TableColumns, TableRows
from arignote.errors import DataError
from arignote.registry import build

__all__ = ["Pipeline"]

Array = NDArray[Any]


class Pipeline:
    """Apply several steps of preprocessing in sequence, each fitted to the output of the previous ones.

    With `OneHot` or `Impute` among them, rows are those of a table, (rows, columns), and may hold text. Other steps
    then transform the columns of numbers, without those that `OneHot` has made.

    Parameters
    ----------
    steps : sequence of Preprocess or of specs
        A spec is ``[Name, {params}]``.
    """

    def __init__(self, steps: Sequence[Any]):
        self.steps: tuple[Preprocess, ...] = tuple(build("preprocess", step) for step in steps)

    @cached_property
    def takes_tables(self) -> bool:
        """Whether a step works on columns of a table."""
        return any(isinstance(step, TableStep) for step in self.steps)

    @cached_property
    def is_rowwise(self) -> bool:
        """Whether no row depends on those beside it, in any bit."""
        return all(step.is_rowwise for step in self.steps)

    @cached_property
    def refuses_categories(self) -> bool:
        """Whether a step raises an error for a category that no training row holds."""
        return any(isinstance(step, OneHot) and step.handle_unknown == "error" for step in self.steps)

    def fit(
        self, chunks: Callable[[], Iterator[Array]], names: Sequence[str | int] = (), text: Sequence[int] = ()
    ) -> Learned:
        """Fit all steps.

        Parameters
        ----------
        chunks : callable
            Returns an iterator over the training rows, arrays (rows, ...); it is called once for each step.
        names : sequence of str or int, optional
            Names of the columns of a table; by default their positions.
        text : sequence of int, optional
            Positions of the columns of text.

        Returns
        -------
        dict of str to array
            What each step has learned, prefixed by its position: "0.mean", "1.W" ...; of a table "text", too.
        """
        learned: Learned = {}
        columns = None
        if self.takes_tables:
            columns = TableColumns.of(names or range(next(iter(chunks())).shape[-1]), text)
            learned["text"] = np.isin(np.arange(len(columns.names)), text)
        # One pass over the rows for each step, which is fitted to the output of those before it.
        for number, step in enumerate(self.steps):
            if columns is None:
                arrays = step.fit(self._apply(number, learned, x) for x in chunks())
            elif isinstance(step, TableStep):
                arrays = step.learn((self._table(number, learned, x) for x in chunks()), columns)
                columns = step.after(columns)
            else:
                # OneHot may have left no column of numbers.
                arrays = step.fit(self._table(number, learned, x).numbers for x in chunks()) if columns.numbers else {}
            learned |= {f"{number}.{name}": array for name, array in arrays.items()}
        return learned

    def apply(self, learned: Mapping[str, Array], x: Array) -> Array:
        """Return rows (rows, ...) as float32, transformed by all steps; `learned` is what `fit` has returned."""
        if self.takes_tables:
            return self._table(len(self.steps), learned, np.asarray(x)).whole
        return np.asarray(self._apply(len(self.steps), learned, x), dtype=np.float32)

    def operations(self, learned: Mapping[str, Array], shape: tuple[int, ...]) -> list[Operation]:
        """Return what `apply` computes of rows (rows, *shape), in order; ConfigError if a step has no such formula.

        Of a table with categories it is `table_formula`.
        """
        operations: list[Operation] = []
        for number, step in enumerate(self.steps):
            of_step = step.operations(_own(number, learned), shape)
            # The last reshape of a step gives the shape that the next one receives.
            shape = next((value[1:] for name, value in reversed(of_step) if name == "reshape"), shape)
            operations += of_step
        return operations

    def table_formula(self, learned: Mapping[str, Array]) -> TableFormula | None:
        """Return what `apply` computes of a table with categories; None of other rows. See `TableFormula.of`."""
        if not any(isinstance(step, OneHot) for step in self.steps):
            return None
        return TableFormula.of(
            [(step, _own(number, learned)) for number, step in enumerate(self.steps)], learned["text"]
        )

    def may_be_missing(self, columns: TableColumns, where: str) -> set[str]:
        """Return the columns of a table whose missing values the steps replace or encode.

        Raises
        ------
        DataError
            If a step names a column that is not there, or if columns of text are left.
        """
        chosen: set[str] = set()
        for step in self.steps:
            if isinstance(step, TableStep):
                chosen |= set(step.chosen(columns, where))
                columns = step.after(columns)
        if columns.words:
            listed = ", ".join(map(repr, columns.words[:5]))
            raise DataError(
                f"{where} holds text in the columns {listed}, which no step of preprocess encodes. Add "
                f'["OneHot"], or leave them out'
            )
        return chosen

    def _apply(self, n_steps: int, learned: Mapping[str, Array], x: Array) -> Array:
        for number, step in enumerate(self.steps[:n_steps]):
            x = step.apply(_own(number, learned), np.asarray(x))
        return x

    def _table(self, n_steps: int, learned: Mapping[str, Array], x: Array) -> TableRows:
        rows = TableRows.of(x, learned["text"])
        for number, step in enumerate(self.steps[:n_steps]):
            if isinstance(step, TableStep):
                rows = step.transform(_own(number, learned), rows)
            elif rows.numbers.shape[1]:
                rows = replace(rows, numbers=step.apply(_own(number, learned), rows.numbers))
        return rows


def _own(number: int, learned: Mapping[str, Array]) -> dict[str, Array]:
    """Return what a step has learned, by its position."""
    return {key.partition(".")[2]: array for key, array in learned.items() if key.startswith(f"{number}.")}
