"""What counts as a missing value of a target."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from arignote.data.targets.base import is_missing


@pytest.mark.parametrize("value", [None, float("nan"), np.float32("nan"), np.datetime64("NaT"), pd.NA, pd.NaT])
def test_nothing_nan_and_those_of_pandas_are_missing(value):
    assert is_missing(value)


@pytest.mark.parametrize("value", [0, "", False, float("inf"), "nan", -1])
def test_zero_and_empty_text_are_values(value):
    assert not is_missing(value)
