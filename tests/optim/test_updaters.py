"""Updaters: default rates as published, one step worked out by hand, memory by name."""

from __future__ import annotations

import inspect
import re
from math import sqrt
from pathlib import Path

import pytest
import torch
from own_parts import first_names, own_names

import arignote.optim  # noqa: F401
from arignote.errors import ConfigError
from arignote.registry import build, part_name

# Learning rate, momentum (or rho) in force without a momentum rule, and the other constants.
# rmsprop: Tieleman and Hinton, "Lecture 6.5", 2012: a learning rate of 0.001 and a decay of 0.9.
# adadelta: Zeiler, arXiv:1212.5701, table 1: rho 0.95, epsilon 1e-6, and no learning rate, which is a factor of 1.
# adam: Kingma and Ba, ICLR 2015, algorithm 1: alpha 0.001, beta1 0.9, beta2 0.999, epsilon 1e-8.
# amsgrad: as adam, in torch.optim. adamw: Loshchilov and Hutter, ICLR 2019, and torch.optim: a weight decay of 0.01.
# adamax: Kingma and Ba, algorithm 2: alpha 0.002. nadam, radam: the defaults of torch.optim.NAdam and RAdam.
# lion: Chen et al., NeurIPS 2023: beta1 0.9, beta2 0.99; 0.0001 and no weight decay in the authors' code.
# momentum, nag: 0.9, Sutskever et al., ICML 2013. adagrad: the defaults of torch.optim.Adagrad.
ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
DEFAULTS = {
    "sgd": (0.01, 0.0, {}),
    "momentum": (0.01, 0.9, {"momentum": 0.9}),
    "nag": (0.01, 0.9, {"momentum": 0.9}),
    "rmsprop": (0.001, 0.9, {"rho": 0.9, "epsilon": 1e-6}),
    "adagrad": (0.01, 0.0, {"epsilon": 1e-10}),
    "adadelta": (1.0, 0.95, {"rho": 0.95, "epsilon": 1e-6}),
    "adam": (0.001, 0.0, ADAM | {"beta1_decay": 1.0}),
    "amsgrad": (0.001, 0.0, ADAM),
    "adamw": (0.001, 0.0, ADAM | {"weight_decay": 0.01}),
    "adamax": (0.002, 0.0, ADAM),
    "nadam": (0.002, 0.0, ADAM | {"momentum_decay": 0.004}),
    "radam": (0.001, 0.0, ADAM),
    "lion": (0.0001, 0.0, {"weight_decay": 0.0, "beta1": 0.9, "beta2": 0.99}),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_default_rates_are_those_of_the_papers(name):
    updater = build("updater", name)
    assert (updater.default_lr, updater.default_momentum, updater.model_dump()) == DEFAULTS[name]
    assert part_name(updater) == name


def test_the_tables_have_every_registered_updater():
    assert sorted(DEFAULTS) == sorted(BY_HAND) == first_names("updater")
    assert own_names("updater")["nesterov"] is own_names("updater")["nag"]


def test_the_document_has_the_rate_and_the_memory_of_every_updater():
    text = (Path(__file__).resolve().parents[2] / "docs" / "updaters.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| .+ \| (none|\d)(?: value)? \|$", text, re.M)
    updaters = {name: build("updater", name) for name in first_names("updater")}
    expected = [(name, updater.default_lr, len(updater.slots)) for name, updater in updaters.items()]
    assert sorted((name, float(lr), int(n.replace("none", "0"))) for name, lr, n in rows) == expected


IN_TORCH = {
    **{"adagrad": "Adagrad", "adadelta": "Adadelta", "adam": "Adam", "adamw": "AdamW", "adamax": "Adamax"},
    **{"nadam": "NAdam", "radam": "RAdam"},
}


@pytest.mark.parametrize("name", IN_TORCH)
def test_the_default_rates_are_those_of_torch_where_the_formulas_are_the_same(name):
    theirs = {key: p.default for key, p in inspect.signature(getattr(torch.optim, IN_TORCH[name])).parameters.items()}
    ours = build("updater", name)
    assert ours.default_lr == theirs["lr"] and ours.epsilon == theirs["eps"]
    if "betas" in theirs:
        assert (ours.beta1, ours.beta2) == theirs["betas"]
    for key in {"momentum_decay", "weight_decay"} & type(ours).model_fields.keys():
        assert getattr(ours, key) == theirs[key]


@pytest.mark.parametrize(
    ("spec", "momentum"),
    [
        (["momentum", {"momentum": 0.25}], 0.25),
        (["nag", {"momentum": 0.75}], 0.75),
        (["rmsprop", {"rho": 0.5}], 0.5),
        (["adadelta", {"rho": 0.125}], 0.125),
        (["adam", {"beta1": 0.5}], 0.0),
    ],
)
def test_the_momentum_in_force_is_the_parameter_that_the_rule_drives(spec, momentum):
    assert build("updater", spec).default_momentum == momentum


# w = 1, g = 0.5, every slot at 0.25, learning rate 0.1, momentum (rho) 0.5, epsilon 0.01, third update;
# the family of adam with beta1 = 0.5, beta2 = 0.75. Expected: the new weight, and the new slots by name.
BETAS = {"epsilon": 0.01, "beta1": 0.5, "beta2": 0.75}
BY_HAND = {
    "sgd": ({}, 1 - 0.1 * 0.5, {}),
    # v = 0.5 * 0.25 + 0.5
    "momentum": ({}, 1 - 0.1 * 0.625, {"velocity": 0.625}),
    # w - lr * (g + mu * v)
    "nag": ({}, 1 - 0.1 * (0.5 + 0.5 * 0.625), {"velocity": 0.625}),
    # s = 0.5 * 0.25 + 0.5 * 0.25
    "rmsprop": ({"epsilon": 0.01}, 1 - 0.1 * 0.5 / (sqrt(0.25) + 0.01), {"square": 0.25}),
    # s = 0.25 + 0.25
    "adagrad": ({"epsilon": 0.01}, 1 - 0.1 * 0.5 / (sqrt(0.5) + 0.01), {"square": 0.5}),
    # s = 0.25; d = 0.5 * sqrt(0.26) / sqrt(0.26); u = 0.5 * 0.25 + 0.5 * 0.25
    "adadelta": ({"epsilon": 0.01}, 1 - 0.1 * 0.5, {"square": 0.25, "square_step": 0.25}),
    # m = 0.5 * 0.25 + 0.5 * 0.5; s = 0.75 * 0.25 + 0.25 * 0.25; corrected by 1 - 0.5^3 and 1 - 0.75^3
    "adam": (
        BETAS,
        1 - 0.1 * (0.375 / (1 - 0.5**3)) / (sqrt(0.25 / (1 - 0.75**3)) + 0.01),
        {"mean": 0.375, "square": 0.25},
    ),
    # As adam, while the largest square is the last one.
    "amsgrad": (
        BETAS,
        1 - 0.1 * (0.375 / (1 - 0.5**3)) / (sqrt(0.25 / (1 - 0.75**3)) + 0.01),
        {"mean": 0.375, "square": 0.25, "max_square": 0.25},
    ),
    # A step of one vector has no decay.
    "adamw": (
        BETAS | {"weight_decay": 0.5},
        1 - 0.1 * (0.375 / (1 - 0.5**3)) / (sqrt(0.25 / (1 - 0.75**3)) + 0.01),
        {"mean": 0.375, "square": 0.25},
    ),
    # u = max(0.75 * 0.25, 0.5 + 0.01)
    "adamax": (BETAS, 1 - 0.1 * (0.375 / (1 - 0.5**3)) / 0.51, {"mean": 0.375, "largest": 0.51}),
    # mu = 0.5 * (1 - 0.96^n / 2) for n = 1, 2, 3, 4: 0.26, 0.2696, 0.278816, 0.28766336
    "nadam": (
        BETAS | {"momentum_decay": 1.0},
        1
        - 0.1
        * (
            (1 - 0.278816) / (1 - 0.26 * 0.2696 * 0.278816) * 0.5
            + 0.28766336 / (1 - 0.26 * 0.2696 * 0.278816 * 0.28766336) * 0.375
        )
        / (sqrt(0.25 / (1 - 0.75**3)) + 0.01),
        {"mean": 0.375, "square": 0.25},
    ),
    # The third of its steps with k = 2 / 0.25 - 1 = 7: r = 7 - 6 * 0.75^3 / (1 - 0.75^3) = 2.62 is not above 5.
    "radam": (BETAS, 1 - 0.1 * 0.375 / (1 - 0.5**3), {"mean": 0.375, "square": 0.25}),
    # The sign of 0.5 * 0.25 + 0.5 * 0.5; m = 0.75 * 0.25 + 0.25 * 0.5
    "lion": ({"beta1": 0.5, "beta2": 0.75}, 0.9, {"mean": 0.3125}),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_one_step_gives_the_numbers_worked_out_by_hand(name):
    params, expected, expected_slots = BY_HAND[name]
    updater = build("updater", [name, params])
    w, g = torch.ones(3), torch.full((3,), 0.5)
    slots = {slot: torch.full((3,), 0.25) for slot in updater.slots}
    updater.step(w, g, slots, 0.1, 0.5, 3)
    assert w.tolist() == pytest.approx([expected] * 3, rel=1e-6)
    assert {slot: values.tolist() for slot, values in slots.items()} == {
        slot: pytest.approx([value] * 3, rel=1e-6) for slot, value in expected_slots.items()
    }


@pytest.mark.parametrize("name", ["momentum", "nag", "adam", "amsgrad"])
def test_l2_in_the_kernel_is_the_weight_decay_of_torch(name):
    make = {
        "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, weight_decay=0.3),
        "nag": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.3),
        "adam": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.3),
        "amsgrad": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.3, amsgrad=True),
    }[name]
    updater, start = build("updater", name), torch.linspace(-1, 2, 10)
    stretches = [start[:4].clone(), start[4:].clone()]
    theirs = [torch.nn.Parameter(part.clone()) for part in stretches]
    slots = {slot: [torch.zeros(4), torch.zeros(6)] for slot in updater.slots}
    optimiser = make(theirs)
    for n in range(1, 6):
        updater.step_slices(stretches, [w.cos() for w in stretches], slots, 0.1, 0.8, n, 0.3)
        for weight in theirs:
            weight.grad = weight.detach().cos()
        optimiser.step()
    for ours, weight in zip(stretches, theirs, strict=True):
        torch.testing.assert_close(ours, weight.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (["momentum", {"momentum": 1.0}], "momentum must be a number < 1"),
        (["rmsprop", {"rho": -0.1}], "rho must be a number >= 0"),
        (["adagrad", {"epsilon": 0.0}], "epsilon must be a number > 0"),
        (["adam", {"beta2": 1.0}], "beta2 must be a number < 1"),
        (["adam", {"epsilon": -1e-9}], "epsilon must be a number >= 0"),
        (["adam", {"beta1_decay": 0.0}], "beta1_decay must be a number > 0"),
        (["adam", {"beta1_decay": 1.01}], "beta1_decay must be a number <= 1"),
        (["adamw", {"weight_decay": -0.1}], "weight_decay must be a number >= 0"),
        (["lion", {"weight_decay": -0.1}], "weight_decay must be a number >= 0"),
        (["adamax", {"epsilon": 0.0}], "epsilon must be a number > 0"),
        (["nadam", {"momentum_decay": -1.0}], "momentum_decay must be a number >= 0"),
    ],
)
def test_constants_out_of_bounds_are_refused(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("updater", spec)
