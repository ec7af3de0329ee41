"""The example of a regression: as good as a network of scikit-learn, and better than the mean, on the same splits."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "diabetes.py"


@pytest.mark.filterwarnings("ignore")
def test_a_regressor_is_as_good_as_that_of_scikit_learn():
    scores = {name: np.mean(r2) for name, r2 in runpy.run_path(str(SCRIPT))["scores"](n_splits=2).items()}
    assert scores["NNRegressor"] > 0.4
    assert scores["NNRegressor"] > scores["MLPRegressor"] - 0.1
