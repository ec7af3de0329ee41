"""Batch normalisation against its formula: of the batch while training, of the running values outside."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError, NNClassifier
from arignote.registry import build

RNG = np.random.default_rng(0)


def params_of(n):
    values = {"gamma": RNG.uniform(0.5, 2, n), "beta": RNG.normal(size=n), "mean": RNG.normal(size=n)}
    values["var"] = RNG.uniform(0.5, 2, n)
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in values.items()}


def normalised(x, mean, var, params, epsilon):
    size = (-1,) + (1,) * (x.ndim - 2)
    mean, var, gamma, beta = (np.asarray(v, dtype=np.float64).reshape(size) for v in (mean, var, *params))
    return gamma * (x - mean) / np.sqrt(var + epsilon) + beta


@pytest.mark.parametrize("shape", [(20, 5), (6, 5, 3, 4)])
def test_it_is_the_formula_and_the_running_values_move_by_alpha(shape):
    layer = build("layer", ["BatchNorm", {"epsilon": 0.01, "alpha": 0.25}])
    forward, params = layer.build(shape[1:]), params_of(5)
    before = {name: tensor.numpy().astype(np.float64) for name, tensor in params.items()}
    own = before["gamma"], before["beta"]
    x = RNG.normal(size=shape) * 3 + 1
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    outside = forward(params, torch.from_numpy(x.astype(np.float32)), False)
    np.testing.assert_allclose(outside, normalised(x, before["mean"], before["var"], own, 0.01), rtol=1e-4, atol=1e-4)
    assert np.array_equal(params["mean"].numpy(), before["mean"].astype(np.float32))
    inside = forward(params, torch.from_numpy(x.astype(np.float32)), True)
    np.testing.assert_allclose(inside, normalised(x, x.mean(axes), x.var(axes), own, 0.01), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(params["mean"], 0.75 * before["mean"] + 0.25 * x.mean(axes), rtol=1e-4)
    # The running variance is that over n - 1, as in torch.nn.BatchNorm2d.
    np.testing.assert_allclose(params["var"], 0.75 * before["var"] + 0.25 * x.var(axes, ddof=1), rtol=1e-4)


def test_a_batch_with_one_value_of_each_unit_takes_the_running_ones():
    forward, params = build("layer", "BatchNorm").build((5,)), params_of(5)
    x = torch.randn(1, 5)
    assert torch.equal(forward(params, x, True), forward(params, x, False))


def test_running_statistics_are_no_parameters_and_are_used_to_predict(digits, tmp_path):
    layers = [["FCLayer", {"n_units": 6, "activation": "relu"}], ["BatchNormLayer"], ["ClassificationOutputLayer"]]
    fitted = NNClassifier(layers, rng=1).fit(*digits, n_epochs=2, checkpoint=str(tmp_path / "run"))
    line = next(line for line in fitted.summary().splitlines() if line.startswith("norm1"))
    assert line.split()[3] == "12"
    assert not np.allclose(fitted.params["norm1.mean"], 0) and not np.allclose(fitted.params["norm1.var"], 1)
    X = digits[0]
    one_by_one = np.concatenate([fitted.predict_proba(X[row : row + 1]) for row in range(5)])
    np.testing.assert_allclose(one_by_one, fitted.predict_proba(X)[:5], rtol=1e-4, atol=1e-6)
    assert np.array_equal(NNClassifier.load(str(tmp_path / "run")).predict_proba(X), fitted.predict_proba(X))


def test_its_constants_are_those_of_the_paper_and_of_torch():
    layer, theirs = build("layer", "BatchNorm"), torch.nn.BatchNorm1d(5)
    assert (layer.epsilon, layer.alpha) == (theirs.eps, theirs.momentum) == (1e-5, 0.1)
    starts = {name: (param.initial.value, param.trained) for name, param in layer.declare_params((5, 2, 2)).items()}
    assert starts == {"gamma": (1.0, True), "beta": (0.0, True), "mean": (0.0, False), "var": (1.0, False)}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"alpha": 0.0}, "alpha must be a number > 0"),
        ({"alpha": 1.1}, "alpha must be a number <= 1"),
        ({"epsilon": 0.0}, "epsilon must be a number > 0"),
    ],
)
def test_constants_out_of_bounds_are_refused(params, words):
    with pytest.raises(ConfigError, match=words):
        build("layer", ["BatchNorm", params])
    assert build("layer", ["BatchNorm", {"alpha": 1.0}]).alpha == 1.0
