"""Each rule gives the learning rates of torch.optim.lr_scheduler, where it has the same (script = this test)."""

from __future__ import annotations

import pytest
import torch
from torch.optim import lr_scheduler as torch_rules

import arignote.optim  # noqa: F401
from arignote.optim.rules import Position
from arignote.registry import build

N_STEPS = 60
FIRST = 0.3

CASES = {
    "step": (["step", {"multiply_by": 0.4, "n_epochs": 7}], lambda o: torch_rules.StepLR(o, 7, gamma=0.4)),
    "exponential": (
        ["exponential", {"multiply_by": 0.93, "n_epochs": 1}],
        lambda o: torch_rules.ExponentialLR(o, gamma=0.93),
    ),
    # multiply_by over 5 updates is 0.93 in each.
    "exponential, over 5": (
        ["exponential", {"multiply_by": 0.93**5, "n_updates": 5}],
        lambda o: torch_rules.ExponentialLR(o, gamma=0.93),
    ),
    "linear": (
        ["linear", {"final_value": 0.03, "n_updates": 25}],
        lambda o: torch_rules.LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=25),
    ),
    "linear to 0": (
        ["linear", {"final_value": 0.0, "n_epochs": 25}],
        lambda o: torch_rules.PolynomialLR(o, total_iters=25, power=1.0),
    ),
    "inverse": (
        ["inverse", {"decay": 0.7, "n_epochs": 3}],
        lambda o: torch_rules.LambdaLR(o, lambda n: 1 / (1 + 0.7 * n / 3)),
    ),
    "cosine": (
        ["cosine", {"final_value": 0.02, "n_epochs": N_STEPS}],
        lambda o: torch_rules.CosineAnnealingLR(o, T_max=N_STEPS, eta_min=0.02),
    ),
    "cosine, restarts": (
        ["cosine", {"final_value": 0.02, "n_updates": 7, "restarts": True}],
        lambda o: torch_rules.CosineAnnealingWarmRestarts(o, T_0=7, eta_min=0.02),
    ),
    "cosine, longer restarts": (
        ["cosine", {"n_epochs": 5, "restarts": True, "multiply_length_by": 3}],
        lambda o: torch_rules.CosineAnnealingWarmRestarts(o, T_0=5, T_mult=3),
    ),
    "one cycle": (
        [
            "one_cycle",
            {"initial_value": FIRST / 10, "middle_value": FIRST, "final_value": FIRST / 50, "n_updates": N_STEPS},
        ],
        lambda o: torch_rules.OneCycleLR(
            o, FIRST, total_steps=N_STEPS, div_factor=10, final_div_factor=5, cycle_momentum=False
        ),
    ),
    "one cycle in lines": (
        [
            "one_cycle",
            {
                "initial_value": FIRST / 25,
                "middle_value": FIRST,
                "final_value": FIRST / 25e4,
                "rise": 0.45,
                "shape": "linear",
                "n_epochs": N_STEPS,
            },
        ],
        lambda o: torch_rules.OneCycleLR(
            o, FIRST, total_steps=N_STEPS, pct_start=0.45, anneal_strategy="linear", cycle_momentum=False
        ),
    ),
    "warm-up": (
        ["warmup", {"initial_value": FIRST / 4, "n_updates": 11, "then": "const"}],
        lambda o: torch_rules.LinearLR(o, start_factor=0.25, total_iters=11),
    ),
    # From 0 both are a product of the ramp and the rule.
    "warm-up, step": (
        ["warmup", {"initial_value": 0.0, "n_epochs": 11, "then": ["step", {"multiply_by": 0.5, "n_epochs": 8}]}],
        lambda o: torch_rules.LambdaLR(o, lambda n: min(n / 11, 1) * 0.5 ** (n // 8)),
    ),
    "absolute": (
        ["absolute", {"after_epochs": [[10, 0.06], [25, 0.012]]}],
        lambda o: torch_rules.MultiStepLR(o, milestones=[10, 25], gamma=0.2),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_learning_rates_are_those_of_torch(case):
    spec, scheduler_of = CASES[case]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=FIRST)
    scheduler, rates = scheduler_of(optimizer), []
    for _ in range(N_STEPS):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        # The last one of OneCycleLR may not be followed by another.
        if len(rates) < N_STEPS:
            scheduler.step()
    rule = build("rule", spec)
    state = rule.start(FIRST)
    found = [rule.value_at(state, Position(n, n)) for n in range(N_STEPS)]
    assert found == pytest.approx(rates, rel=1e-9, abs=1e-12)
    assert len(set(found)) > 2
