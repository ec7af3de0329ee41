"""Columns of tables that NumPy would take for numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from arignote import DataError, NNClassifier

LAYERS = [["ClassificationOutputLayer"]]
Y = np.arange(4) % 2
TIMES = pd.date_range("2020", periods=4)


@pytest.mark.parametrize("column", [TIMES, TIMES - TIMES[0]], ids=["dates", "durations"])
@pytest.mark.parametrize(
    "others", [{"a": [1.0, 2, 3, 4]}, {"a": [1.0, 2, 3, 4], "b": [*"uvuv"]}], ids=["numbers", "text"]
)
def test_times_beside_numbers_are_refused_by_name(column, others):
    with pytest.raises(DataError) as caught:
        NNClassifier(LAYERS).fit(pd.DataFrame(others | {"when": column}), Y)
    assert str(caught.value) == (
        f"X: column 'when' must be numbers; got {column.dtype}. Compute numbers of it, or leave it out"
    )


def test_complex_numbers_are_no_categories():
    table = pd.DataFrame({"a": [1.0, 2, 3, 4], "z": np.arange(4) * 1j})
    with pytest.raises(DataError, match="column 'z' must be numbers or text; row 0 holds complex '0j'"):
        NNClassifier(LAYERS, preprocess=[["OneHot"]]).fit(table, Y)
