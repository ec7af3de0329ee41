"""Activations, biases and factors as layers of their own, held by their formulas in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError, NNClassifier
from arignote.layers import declare, parse
from arignote.layers.alone import ActivationLayer, BiasLayer, ScaleLayer

RNG = np.random.default_rng(6)
A, C = np.array([0.25, 0.5, 2.0]), np.array([0.5, 0.0, 0.25])
FORMULAS = {
    "relu": lambda x, a, c: np.maximum(x, 0),
    "tanh": lambda x, a, c: np.tanh(x),
    # He et al., ICCV 2015.
    "prelu": lambda x, a, c: np.where(x > 0, x, a * x),
    "prelu_shelf": lambda x, a, c: np.where(x > c, x - c, np.where(x < -c, a * (x + c), 0.0)),
}
SLOPES = {"relu": "", "tanh": "", "prelu": "a", "prelu_shelf": "ac"}


@pytest.mark.parametrize("shape", [(3,), (3, 2, 4)], ids=["units", "maps"])
@pytest.mark.parametrize("name", FORMULAS)
def test_the_activation_is_its_formula_with_a_slope_for_each_unit_or_map(name, shape):
    layer = ActivationLayer(activation=name)
    assert layer.output_shape(shape) == shape
    params = layer.declare_params(shape)
    assert {key: param.shape for key, param in params.items()} == dict.fromkeys(SLOPES[name], (3,))
    x = RNG.normal(size=(5, *shape))
    a, c = (slope.reshape(3, *[1] * (len(shape) - 1)) for slope in (A, C))
    values = {"a": torch.from_numpy(A), "c": torch.from_numpy(C)}
    found = layer.build(shape)({key: values[key] for key in params}, torch.from_numpy(x), True)
    np.testing.assert_allclose(found, FORMULAS[name](x, a, c), rtol=1e-14)


def test_a_rectifier_with_a_slope_of_its_own_is_the_default():
    assert list(ActivationLayer().declare_params((4,))) == ["a"]


def test_an_activation_that_takes_several_sums_for_a_unit_cannot_stand_alone():
    with pytest.raises(ConfigError, match=r"activation must keep the number of units; for maxout use FCMaxoutLayer"):
        ActivationLayer(activation=["maxout", {"maxout_k": 2}])
    # One sum for each unit keeps their number.
    alone = ActivationLayer(activation=["maxout", {"maxout_k": 1}])
    x = torch.from_numpy(RNG.normal(size=(5, 3)))
    assert torch.equal(alone.build((3,))({}, x, True), x)


# What has a value of its own, in an example of a shape: the shape of the values, and their place in it.
PER = [
    ({}, (3,), (3,), lambda v: v),
    ({}, (3, 2, 4), (3,), lambda v: v[:, None, None]),
    ({"per": "unit"}, (3, 2, 4), (3, 2, 4), lambda v: v),
    ({"per": "location"}, (3, 2, 4), (2, 4), lambda v: v[None]),
    ({"per": "location"}, (3, 1, 4), (1, 4), lambda v: v[None]),
    ({"axes": "NLC"}, (5, 3), (3,), lambda v: v[None]),
    ({"axes": "NCL"}, (3, 5), (3,), lambda v: v[:, None]),
    ({"axes": "NLC", "per": "location"}, (5, 3), (5,), lambda v: v[:, None]),
    ({}, (1, 2, 4), (1,), lambda v: v[:, None, None]),
]


@pytest.mark.parametrize(
    ("params", "shape", "own", "placed"), PER, ids=lambda value: None if callable(value) else str(value)
)
def test_a_bias_is_added_and_a_factor_multiplies(params, shape, own, placed):
    x, values, g = RNG.normal(size=(6, *shape)), RNG.normal(size=own), RNG.normal(size=(6, *shape))
    axes = tuple(np.flatnonzero(np.array(placed(np.empty(own)).shape) == 1))
    for cls, name, start in ((BiasLayer, "b", 0.0), (ScaleLayer, "scales", 1.0)):
        layer = cls(**params)
        assert layer.output_shape(shape) == shape
        [(key, param)] = layer.declare_params(shape).items()
        assert (key, param.shape, param.initial.value, param.unit_axis) == (name, own, start, None)
        leaf, given = torch.from_numpy(values).requires_grad_(), torch.from_numpy(x).requires_grad_()
        found = layer.build(shape)({name: leaf}, given, True)
        is_bias = cls is BiasLayer
        np.testing.assert_allclose(found.detach(), x + placed(values) if is_bias else x * placed(values), rtol=1e-14)
        of_values, of_x = torch.autograd.grad(found, [leaf, given], torch.from_numpy(g))
        np.testing.assert_allclose(of_x, g if is_bias else g * placed(values), rtol=1e-14)
        summed = (g if is_bias else g * x).sum(axis=0).sum(axis=axes)
        np.testing.assert_allclose(of_values, summed.reshape(own), rtol=1e-12)


def test_initial_values_of_biases_and_factors_may_be_given():
    assert BiasLayer(b=0.5).declare_params((3,))["b"].initial.value == 0.5
    assert ScaleLayer(scales=["constant", {"value": -2.0}]).declare_params((3,))["scales"].initial.value == -2.0


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (["BiasLayer", {"per": "location"}], (3,), r"per 'location' needs images .* or series; got \(3,\)"),
        (["ScaleLayer", {"axes": "NLC"}], (3, 4, 4), r"axes 'NLC' needs series of two axes; got \(3, 4, 4\)"),
    ],
)
def test_a_shape_that_does_not_suit_a_bias_or_a_factor_is_refused(layer, shape, words):
    with pytest.raises(ConfigError, match=words):
        declare(parse([layer, ["ClassificationOutputLayer"]]), shape, 2)


def test_alone_they_are_trained_fixed_and_loaded(digits, tmp_path):
    layers = [
        ["FCLayer", {"n_units": 8, "activation": "linear", "use_bias": False}],
        ["BiasLayer"],
        ["ScaleLayer"],
        ["ActivationLayer", {"activation": "prelu"}],
        ["ClassificationOutputLayer"],
    ]
    stem = str(tmp_path / "run")
    first = NNClassifier(layers, rng=1, n_epochs=2, checkpoint=stem).fit(*digits)
    starts = {"bias1.b": 0.0, "scale1.scales": 1.0, "activation1.a": 0.25}
    assert all((first.params[name] != start).all() for name, start in starts.items())
    layers[1:3] = [
        [name, {"load_params": own, "fix_params": True}] for name, own in (("Bias", "bias1"), ("Scale", "scale1"))
    ]
    second = NNClassifier(layers, rng=2, n_epochs=2, stored_network=stem).fit(*digits)
    for name in ("bias1.b", "scale1.scales"):
        assert np.array_equal(second.params[name], first.params[name])
