"""Readers of arrays, which may be rows of a table."""

from __future__ import annotations

import numpy as np

from arignote.data.readers.base import ArrayReader, TableOrigin

X = np.random.default_rng(0).normal(size=(600, 3)).astype(np.float32)


def test_an_array_reader_takes_over_the_columns_of_another():
    table = ArrayReader(X)
    table.columns, table.origin = ("a", "b"), TableOrigin("/data/t.csv")
    window = ArrayReader(X[2:5], "t.csv", like=table)
    assert window.columns == ("a", "b") and window.origin == TableOrigin("/data/t.csv")
    assert window.where == "t.csv" and len(window) == 3 and ArrayReader(X).columns == ()
