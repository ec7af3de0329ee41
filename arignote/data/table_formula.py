"""What preprocessing computes of a table with categories, as plain data for an exported network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.preprocess import Preprocess
from arignote.data.table_steps import Impute, OneHot, levels_of, unpacked
from arignote.data.values.operations import Operation
from arignote.errors import ConfigError

__all__ = ["Encoding", "TableFormula"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Encoding:
    """The columns of 0 and 1 that are made of a column.

    Attributes
    ----------
    column : int
        Position among the columns of numbers, as they are then, or among those of text.
    values : array (n_values,) of float64, or None
        The values of a column of numbers, NaN for a missing one; None for a column of text.
    rows : array (n_codes, n_values) of float32, or None
        What is made of each code of a column of text.
    refused : array (n_codes,) of bool, or None
        Codes of a column of text that predicting refuses.
    refuses_unknown : bool
        Whether predicting refuses a number that is none of the values.
    """

    column: int
    values: Array | None = None
    rows: Array | None = None
    refused: Array | None = None
    refuses_unknown: bool = False


@dataclass
class TableFormula:
    """What steps of preprocessing compute of rows of a table.

    Attributes
    ----------
    numbers, words : list of int
        Positions in the table of the columns of numbers, and of text.
    texts : list of list of str
        Of each column of text the values that have a code, their position; the code of a missing value is the next
        one, that of any other value the one after it.
    actions : list of Operation, Encoding, list of int or None
        In order: an operation on the columns of numbers, columns that are made and that come last, the columns of
        numbers that are kept, or None, which rounds those of numbers to float32.
    """

    numbers: list[int]
    words: list[int]
    texts: list[list[str]] = field(default_factory=list)
    actions: list[Operation | Encoding | list[int] | None] = field(default_factory=list)

    @classmethod
    def of(cls, steps: Sequence[tuple[Preprocess, Mapping[str, Array]]], is_text: Array) -> TableFormula:
        """Return what steps compute, each with what it has learned, of a mask (n_columns,) of the columns of text.

        Raises
        ------
        ConfigError
            If a step has no formula, or encodes numbers of which an earlier step has made sums.
        """
        formula = cls(np.flatnonzero(~is_text).tolist(), np.flatnonzero(is_text).tolist())
        formula.texts = [[] for _ in formula.words]
        # Columns of text that are left, and what replaces a missing value in each.
        words, fills = list(range(len(formula.words))), dict[int, str]()
        n_numbers, is_rounded, is_exact = len(formula.numbers), False, True
        for step, learned in steps:
            if isinstance(step, OneHot):
                if not is_exact and len(learned["numbers"]):
                    raise ConfigError(
                        "preprocess: OneHot of columns of numbers cannot be exported behind a step that multiplies "
                        "matrices, such as Whiten: put it first"
                    )
                formula._encode(step, learned, words, fills)
                kept = np.delete(np.arange(n_numbers), learned["numbers"]).tolist()
                formula.actions += [kept] if len(kept) < n_numbers else []
                words, n_numbers = np.delete(words, learned["words"]).tolist(), len(kept)
                continue
            if isinstance(step, Impute):
                values = unpacked(learned["values"].tobytes())[len(learned["numbers"]) :]
                for at, value in zip(learned["words"], values, strict=True):
                    fills.setdefault(words[at], value)
            else:
                is_rounded = True
            operations = step.operations(learned, (n_numbers,)) if n_numbers else []
            # Whose last bits are others from kernel to kernel.
            is_exact = is_exact and all(name != "matmul" for name, _ in operations)
            formula.actions += [*operations, None] if is_rounded else operations
        return formula

    def _encode(self, step: OneHot, learned: Mapping[str, Array], words: list[int], fills: dict[int, str]) -> None:
        """Add the columns that a step makes."""
        levels, refuses = levels_of(learned["levels"].tobytes()), step.handle_unknown == "error"
        n_numbers = len(learned["numbers"])
        for at, (_, numbers) in zip(learned["numbers"], levels[:n_numbers], strict=True):
            values = np.array([np.nan if value is None else value for value in numbers], np.float64)
            self.actions.append(Encoding(int(at), values=values, refuses_unknown=refuses))
        for at, (_, positions) in zip(learned["words"], levels[n_numbers:], strict=True):
            word = words[at]
            # Categories that are numbers are named by their text.
            self.texts[word] = [str(value) for value in positions if value is not None]
            known = [value for value in positions if value is not None]
            of_code = [positions.get(value, -1) for value in (*known, fills.get(word))] + [-1]
            rows = np.zeros((len(of_code), len(positions)), np.float32)
            for code, position in enumerate(of_code):
                # Position -1 is that of the last column, which then stays 0.
                rows[code, position] = position >= 0
            self.actions.append(Encoding(word, rows=rows, refused=np.array(of_code) < 0 if refuses else None))
