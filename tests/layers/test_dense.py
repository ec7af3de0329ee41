"""Dense layers against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.registry import build

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 2, 3))


def both(spec):
    """Return the output of a layer for X, and its parameters as arrays."""
    layer = build("layer", spec)
    arrays = {name: RNG.normal(size=p.shape) for name, p in layer.declare_params(X.shape[1:]).items()}
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return layer.build(X.shape[1:])(tensors, torch.from_numpy(X), True).numpy(), arrays


@pytest.mark.parametrize("use_bias", [True, False])
def test_a_unit_is_the_activation_of_its_weighted_inputs(use_bias):
    found, p = both(["FCLayer", {"n_units": 5, "activation": "tanh", "use_bias": use_bias}])
    np.testing.assert_allclose(found, np.tanh(X.reshape(4, 6) @ p["W"] + p.get("b", 0.0)))
    assert ("b" in p) == use_bias


def test_the_activation_of_a_dense_layer_is_a_rectifier_with_slopes():
    found, p = both(["FCLayer", {"n_units": 5}])
    sums = X.reshape(4, 6) @ p["W"] + p["b"]
    np.testing.assert_allclose(found, np.maximum(sums, 0) + p["a"] * np.minimum(sums, 0))


def test_slopes_come_to_the_activation_in_their_order():
    found, p = both(["FCLayer", {"n_units": 5, "activation": "prelu_shelf"}])
    sums = X.reshape(4, 6) @ p["W"] + p["b"]
    expected = np.maximum(sums - p["c"], 0) - p["a"] * np.maximum(-(sums + p["c"]), 0)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(("params", "k"), [({}, 5), ({"maxout_k": 3}, 3)])
def test_a_maxout_unit_is_the_largest_of_its_sums(params, k):
    found, p = both(["FCMaxoutLayer", {"n_units": 2, **params}])
    sums = X.reshape(4, 6) @ p["W"] + p["b"]
    np.testing.assert_allclose(found, np.stack([sums[:, :k].max(1), sums[:, k:].max(1)], 1))


def test_initial_weights_and_biases_may_be_given():
    layer = build("layer", ["FCLayer", {"n_units": 2, "W": ["normal", {"std": 2.0}], "b": 0.5}])
    params = layer.declare_params((3,))
    assert params["W"].initial == build("initializer", ["normal", {"std": 2.0}])
    assert params["b"].initial == build("initializer", ["constant", {"value": 0.5}])
    plain = build("layer", ["FCLayer", {"n_units": 2}]).declare_params((3,))
    assert plain["b"].initial == build("initializer", ["constant", {"value": 0.0}])
