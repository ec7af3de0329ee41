"""Updates in one pass over memory against the formulas written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.engine import fused

RNG = np.random.default_rng(0)


def given(n_slots):
    """Return two stretches of weights, gradients and slots, and the same in float64."""
    tensors = [[torch.from_numpy(RNG.normal(size=n).astype(np.float32)) for n in (3, 5)] for _ in range(2 + n_slots)]
    return tensors, [[one.numpy().astype(np.float64) for one in pair] for pair in tensors]


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("mu", [0.0, 0.75])
def test_momentum_gives_the_numbers_of_its_formula(mu, decay, nesterov):
    (w, g, v), (w0, g0, v0) = given(1)
    fused.momentum(w, g, v, 0.1, mu, decay, nesterov=nesterov)
    for n in range(2):
        slope = g0[n] + decay * w0[n]
        velocity = mu * v0[n] + slope
        step = slope + mu * velocity if nesterov else velocity
        np.testing.assert_allclose(v[n], velocity, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(w[n], w0[n] - 0.1 * step, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("n", [1, 2, 50])
def test_adam_gives_the_numbers_of_its_formula(n, decay):
    (w, g, m, s), (w0, g0, m0, s0) = given(2)
    for one, other in zip(s, s0, strict=True):
        one.square_()
        np.square(other, out=other)
    fused.adam(w, g, m, s, n, decay, lr=0.1, beta1=0.7, beta2=0.9, epsilon=0.05)
    for k in range(2):
        slope = g0[k] + decay * w0[k]
        mean, square = 0.7 * m0[k] + 0.3 * slope, 0.9 * s0[k] + 0.1 * slope**2
        step = mean / (1 - 0.7**n) / (np.sqrt(square / (1 - 0.9**n)) + 0.05)
        np.testing.assert_allclose(m[k], mean, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(s[k], square, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(w[k], w0[k] - 0.1 * step, rtol=1e-5, atol=1e-6)
