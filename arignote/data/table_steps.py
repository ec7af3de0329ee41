"""Preprocessing of tables with columns of numbers and of text: `OneHot` and `Impute`, chosen by columns.

They compute what ``OneHotEncoder`` and ``SimpleImputer`` of scikit-learn do, but learn from one chunk of rows at a
time, keep plain arrays, so that no object of another library is in a checkpoint, and transform a batch in a tenth of
their time: these validate the input of each call.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import chain, repeat
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from arignote.data.preprocess import Learned, Preprocess
from arignote.data.readers.base import IN_MEMORY
from arignote.data.values.frames import is_text
from arignote.data.values.operations import Operation
from arignote.data.values.summaries import SUMMARIES
from arignote.data.values.table_columns import CATEGORY, ColumnChoice, TableColumns, TableRows
from arignote.errors import DataError, warn
from arignote.registry import Finite, register

__all__ = ["Impute", "OneHot", "TableStep", "levels_of", "unpacked"]

Array = NDArray[Any]


class TableStep(Preprocess):
    """Base class of preprocessing that works on columns of a table, chosen by their names or kinds."""

    is_rowwise: ClassVar[bool] = True

    @abstractmethod
    def chosen(self, columns: TableColumns, where: str = "X") -> tuple[str, ...]:
        """Return the columns that are transformed; DataError if there is no such column."""

    @abstractmethod
    def after(self, columns: TableColumns) -> TableColumns:
        """Return the columns that later steps may transform."""

    @abstractmethod
    def learn(self, chunks: Iterable[TableRows], columns: TableColumns) -> Learned:
        """Return what is learned from training rows."""

    @abstractmethod
    def transform(self, learned: Mapping[str, Array], rows: TableRows) -> TableRows:
        """Return transformed rows."""

    def fit(self, chunks: Iterable[Array]) -> Learned:
        tables = map(np.asarray, chunks)
        first = next(tables)
        mask = np.array([is_text(column) for column in first.T], bool)
        columns = TableColumns.of(range(len(mask)), np.flatnonzero(mask).tolist())
        return {"text": mask} | self.learn((TableRows.of(x, mask) for x in chain([first], tables)), columns)

    def apply(self, learned: Mapping[str, Array], x: Array) -> Array:
        return self.transform(learned, TableRows.of(np.asarray(x), learned["text"])).whole

    def _places(self, columns: TableColumns) -> tuple[Learned, list[str]]:
        """Return the positions of the chosen columns among those of numbers and of text, and their names."""
        chosen = self.chosen(columns)
        of_kind = {"numbers": columns.numbers, "words": columns.words}
        places = {kind: [at for at, name in enumerate(names) if name in chosen] for kind, names in of_kind.items()}
        names = [of_kind[kind][at] for kind, own in places.items() for at in own]
        return {kind: np.array(own, np.int64) for kind, own in places.items()}, names


@register()
class OneHot(TableStep):
    """Turn each column into one column for each of its values: ``out_v = 1 if x = v else 0``.

    The values are those of the training rows, in their order; a missing value is one of its own, the last. The columns
    come behind those of numbers. A later step, such as `Standardise`, does not change them.

    Parameters
    ----------
    columns : str, int or list of these, default "category"
        Columns, selected as those of a table; "category" are all of text or of categories, "number" all others.
    handle_unknown : {"error", "ignore"}, default "error"
        What is done with a value that no training row has: an error, or 0 in all of its columns.

    Examples
    --------
    >>> part, x = OneHot(), np.array([[1.5, "b"], [2.5, "a"]], object)
    >>> part.apply(part.fit([x]), x)
    array([[1.5, 0. , 1. ],
           [2.5, 1. , 0. ]], dtype=float32)
    """

    columns: ColumnChoice = CATEGORY
    handle_unknown: Literal["error", "ignore"] = "error"

    def chosen(self, columns: TableColumns, where: str = "X") -> tuple[str, ...]:
        return columns.chosen(self.columns, where)

    def after(self, columns: TableColumns) -> TableColumns:
        return columns.without(self.chosen(columns))

    def learn(self, chunks: Iterable[TableRows], columns: TableColumns) -> Learned:
        places, names = self._places(columns)
        values_of: list[set[Any]] = [set() for _ in names]
        n_rows = 0
        for rows in chunks:
            n_rows += len(rows.numbers)
            for values, column in zip(values_of, rows.columns(places), strict=True):
                values.update(_with_none(column))
        levels = [sorted(values - {None}, key=_in_order) + [None] * (None in values) for values in values_of]
        for name, level in zip(names, levels, strict=True):
            # Values that hardly occur twice are rather names of rows than categories.
            if len(level) > max(n_rows // 2, 20):
                warn(
                    f"OneHot: column {name!r} has {len(level):,} values in {n_rows:,} rows, each of which becomes a "
                    f'column of its own; to leave it out: columns: "!{name}"'
                )
        return places | {"levels": _packed(list(zip(names, levels, strict=True)))}

    def transform(self, learned: Mapping[str, Array], rows: TableRows) -> TableRows:
        made = []
        for column, (name, numbers) in zip(rows.columns(learned), levels_of(learned["levels"].tobytes()), strict=True):
            values = _with_none(column)
            codes = np.fromiter(map(numbers.get, values, repeat(-1)), np.int64, len(values))
            known = np.flatnonzero(codes >= 0)
            if self.handle_unknown == "error" and len(known) < len(codes):
                # -1, the least code, is that of an unknown value.
                value = values[int(np.argmin(codes))]
                word = "a missing value" if value is None else repr(value)
                raise DataError(
                    f"OneHot: column {name!r} holds {word}, which no training row holds. With handle_unknown: "
                    '"ignore", all columns that it becomes are 0'
                )
            block = np.zeros((len(codes), len(numbers)), np.float32)
            block[known, codes[known]] = 1
            made.append(block)
        return TableRows(
            np.delete(rows.numbers, learned["numbers"], axis=1),
            np.delete(rows.words, learned["words"], axis=1),
            (*rows.made, *made),
        )


@register()
class Impute(TableStep):
    """Replace missing values of each column by one of the training rows: ``out = x``, or ``value if x is missing``.

    Parameters
    ----------
    strategy : {"mean", "median", "most_frequent", "constant"}, default "mean"
        What replaces them. The median and the most frequent value, of equally frequent ones the smallest, need the
        values of the columns in memory, at most 256 MB.
    fill_value : float or str, optional
        The constant; by default 0 for numbers, and "missing_value" for text.
    columns : str, int or list of these, optional
        Columns, selected as those of a table; "number" are all of numbers, "category" all of text or of categories. By
        default those that the strategy is for: of numbers, or all.

    Examples
    --------
    >>> part, x = Impute(), np.array([[1.0, 4.0], [np.nan, 8.0]])
    >>> part.apply(part.fit([x]), x)
    array([[1., 4.],
           [1., 8.]], dtype=float32)
    """

    strategy: Literal["mean", "median", "most_frequent", "constant"] = "mean"
    fill_value: Finite | str | None = None
    columns: ColumnChoice = None

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.fill_value is not None and self.strategy != "constant":
            raise ValueError('fill_value goes with strategy "constant" only')
        return self

    def chosen(self, columns: TableColumns, where: str = "X") -> tuple[str, ...]:
        of_numbers = self.strategy in ("mean", "median") or isinstance(self.fill_value, float)
        if self.columns is None and of_numbers:
            return columns.numbers
        if self.columns is None:
            return columns.words if isinstance(self.fill_value, str) else (*columns.numbers, *columns.words)
        chosen = columns.chosen(self.columns, where)
        wrong = columns.words if of_numbers else columns.numbers if isinstance(self.fill_value, str) else ()
        for name in chosen:
            if name in wrong:
                how = self.strategy if self.fill_value is None else f"fill_value {self.fill_value!r}"
                raise DataError(
                    f"{where}: Impute with {how} is for columns of {'numbers' if of_numbers else 'text'}; {name!r} is "
                    f'none. Give {name!r} a step of its own, such as ["Impute", {{"strategy": "most_frequent"}}]'
                )
        return chosen

    def after(self, columns: TableColumns) -> TableColumns:
        return columns

    def learn(self, chunks: Iterable[TableRows], columns: TableColumns) -> Learned:
        places, names = self._places(columns)
        if self.strategy == "constant":
            # The defaults of SimpleImputer of scikit-learn.
            values = [0.0] * len(places["numbers"]) + ["missing_value"] * len(places["words"])
            values = values if self.fill_value is None else [self.fill_value] * len(names)
            return places | {"values": _packed(values)}
        summaries = [SUMMARIES[self.strategy]() for _ in names]
        for rows in chunks:
            for summary, column in zip(summaries, rows.columns(places), strict=True):
                summary.add([value for value in _with_none(column) if value is not None])
            if sum(summary.n_bytes for summary in summaries) > IN_MEMORY:
                raise DataError(
                    f"Impute: {self.strategy} needs more than 256 MB for the values of {len(names)} columns. Choose "
                    'fewer columns, or strategy "mean" or "constant"'
                )
        for name, summary in zip(names, summaries, strict=True):
            if not summary.n_values:
                raise DataError(
                    f"Impute: column {name!r} is missing in every training row. Leave it out, or give it a constant: "
                    f'["Impute", {{"strategy": "constant", "columns": [{name!r}]}}]'
                )
        return places | {"values": _packed([summary.value() for summary in summaries])}

    def transform(self, learned: Mapping[str, Array], rows: TableRows) -> TableRows:
        values = unpacked(learned["values"].tobytes())
        numbers, words = rows.numbers.copy(), rows.words.copy()
        n_numbers = len(learned["numbers"])
        for at, value in zip(learned["numbers"], values[:n_numbers], strict=True):
            numbers[np.isnan(numbers[:, at]), at] = value
        for at, value in zip(learned["words"], values[n_numbers:], strict=True):
            words[[word is None for word in words[:, at]], at] = value
        return replace(rows, numbers=numbers, words=words)

    def operations(self, learned: Mapping[str, Array], shape: tuple[int, ...]) -> list[Operation]:
        # NaN stays NaN in a column that is not chosen. In float64, as `transform` computes.
        values = np.full(shape, np.nan)
        values[learned["numbers"]] = unpacked(learned["values"].tobytes())[: len(learned["numbers"])]
        return [("fill_missing", values)]


def _with_none(column: Array) -> list[Any]:
    """Return the values of a column, None for missing ones; those of text are None already."""
    values: list[Any] = column.tolist()
    return values if column.dtype == object else [None if value != value else value for value in values]


def _in_order(value: Any) -> tuple[bool, Any]:
    """Return what a value is sorted by: numbers come before text."""
    return isinstance(value, str), value


def _packed(values: Any) -> Array:
    """Return values as bytes of JSON, which a checkpoint can hold: numbers keep all of their digits."""
    return np.frombuffer(json.dumps(values).encode(), np.uint8)


# Each batch asks for the same bytes.
@lru_cache(maxsize=64)
def unpacked(packed: bytes) -> Any:
    """Return what `_packed` has packed; DataError if a file holds anything else."""
    try:
        return json.loads(packed)
    except (ValueError, RecursionError) as error:
        raise DataError(f"preprocess: what was learned of the columns cannot be read: {error}") from None


@lru_cache(maxsize=64)
def levels_of(packed: bytes) -> list[tuple[str, dict[Any, int]]]:
    """Return the name of each column with the position of each of its values."""
    return [(name, {value: at for at, value in enumerate(values)}) for name, values in unpacked(packed)]
