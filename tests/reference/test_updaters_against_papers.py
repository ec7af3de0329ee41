"""Updaters that torch.optim lacks give the numbers of the recursion of their papers, in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import arignote.optim  # noqa: F401
from arignote.registry import build

N_STEPS = 20


def lion(w, slots, n, *, lr, b1, b2, decay):
    """Chen et al., NeurIPS 2023, algorithm 2, with the gradient of sum(w^4 / 4 - w)."""
    g, m = w**3 - 1, slots["mean"]
    update = np.sign(b1 * m + (1 - b1) * g)
    slots["mean"] = b2 * m + (1 - b2) * g
    return w - lr * (update + decay * w)


def adam(w, slots, n, *, lr, b1, b2, decay, epsilon=1e-8):
    """Kingma and Ba, arXiv:1412.6980v4, algorithm 1, with lambda = `decay`."""
    g, b1_n = w**3 - 1, b1 * decay ** (n - 1)
    slots["mean"] = b1_n * slots["mean"] + (1 - b1_n) * g
    slots["square"] = b2 * slots["square"] + (1 - b2) * g**2
    mean, square = slots["mean"] / (1 - b1**n), slots["square"] / (1 - b2**n)
    return w - lr * mean / (np.sqrt(square) + epsilon)


# The updater, its learning rate, its decay of weights, the recursion and its constants.
CASES = {
    "lion": (["lion"], 0.01, 0.0, lion, {"b1": 0.9, "b2": 0.99, "decay": 0.0}),
    "lion with a decay": (
        ["lion", {"beta1": 0.6, "beta2": 0.8, "weight_decay": 2.0}],
        0.05,
        2.0,
        lion,
        {"b1": 0.6, "b2": 0.8, "decay": 2.0},
    ),
    "adam with lambda of the paper": (
        ["adam", {"beta1_decay": 1 - 1e-8}],
        0.01,
        0.0,
        adam,
        {"b1": 0.9, "b2": 0.999, "decay": 1 - 1e-8},
    ),
    "adam with a fast decay": (
        ["adam", {"beta1": 0.8, "beta2": 0.9, "beta1_decay": 0.75}],
        0.05,
        0.0,
        adam,
        {"b1": 0.8, "b2": 0.9, "decay": 0.75},
    ),
    "adam without momentum": (
        ["adam", {"beta1": 0.0, "beta1_decay": 0.75}],
        0.05,
        0.0,
        adam,
        {"b1": 0.0, "b2": 0.999, "decay": 0.75},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_updater_gives_the_numbers_of_its_paper(name):
    spec, lr, decay, recursion, constants = CASES[name]
    updater = build("updater", spec)
    start = np.random.default_rng(0).standard_normal(20)
    ours, theirs = torch.from_numpy(start.copy()), start
    slots = {slot: torch.zeros(20, dtype=torch.float64) for slot in updater.slots}
    expected = {slot: np.zeros(20) for slot in slots}
    for n in range(1, N_STEPS + 1):
        of_lists = {slot: [values] for slot, values in slots.items()}
        updater.step_slices([ours], [ours**3 - 1], of_lists, lr, 0.0, n, decay)
        theirs = recursion(theirs, expected, n, lr=lr, **constants)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert not np.allclose(ours, start, atol=0.01)
    for slot, values in slots.items():
        np.testing.assert_allclose(values, expected[slot], rtol=1e-9, atol=1e-12)
