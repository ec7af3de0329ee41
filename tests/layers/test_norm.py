"""Batch normalisation against its formula: of the batch while training, of the running values outside."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from beside_autograd import compare, rows, step_of

from arignote import ConfigError, NNClassifier
from arignote.engine.checked_copy import copy_into
from arignote.engine.feed import DeviceBatch
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


@pytest.mark.parametrize(
    ("fix_params", "trained", "keeps"),
    [
        (False, ["gamma", "beta"], False),
        (["gamma", "beta"], [], False),
        (["mean", "var"], ["gamma", "beta"], True),
        (["mean", "var", "g"], ["beta"], True),
        (True, [], True),
    ],
    ids=str,
)
def test_parameters_that_are_fixed_stay_and_fixed_statistics_normalise_in_training_too(fix_params, trained, keeps):
    layer = ["BatchNormLayer", {"name": "norm", "fix_params": fix_params, "alpha": 0.25}]
    step = step_of([layer, ["ClassificationOutputLayer", {"W": "glorot_uniform"}]], (5,))
    network = step.network
    copy_into({name: network.named[f"norm.{name}"] for name in ("gamma", "beta", "mean", "var")}, params_of(5), "test")
    before = network.arrays()
    x, y, _ = rows(8, 5)
    x = 3 * x + 1
    found = dict(network.outputs((x,)))["norm"].detach()
    own = before["norm.gamma"], before["norm.beta"]
    used = (before["norm.mean"], before["norm.var"]) if keeps else (x.numpy().mean(0), x.numpy().var(0))
    np.testing.assert_allclose(found, normalised(x.numpy(), *used, own, 1e-5), rtol=1e-4, atol=1e-4)
    # That forward pass may have moved the running values.
    copy_into(network.named, before, "test")
    step([DeviceBatch((x,), (y,))], [1], lr=0.5, momentum=0.0, n=1, n_rows=[len(y)])
    moved = {name for name, values in network.arrays().items() if not np.array_equal(values, before[name])}
    of_norm = [*trained, *([] if keeps else ["mean", "var"])]
    assert moved == {f"norm.{name}" for name in of_norm} | {"output.W", "output.b"}


@pytest.mark.parametrize("fix_params", [False, True, ["gamma"], ["mean", "var"]], ids=str)
def test_its_gradients_by_hand_are_those_of_autograd_whatever_is_fixed(fix_params):
    layers = [
        ["FCLayer", {"n_units": 6, "activation": "tanh"}],
        ["BatchNormLayer", {"fix_params": fix_params}],
        ["ClassificationOutputLayer", {"W": "glorot_uniform"}],
    ]
    step = step_of(layers)
    assert step.by_hand[2] == "norm1"
    compare(step, [rows(17)])
    compare(step, [rows(17), rows(9)])


def test_the_mean_is_never_fixed_without_the_variance():
    for fix_params in (["mean"], ["v"], ["gamma", "m"]):
        with pytest.raises(ConfigError, match="fix_params must have both of mean and var, or none of them"):
            build("layer", ["BatchNorm", {"fix_params": fix_params}])


def test_a_loaded_and_fixed_norm_computes_what_it_did_in_its_own_network(digits, tmp_path):
    stem = str(tmp_path / "run")
    first = NNClassifier([["BatchNormLayer"], ["ClassificationOutputLayer"]], rng=1, n_epochs=2, checkpoint=stem)
    first.fit(*digits)
    own = {name: first.params[f"norm1.{name}"] for name in ("gamma", "beta", "mean", "var")}
    norm = ["BatchNormLayer", {"name": "new", "load_params": "norm1", "fix_params": True}]
    layers = [norm, ["FCLayer", {"n_units": 6}], ["ClassificationOutputLayer"]]
    second = NNClassifier(layers, rng=2, n_epochs=3, stored_network=stem).fit(*digits)
    for name, values in own.items():
        assert not np.allclose(values, {"gamma": 1, "var": 1}.get(name, 0))
        assert np.array_equal(second.params[f"new.{name}"], values)


def test_a_norm_of_another_size_is_not_loaded(digits, tmp_path):
    stem = str(tmp_path / "run")
    NNClassifier([["BatchNormLayer"], ["ClassificationOutputLayer"]], n_epochs=1, checkpoint=stem).fit(*digits)
    layers = [["FCLayer", {"n_units": 6}], ["BatchNormLayer", {"load_params": "norm1"}], ["ClassificationOutputLayer"]]
    with pytest.raises(
        ConfigError, match=r"norm1: load_params: 'norm1.gamma' of .* has shape \(64,\); gamma needs \(6,\)"
    ):
        NNClassifier(layers, n_epochs=1, stored_network=stem).fit(*digits)
