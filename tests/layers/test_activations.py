"""Activations as declared; their formulas are in contracts/test_layers.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from own_parts import first_names
from scipy import special, stats

from arignote.errors import ConfigError
from arignote.layers import declare, parse
from arignote.registry import build

OUTPUT = ["ClassificationOutputLayer", {"n_classes": 2}]


def params_of(layer, shape=(6,)):
    return declare(parse([layer, OUTPUT]), shape).placed[1].params


@pytest.mark.parametrize(
    ("activation", "starts"), [("relu", {}), ("prelu", {"a": 0.25}), ("prelu_shelf", {"a": 0.25, "c": 0.05})]
)
def test_slopes_are_one_for_each_unit_or_map_and_never_penalised(activation, starts):
    dense = params_of(["FCLayer", {"n_units": 5, "activation": activation}])
    maps = params_of(["ConvLayer", {"n_output_maps": 5, "filter_shape": 2, "activation": activation}], (3, 4, 4))
    for params in (dense, maps):
        assert set(params) == {"W", "b", *starts}
        for name, start in starts.items():
            assert params[name].shape == (5,) and params[name].initial.value == start
            assert params[name].unit_axis is None and params[name].trained


def test_each_unit_has_the_slope_of_its_own():
    x = torch.tensor([[-1.0, -1.0], [2.0, 2.0]])
    a, c = torch.tensor([0.5, 2.0]), torch.tensor([0.0, 0.25])
    assert build("activation", "prelu").build()(x, a).tolist() == [[-0.5, -2.0], [2.0, 2.0]]
    assert build("activation", "prelu_shelf").build()(x, a, c).tolist() == [[-0.5, -1.5], [2.0, 1.75]]
    images = x[:, :, None, None].expand(2, 2, 3, 3)
    for name, slopes in (("prelu", (a,)), ("prelu_shelf", (a, c))):
        function = build("activation", name).build()
        assert torch.equal(function(images, *slopes)[:, :, 1, 2], function(x, *slopes))


@pytest.mark.parametrize(
    ("layer", "shape", "n_sums"),
    [
        (["FCLayer", {"n_units": 5, "activation": ["maxout", {"maxout_k": 3}]}], (6,), 15),
        (["FCMaxoutLayer", {"n_units": 5, "maxout_k": 3}], (6,), 15),
        (["ConvMaxoutLayer", {"n_output_maps": 5, "filter_shape": 2, "maxout_k": 3}], (1, 4, 4), 15),
    ],
    ids=["activation", "dense", "maps"],
)
def test_maxout_takes_maxout_k_sums_for_each_unit(layer, shape, n_sums):
    params = params_of(layer, shape)
    assert n_sums in params["W"].shape and params["b"].shape == (n_sums,)


def test_the_sums_of_a_unit_lie_side_by_side():
    x = torch.tensor([[1.0, 5.0, 3.0, -1.0, -2.0, -3.0]])
    assert build("activation", ["maxout", {"maxout_k": 3}]).build()(x).tolist() == [[5.0, -1.0]]
    assert build("activation", ["maxout", {"maxout_k": 2}]).build()(x).tolist() == [[5.0, 3.0, -2.0]]


@pytest.mark.parametrize("name", ["relu", "prelu", "prelu_shelf"])
def test_the_gain_of_rectifiers_keeps_the_mean_square_from_layer_to_layer(name):
    part = build("activation", name)
    sums = torch.randn(1_000_000, 1, generator=torch.Generator().manual_seed(0))
    slopes = [torch.full((1,), start) for start in part.slopes.values()]
    # He's weights double the mean square of what comes in; the shelf takes some of it.
    kept = part.gain**2 * 2 * float(part.build()(sums, *slopes).square().mean() / sums.square().mean())
    assert part.initial == "he" and (
        0.85 < kept < 0.95 if name == "prelu_shelf" else kept == pytest.approx(1, abs=0.01)
    )


@pytest.mark.parametrize("name", ["linear", "tanh", "abstanh", "sigmoid"])
def test_the_gain_of_what_bends_is_that_of_its_slope_at_zero(name):
    part = build("activation", name)
    x = torch.tensor([1e-9], dtype=torch.float64, requires_grad=True)
    part.build()(x).backward()
    assert part.initial == "glorot" and part.gain * float(x.grad) == pytest.approx(1)


def test_a_function_of_ones_own_stands_where_a_name_may():
    layer = parse([["FCLayer", {"n_units": 2, "activation": torch.nn.functional.softplus}], OUTPUT])[1]
    assert layer.activation.build()(torch.zeros(1)).item() == pytest.approx(np.log(2))
    assert layer.model_dump()["activation"].endswith(":softplus")
    with pytest.raises(ConfigError, match=r"unknown activation 'reluu'\. Did you mean 'relu'\?"):
        parse([["FCLayer", {"n_units": 2, "activation": "reluu"}], OUTPUT])


# Initial weights, their gain, and the first values of the slopes.
INITIAL = {
    "linear": ("glorot", 1.0, {}),
    "tanh": ("glorot", 1.0, {}),
    "abstanh": ("glorot", 1.0, {}),
    # The slope of the logistic function at 0 is 1/4 (Glorot and Bengio, AISTATS 2010).
    "sigmoid": ("glorot", 4.0, {}),
    # LeCun et al., 1998: the constants are for weights of the variance 1 / n.
    "scaled_tanh": ("glorot", 1.0, {}),
    "softmax": ("glorot", 1.0, {}),
    "relu": ("he", 1.0, {}),
    "leaky_relu": ("he", 1.0, {}),
    "elu": ("he", 1.0, {}),
    # Klambauer et al., NIPS 2017: variance 1 / n.
    "selu": ("he", 0.5**0.5, {}),
    "softplus": ("he", 1.0, {}),
    "gelu": ("he", 1.0, {}),
    "silu": ("he", 1.0, {}),
    # He et al., ICCV 2015, equation 15: variance 2 / ((1 + a^2) * n), with a = 1/4.
    "prelu": ("he", (1 / (1 + 1 / 16)) ** 0.5, {"a": 0.25}),
    "prelu_shelf": ("he", (1 / (1 + 1 / 16)) ** 0.5, {"a": 0.25, "c": 0.05}),
    "maxout": ("he", 0.5**0.5, {}),
}
# Values of the slopes, and the derivative as a function of the sums; those of maxout and softmax are tested below.
DERIVATIVES = {
    "linear": ((), lambda x: np.ones_like(x)),
    "tanh": ((), lambda x: 1 - np.tanh(x) ** 2),
    "abstanh": ((), lambda x: np.sign(x) * (1 - np.tanh(x) ** 2)),
    "sigmoid": ((), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
    "scaled_tanh": ((), lambda x: 1.7159 * 2 / 3 * (1 - np.tanh(2 / 3 * x) ** 2)),
    "relu": ((), lambda x: (x > 0) * 1.0),
    "leaky_relu": ((), lambda x: np.where(x > 0, 1.0, 0.01)),
    "elu": ((), lambda x: np.where(x > 0, 1.0, np.exp(x))),
    "selu": ((), lambda x: 1.0507009873554805 * np.where(x > 0, 1.0, 1.6732632423543772 * np.exp(x))),
    "softplus": ((), lambda x: 1 / (1 + np.exp(-x))),
    "gelu": ((), lambda x: stats.norm.cdf(x) + x * stats.norm.pdf(x)),
    "silu": ((), lambda x: (1 + np.exp(-x) * (1 + x)) / (1 + np.exp(-x)) ** 2),
    "prelu": ((0.5,), lambda x: np.where(x > 0, 1.0, 0.5)),
    "prelu_shelf": ((0.5, 0.25), lambda x: np.where(x > 0.25, 1.0, np.where(x < -0.25, 0.5, 0.0))),
}


def test_the_tables_have_every_registered_activation():
    assert sorted(INITIAL) == sorted([*DERIVATIVES, "maxout", "softmax"]) == first_names("activation")


@pytest.mark.parametrize("name", INITIAL)
def test_each_activation_has_the_initial_weights_and_slopes_of_its_paper(name):
    initial, gain, slopes = INITIAL[name]
    part = build("activation", name)
    assert (part.initial, part.slopes) == (initial, slopes) and part.gain == pytest.approx(gain, rel=1e-12)
    assert part.pieces == (5 if name == "maxout" else 1)


@pytest.mark.parametrize("name", DERIVATIVES)
def test_the_derivative_by_autograd_is_that_of_the_formula(name):
    slopes, expected = DERIVATIVES[name]
    x = torch.linspace(-2, 2, 16, dtype=torch.float64)[:, None].requires_grad_()
    given = [torch.tensor([slope], dtype=torch.float64) for slope in slopes]
    build("activation", name).build()(x, *given).sum().backward()
    np.testing.assert_allclose(x.grad, expected(x.detach().numpy()), rtol=1e-12, atol=1e-12)


def test_a_maxout_of_images_takes_the_largest_of_neighbouring_maps_at_each_pixel():
    x = np.random.default_rng(0).normal(size=(2, 6, 3, 2))
    found = build("activation", ["maxout", {"maxout_k": 2}]).build()(torch.from_numpy(x))
    assert np.array_equal(found, np.maximum(x[:, ::2], x[:, 1::2]))
    with pytest.raises(ConfigError, match="maxout_k must be an integer >= 1; got 0"):
        build("activation", ["maxout", {"maxout_k": 0}])


def test_scaled_tanh_has_free_scales_and_those_of_lecun_give_1_for_1():
    free = build("activation", ["scaled_tanh", {"scale_in": 0.5, "scale_out": 3.0}])
    x = np.array([[-2.0, 0.0, 1.0]])
    np.testing.assert_allclose(free.build()(torch.from_numpy(x)), 3 * np.tanh(0.5 * x), rtol=1e-12)
    lecun = build("activation", "scaled_tanh").build()
    assert float(lecun(torch.tensor(1.0))) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 2), (3, 4, 2, 5)])
def test_a_softmax_is_over_the_units_or_over_the_maps_at_each_pixel(shape):
    x, g = np.random.default_rng(1).normal(size=(2, *shape))
    leaf = torch.from_numpy(x).requires_grad_()
    found = build("activation", "softmax").build()(leaf)
    p = special.softmax(x, axis=1)
    np.testing.assert_allclose(found.detach(), p, rtol=1e-12)
    found.backward(torch.from_numpy(g))
    # dp_j / dx_i = p_j * (1 if i = j else 0) - p_i * p_j
    jacobian = np.einsum("ij,nj...->nij...", np.eye(4), p) - np.einsum("ni...,nj...->nij...", p, p)
    np.testing.assert_allclose(leaf.grad, np.einsum("nij...,nj...->ni...", jacobian, g), rtol=1e-10, atol=1e-14)


def test_the_smooth_rectifiers_do_not_overflow_far_from_zero():
    x = torch.tensor([-1000.0, 1000.0])
    for name in ("gelu", "silu", "softplus"):
        assert build("activation", name).build()(x).abs().tolist() == [0.0, 1000.0]


@pytest.mark.parametrize(("name", "params"), [("scaled_tanh", {"scale_in": 0.0}), ("scaled_tanh", {"scale_out": 0.0})])
def test_scales_must_be_positive(name, params):
    with pytest.raises(ConfigError, match=r"scale_\w+ must be a number > 0"):
        build("activation", [name, params])
