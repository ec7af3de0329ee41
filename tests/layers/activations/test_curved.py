"""Activations that are curved: scales, softmax, and values far from zero."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special

from arignote.errors import ConfigError
from arignote.registry import build


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
