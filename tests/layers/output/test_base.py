"""Output layers of each target: their values, their gradients and their sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit

from arignote.layers import declare, parse
from arignote.registry import build

RNG = np.random.default_rng(5)
X = RNG.normal(size=(6, 2, 3))


def layer(name, **params):
    return build("layer", [name, params])


def given(declared, dtype=np.float64):
    """Return random parameters of a layer, as arrays and as tensors."""
    arrays = {name: RNG.normal(size=p.shape).astype(dtype) for name, p in declared.declare_params((2, 3)).items()}
    return arrays, {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(
    ("name", "size"), [("MultilabelOutputLayer", "n_classes"), ("RegressionOutputLayer", "n_outputs")]
)
@pytest.mark.parametrize("n", [1, 3])
def test_outputs_are_the_sums_and_labels_have_their_sigmoid(name, size, n, use_bias):
    declared = layer(name, **{size: n, "use_bias": use_bias})
    params = declared.declare_params((2, 3))
    assert {key: p.shape for key, p in params.items()} == {"W": (6, n)} | ({"b": (n,)} if use_bias else {})
    assert (params["W"].fan_in, params["W"].fan_out, params["W"].unit_axis) == (6, n, 1)
    assert all(p.initial == build("initializer", ["constant", {"value": 0.0}]) for p in params.values())
    arrays, tensors = given(declared)
    sums = X.reshape(6, 6) @ arrays["W"] + arrays.get("b", 0.0)
    found = declared.build((2, 3))(tensors, torch.from_numpy(X), True)
    np.testing.assert_allclose(found, sums)
    predictions = declared.to_predictions()(found)
    np.testing.assert_allclose(predictions, expit(sums) if name.startswith("Multi") else sums)


@pytest.mark.parametrize(
    ("name", "params", "loss"),
    [
        ("OrdinalOutputLayer", {"n_classes": 2}, "nll"),
        ("OrdinalOutputLayer", {"n_classes": 5}, "nll"),
        ("OrdinalOutputLayer", {"n_classes": 5}, "brier"),
        ("MultilabelOutputLayer", {"n_classes": 3}, "bce"),
        ("RegressionOutputLayer", {"n_outputs": 3}, "squared"),
    ],
)
def test_gradients_are_those_of_differences(name, params, loss):
    declared = layer(name, **params)
    _, tensors = given(declared)
    keys, function, of_rows = list(tensors), declared.build((2, 3)), build("loss", loss).mean()
    y = torch.arange(6) % 2 if name.startswith("Ordinal") else torch.rand(6, 3, dtype=torch.float64)

    def mean(x, *values):
        return of_rows(function(dict(zip(keys, values, strict=True)), x, True), y)

    leaves = [torch.from_numpy(X), *tensors.values()]
    assert torch.autograd.gradcheck(mean, [leaf.clone().requires_grad_() for leaf in leaves])


@pytest.mark.parametrize(
    ("name", "size", "smallest"),
    [
        ("OrdinalOutputLayer", "n_classes", 2),
        ("MultilabelOutputLayer", "n_classes", 1),
        ("RegressionOutputLayer", "n_outputs", 1),
    ],
)
def test_the_number_of_outputs_is_that_of_the_target_unless_the_layer_sets_it(name, size, smallest):
    assert declare(parse([[name]]), (4,), 7).n_outputs == {"output": 7}
    assert declare(parse([[name]]), (4,), 7).spec()[-1][1][size] == 7
    assert declare(parse([[name, {size: 3}]]), (4,), 7).n_outputs == {"output": 3}
    alone = declare(parse([[name]]), (4,))
    assert alone.n_outputs == {"output": smallest} and alone.n_params == 5


@pytest.mark.parametrize(
    ("name", "params", "target"),
    [
        ("ClassificationOutputLayer", {}, ["classes", {"n_classes": None}]),
        ("ClassificationOutputLayer", {"n_classes": 1}, ["classes", {"n_classes": 1}]),
        ("MultilabelOutputLayer", {"n_classes": 4}, ["flags", {"n_classes": 4}]),
        ("OrdinalOutputLayer", {"n_classes": 4}, ["ranks", {"ranks": None, "n_classes": 4}]),
        ("OrdinalOutputLayer", {"ranks": [3, 1]}, ["ranks", {"ranks": [3, 1], "n_classes": None}]),
        ("RegressionOutputLayer", {"n_outputs": 2}, ["numbers", {"n_outputs": 2}]),
        ("RegressionOutputLayer", {"target": "same", "n_outputs": 2}, ["same", {"n_outputs": 2}]),
    ],
)
def test_each_output_layer_names_its_target(name, params, target):
    assert layer(name, **params).target_spec == target
    build("target", target)
