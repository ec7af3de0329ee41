"""A table with categories as an exported network computes it, beside rows that were written down by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.data.table_formula import Encoding, TableFormula
from arignote.engine.exported_rows import EncodedTable, Operations

NUMBER = Encoding(1, values=np.array([2.0, 5.0, np.nan]), refuses_unknown=True)
TEXT = Encoding(0, rows=np.array([[0, 1], [1, 0], [0, 0]], np.float32), refused=np.array([False, False, True]))


def test_columns_are_made_in_order_behind_those_of_numbers_and_unknown_values_are_marked():
    table = EncodedTable(TableFormula([0, 1], [2], [["a"]], [TEXT, NUMBER, [0], ("subtract", np.array([10.0]))]))
    numbers = torch.tensor([[11.0, 5.0], [12.0, torch.nan], [13.0, 3.0], [14.0, 2.0]], dtype=torch.float64)
    columns, refused = table(numbers, torch.tensor([[0], [1], [1], [2]]))
    assert columns.tolist() == [
        [1, 0, 1, 0, 1, 0],
        [2, 1, 0, 0, 0, 1],
        [3, 1, 0, 0, 0, 0],
        [4, 0, 0, 1, 0, 0],
    ]
    assert columns.dtype == torch.float32 and refused.tolist() == [False, False, True, True]


def test_what_may_be_unknown_is_not_marked():
    encodings = [Encoding(0, values=np.array([2.0])), Encoding(0, rows=TEXT.rows)]
    columns, refused = EncodedTable(TableFormula([0], [1], [["a"]], encodings))(
        torch.tensor([[2.0], [3.0]]), torch.tensor([[1], [2]])
    )
    assert columns.tolist() == [[2, 1, 1, 0], [3, 0, 0, 0]] and not refused.any()


def test_text_alone_needs_no_numbers():
    columns, refused = EncodedTable(TableFormula([], [0], [["a"]], [TEXT]))(torch.tensor([[1], [2]]))
    assert columns.tolist() == [[1, 0], [0, 0]] and refused.tolist() == [False, True]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_operations_compute_in_the_wider_type(dtype):
    # In float32 the difference is 0.
    operations = Operations([("subtract", np.float64(16777216)), ("fill_missing", np.array([9.0]))])
    x = torch.tensor([16777216 + 2.0, torch.nan], dtype=dtype)
    assert operations(x).tolist() == [2.0, 9.0] and operations(x).dtype == torch.float64
