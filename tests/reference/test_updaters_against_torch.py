"""Each updater gives the numbers of torch.optim (same formulas; script = this test)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import arignote.optim  # noqa: F401
from arignote.registry import build

N_STEPS = 20

CASES = {
    "sgd": (["sgd"], 0.1, 0.0, lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (["momentum"], 0.1, 0.8, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8)),
    "nag": (["nag"], 0.1, 0.8, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True)),
    "rmsprop": (["rmsprop"], 0.01, 0.9, lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-6)),
    "adagrad": (["adagrad"], 0.1, 0.0, lambda p: torch.optim.Adagrad(p, lr=0.1, eps=1e-10)),
    "momentum at 0": (["momentum"], 0.01, 0.0, lambda p: torch.optim.SGD(p, lr=0.01)),
    "nag at 0": (["nag"], 0.01, 0.0, lambda p: torch.optim.SGD(p, lr=0.01)),
    "adadelta": (["adadelta"], 1.0, 0.95, lambda p: torch.optim.Adadelta(p, lr=1.0, rho=0.95, eps=1e-6)),
    "adam": (["adam", {"beta1": 0.8}], 0.01, 0.0, lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.999))),
    # An epsilon as large as the gradients shows where it stands: under the root, or beside it.
    "rmsprop, large epsilon": (
        ["rmsprop", {"epsilon": 0.5}],
        0.01,
        0.6,
        lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.6, eps=0.5),
    ),
    "adagrad, large epsilon": (
        ["adagrad", {"epsilon": 0.5}],
        0.1,
        0.0,
        lambda p: torch.optim.Adagrad(p, lr=0.1, eps=0.5),
    ),
    "adadelta, large epsilon": (
        ["adadelta", {"epsilon": 0.5}],
        0.7,
        0.6,
        lambda p: torch.optim.Adadelta(p, lr=0.7, rho=0.6, eps=0.5),
    ),
    "adam, large epsilon": (
        ["adam", {"beta1": 0.7, "beta2": 0.8, "epsilon": 0.5}],
        0.01,
        0.0,
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.7, 0.8), eps=0.5),
    ),
}
CASES |= {
    "adamw": (["adamw"], 0.01, 0.0, lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.01)),
    "adamw, large epsilon and decay": (
        ["adamw", {"beta1": 0.7, "beta2": 0.8, "epsilon": 0.5, "weight_decay": 3.0}],
        0.01,
        0.0,
        lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.7, 0.8), eps=0.5, weight_decay=3.0),
    ),
    "amsgrad": (["amsgrad"], 0.01, 0.0, lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True)),
    # Squares that fade fast are soon less than the largest.
    "amsgrad, large epsilon": (
        ["amsgrad", {"beta1": 0.7, "beta2": 0.5, "epsilon": 0.5}],
        0.1,
        0.0,
        lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.7, 0.5), eps=0.5, amsgrad=True),
    ),
    "adamax": (["adamax"], 0.01, 0.0, lambda p: torch.optim.Adamax(p, lr=0.01)),
    "adamax, large epsilon": (
        ["adamax", {"beta1": 0.7, "beta2": 0.8, "epsilon": 0.5}],
        0.05,
        0.0,
        lambda p: torch.optim.Adamax(p, lr=0.05, betas=(0.7, 0.8), eps=0.5),
    ),
    "nadam": (["nadam"], 0.01, 0.0, lambda p: torch.optim.NAdam(p, lr=0.01)),
    "nadam, large epsilon": (
        ["nadam", {"beta1": 0.7, "beta2": 0.8, "epsilon": 0.5, "momentum_decay": 0.5}],
        0.05,
        0.0,
        lambda p: torch.optim.NAdam(p, lr=0.05, betas=(0.7, 0.8), eps=0.5, momentum_decay=0.5),
    ),
    # Not divided in its first five steps, then divided.
    "radam": (["radam"], 0.01, 0.0, lambda p: torch.optim.RAdam(p, lr=0.01)),
    "radam, large epsilon": (
        ["radam", {"beta1": 0.7, "beta2": 0.9, "epsilon": 0.5}],
        0.05,
        0.0,
        lambda p: torch.optim.RAdam(p, lr=0.05, betas=(0.7, 0.9), eps=0.5),
    ),
}
# Their memory by the names that torch has for it.
SLOTS = {
    **{"velocity": "momentum_buffer", "mean": "exp_avg", "square_step": "acc_delta"},
    **{"max_square": "max_exp_avg_sq", "largest": "exp_inf"},
}
SQUARES = {"rmsprop": "square_avg", "adagrad": "sum", "adadelta": "square_avg"}
# Within rounding; some constants of torch are float32 (the product of the momenta of nadam).
TOLERANCES = {torch.float32: {"rtol": 2e-5, "atol": 2e-6}, torch.float64: {"rtol": 1e-7, "atol": 1e-8}}


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_the_updater_gives_the_numbers_of_torch(name, dtype):
    spec, lr, momentum, make = CASES[name]
    updater = build("updater", spec)
    start = torch.from_numpy(np.random.default_rng(0).standard_normal(20)).to(dtype)
    ours, theirs = start.clone(), torch.nn.Parameter(start.clone())
    slots = {slot: torch.zeros(20, dtype=dtype) for slot in updater.slots}
    optimiser = make([theirs])
    for n in range(1, N_STEPS + 1):
        # The gradient of sum(w^4 / 4 - w), each time where both stand.
        if spec[0] == "adamw":
            of_lists = {slot: [values] for slot, values in slots.items()}
            updater.step_slices([ours], [ours**3 - 1], of_lists, lr, momentum, n, updater.weight_decay)
        else:
            updater.step(ours, ours**3 - 1, slots, lr, momentum, n)
        theirs.grad = theirs.detach() ** 3 - 1
        optimiser.step()
    torch.testing.assert_close(ours, theirs.detach(), **TOLERANCES[dtype])
    assert not torch.equal(ours, start)
    state = optimiser.state[theirs]
    for slot, values in slots.items():
        # Without momentum torch keeps no buffer: the last gradient is tested below.
        if not name.endswith("at 0"):
            expected = state[SLOTS.get(slot) or SQUARES.get(spec[0], "exp_avg_sq")]
            torch.testing.assert_close(values, expected, **TOLERANCES[dtype])


@pytest.mark.parametrize("name", ["momentum", "nag"])
def test_a_momentum_that_rises_from_0_uses_the_last_gradient(name):
    updater, w, slots = build("updater", name), torch.zeros(3), {"velocity": torch.ones(3)}
    updater.step(w, torch.full((3,), 2.0), slots, 0.5, 0.0, 1)
    assert w.tolist() == [-1.0] * 3 and slots["velocity"].tolist() == [2.0] * 3
