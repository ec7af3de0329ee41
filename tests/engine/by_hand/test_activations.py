"""Activations by hand: value and slope by their formulas, at the edges too, and where the gradients of slopes go."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from own_parts import first_names
from scipy import special, stats

from arignote.engine.by_hand.activations import function_of, write_unit_sums
from arignote.registry import build

S = np.array([[-2.0, -0.5, 0.0], [0.5, 1.0, 3.0], [-1.0, 0.25, -0.25], [0.125, -3.0, 2.0]])
G = np.random.default_rng(0).normal(size=S.shape)
T, SIGMOID = np.tanh(S), 1 / (1 + np.exp(-S))
# Scale, and scale times alpha, of selu.
L, LA = 1.0507009873554805, 1.7580993408473766
# Value, and derivative; that of a rectifier at 0 is taken as 0.
PLAIN = {
    "linear": (S, np.ones_like(S)),
    "relu": (np.maximum(S, 0), (S > 0) * 1.0),
    "tanh": (T, 1 - T**2),
    "sigmoid": (SIGMOID, SIGMOID * (1 - SIGMOID)),
    "abstanh": (abs(T), np.sign(S) * (1 - T**2)),
    "leaky_relu": (np.where(S > 0, S, 0.01 * S), np.where(S > 0, 1.0, 0.01)),
    "elu": (np.where(S > 0, S, np.expm1(S)), np.where(S > 0, 1.0, np.exp(S))),
    "selu": (np.where(S > 0, L * S, LA * np.expm1(S)), np.where(S > 0, L, LA * np.exp(S))),
    "softplus": (np.log1p(np.exp(S)), SIGMOID),
    "scaled_tanh": (1.7159 * np.tanh(S / 1.5), 1.7159 / 1.5 * (1 - np.tanh(S / 1.5) ** 2)),
    "gelu": (S * stats.norm.cdf(S), stats.norm.cdf(S) + S * stats.norm.pdf(S)),
    "silu": (S * SIGMOID, SIGMOID * (1 + S * (1 - SIGMOID))),
}
A, C = np.array([0.25, 0.5, 2.0]), np.array([0.5, 0.0, 0.25])


def tensor(array):
    return torch.from_numpy(np.array(array))


def of_pixels(array):
    """Return rows as images of two pixels, the second of which is half the first."""
    return tensor(array[:, :, None, None] * np.array([[1.0, 0.5]]))


def test_every_function_of_an_activation_is_held_here():
    # Those with slopes have formulas of their own below; what is left to autograd has no function.
    slopes = {"a": tensor(A), "c": tensor(C)}
    functions = {name for name in first_names("activation") if function_of(build("activation", name), slopes, slopes)}
    assert functions <= {*PLAIN, "prelu", "prelu_shelf", "maxout", "softmax"} <= set(first_names("activation"))


# With other parameters than by default.
WITH_PARAMETERS = {
    "leaky_relu": ({"slope": 0.5}, np.where(S > 0, S, 0.5 * S), np.where(S > 0, 1.0, 0.5)),
    "elu": ({"alpha": 0.5}, np.where(S > 0, S, 0.5 * np.expm1(S)), np.where(S > 0, 1.0, 0.5 * np.exp(S))),
}


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_parameters_count_in_value_and_slope(name):
    params, value, slope = WITH_PARAMETERS[name]
    function = function_of(build("activation", [name, params]), {}, {})
    found, kept = function.forward(tensor(S))
    np.testing.assert_allclose(found, value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(function.backward(tensor(G), kept, 0.0), G * slope, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("beta", [0.0, 1.0])
@pytest.mark.parametrize("name", PLAIN)
def test_value_and_slope_are_those_of_the_formula(name, beta):
    value, slope = PLAIN[name]
    function = function_of(build("activation", name), {}, {})
    found, kept = function.forward(tensor(S))
    np.testing.assert_allclose(found, value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(function.backward(tensor(G), kept, beta), G * slope, rtol=1e-12, atol=1e-12)


def test_the_slope_of_softplus_is_one_where_torch_takes_its_value_for_the_sum():
    # Beyond 20, where log(1 + exp(s)) - s is below 2.1e-9.
    s = torch.tensor([[19.5, 20.5, 21.5]], dtype=torch.float64)
    leaf = s.clone().requires_grad_()
    torch.nn.functional.softplus(leaf).sum().backward()
    function = function_of(build("activation", "softplus"), {}, {})
    found, kept = function.forward(s)
    g = function.backward(torch.ones_like(s), kept, 0.0)
    assert torch.equal(g, leaf.grad) and (g == 1.0).tolist() == [[False, True, True]]
    assert torch.equal(found[:, 1:], s[:, 1:])


def by_formula(name, s, g):
    """Return value, gradient of the sums, and those of the slopes value by value."""
    if name == "prelu":
        # At 0 the slope is that below.
        return np.maximum(s, 0) + A * np.minimum(s, 0), g * np.where(s > 0, 1.0, A), {"a": g * np.minimum(s, 0)}
    above, below = s > C, s < -C
    value = np.where(above, s - C, np.where(below, A * (s + C), 0.0))
    to_c = g * (np.where(above, -1.0, 0.0) + np.where(below, A, 0.0))
    return value, g * np.where(above, 1.0, np.where(below, A, 0.0)), {"a": g * np.where(below, s + C, 0.0), "c": to_c}


@pytest.mark.parametrize("beta", [0.0, 1.0])
@pytest.mark.parametrize("suffix", ["", "1"])
@pytest.mark.parametrize("name", ["prelu", "prelu_shelf"])
def test_slopes_have_the_gradient_of_the_formula_which_is_put_or_added(name, suffix, beta):
    value, to_s, to_slopes = by_formula(name, S, G)
    into = {key + suffix: torch.full((3,), 7.0, dtype=torch.float64) for key in to_slopes}
    function = function_of(build("activation", name), {f"a{suffix}": tensor(A), f"c{suffix}": tensor(C)}, into, suffix)
    found, kept = function.forward(tensor(S))
    np.testing.assert_allclose(found, value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(function.backward(tensor(G), kept, beta), to_s, rtol=1e-12, atol=1e-12)
    for key, expected in to_slopes.items():
        np.testing.assert_allclose(into[key + suffix], 7 * beta + expected.sum(0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["prelu", "prelu_shelf"])
def test_a_map_has_the_slopes_of_all_its_pixels(name):
    first, second = by_formula(name, S, G), by_formula(name, S / 2, G / 2)
    into = {key: torch.full((3,), np.nan, dtype=torch.float64) for key in first[2]}
    function = function_of(build("activation", name), {"a": tensor(A), "c": tensor(C)}, into, n_pixel_axes=2)
    found, kept = function.forward(of_pixels(S))
    to_s = function.backward(of_pixels(G), kept, 0.0)
    for pixel, (value, expected, _) in enumerate((first, second)):
        np.testing.assert_allclose(found[:, :, 0, pixel], value, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(to_s[:, :, 0, pixel], expected, rtol=1e-12, atol=1e-12)
    for key in into:
        np.testing.assert_allclose(into[key], (first[2][key] + second[2][key]).sum(0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["prelu", "prelu_shelf"])
def test_slopes_that_are_fixed_need_no_place_for_their_gradients(name):
    function = function_of(build("activation", name), {"a": tensor(A), "c": tensor(C)}, {})
    _, kept = function.forward(tensor(S))
    np.testing.assert_allclose(
        function.backward(tensor(G), kept, 0.0), by_formula(name, S, G)[1], rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2), (4, 3, 2, 5)])
def test_sums_are_over_all_axes_but_that_of_the_units(shape):
    values = np.random.default_rng(1).normal(size=shape)
    expected = np.moveaxis(values, 1, 0).reshape(3, -1).sum(1)
    into = torch.full((3,), np.nan, dtype=torch.float64)
    write_unit_sums(into, tensor(values), 0.0)
    np.testing.assert_allclose(into, expected, rtol=1e-12)
    write_unit_sums(into, tensor(values), 1.0)
    np.testing.assert_allclose(into, 2 * expected, rtol=1e-12)
    assert write_unit_sums(None, tensor(values), 0.0) is None


@pytest.mark.parametrize("activation", [["maxout", {"maxout_k": 1}], torch.relu], ids=["maxout", "custom"])
def test_an_activation_that_is_not_known_here_has_no_function(activation):
    part = build("layer", ["FCLayer", {"n_units": 3, "activation": activation}]).activation
    assert function_of(part, {}, {}) is None


@pytest.mark.parametrize("pixels", [(), (2, 3)])
def test_a_softmax_and_its_gradient_are_those_of_its_jacobian(pixels):
    s, g = np.random.default_rng(1).normal(size=(2, 4, 3, *pixels))
    function = function_of(build("activation", "softmax"), {}, {}, n_pixel_axes=len(pixels))
    y, saved = function.forward(tensor(s))
    p = special.softmax(s, axis=1)
    np.testing.assert_allclose(y, p, rtol=1e-12)
    expected = p * (g - (p * g).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(function.backward(tensor(g), saved, 0.0), expected, rtol=1e-10, atol=1e-14)
