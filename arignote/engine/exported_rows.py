"""Rows of an exported network, as they are stored, to what its first layer takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from arignote.data.table_formula import Encoding, TableFormula
from arignote.data.values.operations import Operation

__all__ = ["EncodedTable", "Operations"]


class Operations(nn.Module):
    """Operations on rows, as of `computed`."""

    def __init__(self, operations: Sequence[Operation]):
        super().__init__()
        self.names = [name for name, _ in operations]
        self.values: list[Any] = []
        for i, (_, value) in enumerate(operations):
            if isinstance(value, np.ndarray | np.generic):
                # By the name of a buffer.
                self.register_buffer(f"value{i}", torch.from_numpy(np.array(value)))
                value = f"value{i}"
            self.values.append(value)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the operations make of rows."""
        for name, value in zip(self.names, self.values, strict=True):
            if isinstance(value, str):
                value = getattr(self, value)
                # Products of matrices and ONNX do not promote types.
                dtype = torch.promote_types(x.dtype, value.dtype)
                x, value = x.to(dtype), value.to(dtype)
            x = torch.where(x.isnan(), value, x) if name == "fill_missing" else getattr(torch, name)(x, value)
        return x


class EncodedTable(nn.Module):
    """A table with categories: columns of numbers and codes of text, to numbers alone.

    Parameters
    ----------
    formula : TableFormula
    """

    def __init__(self, formula: TableFormula):
        super().__init__()
        self.has_numbers, self.has_words = bool(formula.numbers), bool(formula.words)
        self.actions = nn.ModuleList(
            _EncodedColumn(action)
            if isinstance(action, Encoding)
            else _Kept(action)
            if isinstance(action, list)
            else _Rounded()
            if action is None
            else Operations([action])
            for action in formula.actions
        )

    def forward(self, *x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the columns (rows, n), float32, and which rows hold a category that predicting refuses (rows,).

        Parameters
        ----------
        *x : Tensor (rows, n_numbers), Tensor (rows, n_words) of int64
            The columns of numbers, if there are any, and the codes of those of text.
        """
        numbers, words, made = x[0].double(), x[-1], list[Tensor]()
        refused = torch.zeros_like(numbers[:, 0], dtype=torch.bool)
        for action in self.actions:
            if isinstance(action, _EncodedColumn):
                columns, wrong = action(words if action.is_text else numbers)
                made.append(columns)
                refused = refused | wrong
            else:
                numbers = action(numbers)
        return torch.cat([numbers.float()] * self.has_numbers + made, 1), refused


class _Kept(nn.Module):
    """Some columns of numbers."""

    def __init__(self, columns: Sequence[int]):
        super().__init__()
        self.columns: Tensor
        self.register_buffer("columns", torch.tensor(columns, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        return x.index_select(1, self.columns)


class _Rounded(nn.Module):
    """Numbers as float32, which a step of preprocessing returns."""

    def forward(self, x: Tensor) -> Tensor:
        return x.float()


class _EncodedColumn(nn.Module):
    """The columns of 0 and 1 that are made of a column, and which rows hold a value that predicting refuses."""

    def __init__(self, encoding: Encoding):
        super().__init__()
        self.column, self.is_text, self.refuses = encoding.column, encoding.values is None, encoding.refuses_unknown
        self.values: Any
        self.rows: Any
        self.refused: Any
        arrays = {"values": encoding.values, "rows": encoding.rows, "refused": encoding.refused}
        for name, array in arrays.items():
            self.register_buffer(name, None if array is None else torch.from_numpy(np.array(array)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        column = x[:, self.column]
        if self.is_text:
            refused = torch.zeros_like(column, dtype=torch.bool) if self.refused is None else self.refused[column]
            return self.rows[column], refused
        wide = column.double()[:, None]
        # A missing number may be a category, and NaN is not equal to itself.
        is_value = (wide == self.values) | (wide.isnan() & self.values.isnan())
        known = is_value.any(1)
        return is_value.float(), ~known if self.refuses else torch.zeros_like(known)
