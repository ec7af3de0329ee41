"""Figures: their curves, cells and pixels are those of the history, of scikit-learn and of the weights."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from promise import LAYERS

from arignote import ConfigError, NNClassifier, NNRegressor
from arignote.plots import plot_confusion, plot_filters, plot_history, plot_schedule

# The first import of matplotlib starts a process that lists fonts.
pytestmark = pytest.mark.slow
pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def fitted(digits):
    convolution = ["ConvLayer", {"name": "conv1", "n_output_maps": 3, "filter_shape": [3, 2]}]
    layers = [["InputImageLayer", {"n_pixels": 8}], convolution, ["ClassificationOutputLayer"]]
    settings = {"n_epochs": 3, "valid": 0.3, "test": 0.1, "monitor": ["grad_norm"]}
    return NNClassifier(layers, rng=1, **settings).fit(*digits)


def test_the_history_is_drawn_with_its_best_validation(fitted):
    figure = plot_history(fitted, log=True)
    axes = {one.get_ylabel(): one for one in figure.axes}
    assert list(axes) == ["nll", "error", "learning_rate", "momentum", "grad_norm"]
    lines = {line.get_label(): line for one in figure.axes for line in one.lines}
    for name in ("train_nll", "valid_nll", "valid_error", "learning_rate", "grad_norm"):
        assert lines[name].get_ydata().tolist() == fitted.history_[:, name] and lines[name].get_xdata().tolist() == [
            1,
            2,
            3,
        ]
    assert (axes["nll"].get_yscale(), axes["momentum"].get_yscale()) == ("log", "linear")
    (best,) = [line for line in axes["nll"].lines if line.get_marker() == "o"]
    assert (best.get_xdata(), best.get_ydata()) == ([fitted.best_["epoch"]], [fitted.best_["value"]])


def test_the_places_at_which_a_run_was_resumed_are_drawn(digits, tmp_path):
    settings = {"batch_size": 90, "checkpoint": str(tmp_path / "run")}
    NNClassifier(LAYERS, rng=1).fit(*digits, n_epochs=1, **settings)
    figure = plot_history(NNClassifier(LAYERS, rng=1).fit(*digits, n_epochs=2, **settings))
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert [line.get_xdata() for line in dashed] == [[1, 1]]


def test_the_matrix_is_that_of_scikit_learn(fitted, digits):
    metrics = pytest.importorskip("sklearn.metrics")
    X, y = (one[:200] for one in digits)
    matrix = metrics.confusion_matrix(y, fitted.predict(X))
    (axes,) = plot_confusion(fitted, X, y).axes
    assert np.array_equal(axes.images[0].get_array(), matrix)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list("0123456789")
    (axes,) = plot_confusion(fitted, X, y, rates=True).axes
    assert np.allclose(axes.images[0].get_array(), metrics.confusion_matrix(y, fitted.predict(X), normalize="true"))
    with pytest.raises(ConfigError, match="NNRegressor predicts numbers"):
        plot_confusion(NNRegressor([["RegressionOutputLayer"]]), X)


def test_filters_are_drawn_from_black_to_white_around_zero(fitted):
    figure = plot_filters(fitted)
    W = fitted.params["conv1.W"]
    assert len(figure.axes) == 3
    for axes, own in zip(figure.axes, W[:, 0], strict=True):
        expected = np.rint(255 * (own / np.abs(own).max() + 1) / 2)
        assert np.abs(axes.images[0].get_array().astype(int) - expected).max() <= 1
    with pytest.raises(ConfigError, match=r"^there is no convolution of images 'output' in the network$"):
        plot_filters(fitted, "output")


def test_planned_values_are_drawn_for_an_estimator_and_for_a_config(tmp_path):
    rule = {"rule": "cosine", "initial_value": 0.4, "n_updates": 4}
    estimator = NNClassifier(LAYERS, sgd_type="sgd", lr_rule=rule, n_epochs=2, batch_size=4)
    (axes,) = plot_schedule(estimator, n_rows=8).axes
    (line,) = axes.lines
    # Half a cosine over 4 updates, 2 in an epoch: 0.2 * (1 + cos(pi n / 4)); the last value up to the end.
    expected = [0.2 * (1 + np.cos(np.pi * n / 4)) for n in (0, 1, 2, 3, 3)]
    assert line.get_xdata().tolist() == [0, 0.5, 1, 1.5, 2] and line.get_ydata() == pytest.approx(expected)
    with pytest.raises(ConfigError, match="give n_rows, the number of training rows"):
        plot_schedule(estimator)
    (tmp_path / "c.yaml").write_text("layers: [[ClassificationOutputLayer]]\nfit: {n_epochs: 3, sgd_type: nag}\n")
    assert [axes.get_ylabel() for axes in plot_schedule(tmp_path / "c.yaml").axes] == ["learning_rate", "momentum"]


def test_without_matplotlib_the_extra_is_named(fitted, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install 'arignote\[plots\]'"):
        plot_history(fitted)


@pytest.mark.parametrize("plot", [plot_history, plot_filters])
def test_a_path_is_no_estimator(plot):
    with pytest.raises(ConfigError) as caught:
        plot("runs/a")
    assert str(caught.value) == "a fitted estimator is needed, as NNClassifier.load('runs/a') returns; got a path"
