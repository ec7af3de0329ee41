"""What all estimators have: `warm_start`, their settings as arguments, and the number of features of a fit."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

from arignote import CheckpointError, ConfigError, NNClassifier, NNRegressor
from arignote.spec.settings import FitSettings

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
Y = X[:, 0] - 2 * X[:, 1]


def step(w, x, y, lr):
    """Return the weights after an update by the gradient of mean (x w - y)^2, as any textbook has it."""
    return w - lr * 2 * x.T @ (x @ w - y) / len(x)


def test_settings_and_rows_may_change():
    settings = {"sgd_type": "sgd", "scale_target": False, "batch_size": -1, "shuffle": False}
    layers = [["RegressionOutputLayer", {"W": 0.0, "use_bias": False, "name": "out"}]]
    regressor = NNRegressor(layers, rng=1, lr_rule=0.1, n_epochs=2, warm_start=True, **settings).fit(X[:40], Y[:40])
    w = np.zeros(3)
    for _ in range(2):
        w = step(w, X[:40].astype(float), Y[:40], 0.1)
    assert regressor.params["out.W"][:, 0] == pytest.approx(w, abs=1e-6)
    regressor.set_params(lr_rule=0.3, n_epochs=3).fit(X[30:], Y[30:])
    w = step(w, X[30:].astype(float), Y[30:], 0.3)
    assert regressor.params["out.W"][:, 0] == pytest.approx(w, abs=1e-6)
    assert regressor.n_epochs_ == 3 and len(regressor.history_) == 3


def test_what_was_learned_of_the_data_stays():
    layers = [["RegressionOutputLayer", {"W": 0.0}]]
    settings = {"preprocess": "Standardise", "sgd_type": "sgd", "lr_rule": 0.0, "warm_start": True, "batch_size": -1}
    regressor = NNRegressor(layers, rng=1, n_epochs=1, **settings).fit(X, Y + 7)
    regressor.set_params(n_epochs=2).fit(5 * X + 1, Y + 100)
    # Weights of 0 predict the mean of the first fit.
    assert regressor.predict(X[:1]) == pytest.approx(np.mean(Y + 7))
    assert regressor.state_.preprocess["0.mean"] == pytest.approx(X.mean(axis=0), abs=1e-5)


def test_other_classes_are_refused_and_so_is_a_changed_run_with_a_checkpoint(tmp_path):
    labels = np.where(Y > 0, "a", "b")
    settings = {"rng": 1, "n_epochs": 1, "batch_size": 20, "warm_start": True}
    classifier = NNClassifier([["ClassificationOutputLayer"]], **settings).fit(X, labels)
    with pytest.raises(ConfigError, match=r"same classes .* Previously got \['a', 'b'\], `y` has \['a', 'c'\]"):
        classifier.set_params(n_epochs=2).fit(X, np.where(Y > 0, "a", "c"))
    kept = NNClassifier([["ClassificationOutputLayer"]], **settings, checkpoint=str(tmp_path / "run")).fit(X, labels)
    with pytest.raises(CheckpointError, match="batch_size: 20 then, 30 now"):
        kept.set_params(n_epochs=2, batch_size=30).fit(X, labels)


@pytest.mark.parametrize("make", [NNClassifier, NNRegressor])
def test_every_setting_is_an_argument_of_the_constructor(make):
    assert make([]).get_params(deep=False).keys() >= FitSettings.model_fields.keys()


def test_the_number_of_features_is_checked_by_every_method_with_the_way_out():
    labels = np.where(Y > 0, "a", "b")
    fitted = NNClassifier([["ClassificationOutputLayer"]], rng=1, n_epochs=1, batch_size=20).fit(X, labels)
    for method in (
        fitted.predict,
        fitted.predict_proba,
        lambda X: fitted.score(X, labels),
        lambda X: fitted.evaluate(X, labels),
    ):
        with pytest.raises(ValueError, match=r"^X has 2 features, but NNClassifier is expecting 3 features as input: "):
            method(X[:, :2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fitted.predict(X.tolist()).shape == (60,)
