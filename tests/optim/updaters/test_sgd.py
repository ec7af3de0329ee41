"""Gradient descent with and without momentum, beside the recursions of Sutskever et al., ICML 2013."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.optim.updaters import NAG, SGD, Momentum

# The gradient of a quadratic with these curvatures is CURVATURE * w.
CURVATURE = np.array([0.5, 2.0, 8.0])


def steps(updater, lr, momenta):
    """Return the weights after updates of the quadratic from 1, one for each momentum."""
    w, slots = torch.ones(3, dtype=torch.float64), {name: torch.zeros(3, dtype=torch.float64) for name in updater.slots}
    for n, mu in enumerate(momenta, 1):
        updater.step(w, w * torch.tensor(CURVATURE), slots, lr, mu, n)
    return w.numpy()


def test_plain_descent_shrinks_each_weight_by_its_curvature():
    np.testing.assert_allclose(steps(SGD(), 0.1, [0.0] * 5), (1 - 0.1 * CURVATURE) ** 5, rtol=1e-12)


@pytest.mark.parametrize("mu", [0.5, 0.9])
def test_momentum_is_the_heavy_ball_of_two_weights_before(mu):
    # w_{n+1} = w_n - lr g(w_n) + mu (w_n - w_{n-1}) (Polyak, 1964), while rate and momentum stay.
    before, w = np.ones(3), np.ones(3)
    for _ in range(6):
        before, w = w, w - 0.1 * CURVATURE * w + mu * (w - before)
    np.testing.assert_allclose(steps(Momentum(), 0.1, [mu] * 6), w, rtol=1e-12)


@pytest.mark.parametrize("mu", [0.5, 0.9])
def test_nag_takes_the_gradient_where_the_velocity_leads(mu):
    # Sutskever: v <- mu v - lr g(theta + mu v), theta <- theta + v; the weights of torch.optim are theta + mu v.
    theta, v = np.ones(3), np.zeros(3)
    for _ in range(6):
        v = mu * v - 0.1 * CURVATURE * (theta + mu * v)
        theta = theta + v
    np.testing.assert_allclose(steps(NAG(), 0.1, [mu] * 6), theta + mu * v, rtol=1e-12)
