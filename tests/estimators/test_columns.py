"""Labels that are passed as a column."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

from arignote import NNClassifier, NNRegressor

DENSE = ["FCLayer", {"n_units": 8, "activation": "relu"}]
CLASSES, NUMBERS = [DENSE, ["ClassificationOutputLayer"]], [DENSE, ["RegressionOutputLayer"]]
rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3)).astype(np.float32)
Y, NUMBER = (X[:, 0] > 0).astype(int), X[:, 0] - X[:, 1]


def classifier(**settings):
    return NNClassifier(CLASSES, **{"rng": 1, "n_epochs": 3, "batch_size": 10, "sgd_type": "adam"} | settings)


def test_a_column_of_labels_is_flattened_with_the_warning_of_scikit_learn():
    expected = classifier().fit(X, Y).predict_proba(X)
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed when a 1d array") as caught:
        found = classifier().fit(X, Y[:, None])
    assert caught[0].filename == __file__ and np.array_equal(found.predict_proba(X), expected)
    # One label that a row has or lacks is a column; numbers in a column are predicted as a column.
    layers = [DENSE, ["MultilabelOutputLayer"]]
    assert NNClassifier(layers, rng=1, n_epochs=1, batch_size=10).fit(X, Y[:, None]).predict(X).shape == (40, 1)
    assert NNRegressor(NUMBERS, rng=1, n_epochs=1, batch_size=10).fit(X, NUMBER[:, None]).predict(X).shape == (40, 1)
