"""Predict a number: the progression of diabetes, beside MLPRegressor of scikit-learn on the same splits.

``python examples/diabetes.py`` prints R^2 on the held-out fifth of five splits (442 rows, 10 features).
"""

import warnings

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from arignote import NNRegressor

LAYERS = [["FCLayer", {"n_units": 32, "activation": "relu", "l2": 0.01}], ["RegressionOutputLayer"]]


def models(seed=0):
    """Return the regressors by name, each with 32 hidden units and Adam."""
    own = NNRegressor(
        LAYERS,
        rng=seed,
        n_epochs=200,
        batch_size=32,
        sgd_type="adam",
        preprocess=["Standardise"],
        valid=0.15,
        stop_rule=["stalled", {"interval": 10}],
    )
    peer = MLPRegressor(
        hidden_layer_sizes=(32,),
        random_state=seed,
        max_iter=2000,
        batch_size=32,
        early_stopping=True,
        n_iter_no_change=10,
    )
    return {
        "NNRegressor": own,
        "MLPRegressor": make_pipeline(StandardScaler(), peer),
        "RidgeCV": make_pipeline(StandardScaler(), RidgeCV()),
    }


def scores(n_splits=5):
    """Return R^2 of each regressor on the held-out rows of each split."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    found = {name: [] for name in models()}
    for train, test in KFold(n_splits, shuffle=True, random_state=0).split(X):
        for name, model in models().items():
            found[name].append(model.fit(X[train], y[train]).score(X[test], y[test]))
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name, r2 in scores().items():
        print(f"{name:13} R^2 {np.mean(r2):.3f} ({', '.join(f'{value:.2f}' for value in r2)})")
