"""Lion beside algorithm 2 of Chen et al., NeurIPS 2023, in NumPy."""

from __future__ import annotations

import numpy as np
import torch

from arignote.optim.updaters import Lion


def test_steps_are_those_of_the_paper_with_a_decay_of_the_weights():
    rng = np.random.default_rng(0)
    w, m = rng.normal(size=6), np.zeros(6)
    updater, lr, decay = Lion(beta1=0.8, beta2=0.3, weight_decay=0.5), 0.05, 0.5
    ours, slots = [torch.tensor(w)], {"mean": [torch.zeros(6, dtype=torch.float64)]}
    for n in range(1, 8):
        g = rng.normal(size=6)
        updater.step_slices(ours, [torch.tensor(g)], slots, lr, 0.0, n, decay)
        # c <- beta1 m + (1 - beta1) g;  w <- w - lr (sign(c) + decay w);  m <- beta2 m + (1 - beta2) g
        w = w - lr * (np.sign(0.8 * m + 0.2 * g) + decay * w)
        m = 0.3 * m + 0.7 * g
        np.testing.assert_allclose(ours[0], w, rtol=1e-12)
        np.testing.assert_allclose(slots["mean"][0], m, rtol=1e-12)


def test_a_weight_without_gradients_stays():
    w, slots = torch.ones(2), {"mean": torch.zeros(2)}
    Lion().step(w, torch.tensor([0.0, 3.0]), slots, 0.25, 0.0, 1)
    assert w.tolist() == [1.0, 0.75]
