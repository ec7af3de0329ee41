"""Activations as declared: initial weights, gains and derivatives; their formulas are in contracts/test_layers.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from own_parts import first_names
from scipy import stats

from arignote.errors import ConfigError
from arignote.layers import parse
from arignote.registry import build

OUTPUT = ["ClassificationOutputLayer", {"n_classes": 2}]


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
