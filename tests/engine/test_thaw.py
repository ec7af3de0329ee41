"""Layers that are thawed: as a parameter group that is added to an optimiser of torch when they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.engine.by_hand.tape import Tape
from arignote.engine.feed import DeviceBatch
from arignote.engine.network import Network
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.registry import build

functional = torch.nn.functional
RNG = np.random.default_rng(0)
X, Y = torch.from_numpy(RNG.normal(size=(12, 4)).astype(np.float32)), torch.from_numpy(RNG.integers(0, 3, 12))
OUT = ["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}]
LATE = {"fix_params": True, "thaw_at": 1}
N_BEFORE, N_STEPS = 3, 12
# Learning rate, momentum, and the same optimiser of torch.
UPDATERS = {
    "sgd": (0.1, 0.0, lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (0.1, 0.8, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8)),
    "nag": (0.1, 0.8, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True)),
    "rmsprop": (0.01, 0.9, lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-6)),
    "adagrad": (0.1, 0.0, lambda p: torch.optim.Adagrad(p, lr=0.1, eps=1e-10)),
    "adadelta": (1.0, 0.95, lambda p: torch.optim.Adadelta(p, lr=1.0, rho=0.95, eps=1e-6)),
    "adam": (0.01, 0.0, lambda p: torch.optim.Adam(p, lr=0.01)),
}


def fc(name, n_units=5, activation="tanh", **more):
    return ["FCLayer", {"name": name, "n_units": n_units, "activation": activation} | more]


def step_of(layers, updater="adam", max_grad_norm=None, way="by hand"):
    network = Network(declare(parse(layers), (4,), 3))
    network.initialise(3)
    step = TrainingStep(network.train(), [build("loss", "nll")], build("updater", updater), max_grad_norm)
    assert isinstance(step._gradients, Tape)
    if way == "by autograd":
        # As where a setup leaves all gradients to autograd.
        thaw = step._thaw

        def by_autograd(thawed):
            thaw(thawed)
            step._gradients = step._by_autograd

        step._thaw = by_autograd
        step._gradients = step._by_autograd
    return step


def do(step, n, thawed, lr=0.01, momentum=0.0):
    step([DeviceBatch((X,), (Y,))], [1], lr=lr, momentum=momentum, n=n, thawed=thawed, n_rows=[len(X)])


def forward(p):
    hidden = torch.tanh(X @ p["a.W"] + p["a.b"])
    hidden = torch.tanh(hidden @ p["b.W"] + p["b.b"])
    return hidden @ p["out.W"] + p["out.b"]


def trained_by_torch(start, make, due, l2, max_grad_norm=None):
    """Return what an optimiser makes of parameters, to which each group is added after so many of its steps."""
    p = {name: torch.nn.Parameter(torch.from_numpy(values.copy())) for name, values in start.items()}
    optimiser = make([{"params": [p[name] for name in due.get(0, ())]}])
    for n in range(N_STEPS):
        if n and n in due:
            optimiser.add_param_group({"params": [p[name] for name in due[n]]})
        trained = [name for when, names in due.items() if when <= n for name in names]
        loss = functional.cross_entropy(forward(p), Y)
        loss = loss + sum(l2[name] * (p[name] ** 2).sum() for name in l2 if name in trained)
        for parameter in p.values():
            parameter.grad = None
        for name, gradient in zip(trained, torch.autograd.grad(loss, [p[name] for name in trained]), strict=True):
            p[name].grad = gradient
        if max_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_([p[name] for name in trained], max_grad_norm)
        optimiser.step()
    return {name: parameter.detach() for name, parameter in p.items()}


ALL = {"a.W", "a.b", "b.W", "b.b", "out.W", "out.b"}


@pytest.mark.parametrize("way", ["by hand", "by autograd"])
@pytest.mark.parametrize("max_grad_norm", [None, 0.3])
@pytest.mark.parametrize("updater", UPDATERS)
def test_a_thawed_layer_is_a_group_that_is_added_to_an_optimiser_of_torch(updater, max_grad_norm, way):
    lr, momentum, make = UPDATERS[updater]
    step = step_of([fc("a", l2=0.05, **LATE), fc("b", l2=0.02), OUT], updater, max_grad_norm, way)
    start = step.network.arrays()
    for n in range(1, N_STEPS + 1):
        do(step, n, {"a": N_BEFORE} if n > N_BEFORE else {}, lr, momentum)
        if n == N_BEFORE:
            between = step.network.arrays()
            assert not any(values.any() for name, values in step.slots.items() if "/a." in name)
    late = {"a.W", "a.b"}
    assert {name for name in ALL if np.array_equal(between[name], start[name])} == late
    expected = trained_by_torch(
        start, make, {0: sorted(ALL - late), N_BEFORE: sorted(late)}, {"a.W": 0.05, "b.W": 0.02}, max_grad_norm
    )
    for name, values in expected.items():
        torch.testing.assert_close(step.network.named[name].detach(), values, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("updater", ["nag", "adam", "adagrad"])
def test_each_layer_and_parameter_counts_from_its_own_thaw(updater):
    lr, momentum, make = UPDATERS[updater]
    layers = [fc("a", fix_params=True, thaw_at=4), fc("b", fix_params=["W"], thaw_at=2), OUT]
    step = step_of(layers, updater)
    start = step.network.arrays()
    for n in range(1, N_STEPS + 1):
        do(step, n, ({"b": 2} if n > 2 else {}) | ({"a": 7} if n > 7 else {}), lr, momentum)
    due = {0: ["b.b", "out.W", "out.b"], 2: ["b.W"], 7: ["a.W", "a.b"]}
    for name, values in trained_by_torch(start, make, due, {}).items():
        torch.testing.assert_close(step.network.named[name].detach(), values, rtol=2e-5, atol=2e-6)


def test_lower_layers_are_walked_through_only_when_they_are_thawed():
    def n_walked(layers, thawed):
        step = step_of(layers)
        if thawed:
            do(step, 1, thawed)
        return len(step._gradients._backward), [link.needs_input for link in step._gradients._links]

    late = [fc("a", **LATE), fc("b", **LATE), OUT]
    fixed = [fc("a", fix_params=True), fc("b", fix_params=True), OUT]
    assert n_walked(late, {}) == n_walked(fixed, {}) == (1, [False, False, False])
    assert n_walked(late, {"b": 0}) == (2, [False, False, True])
    assert n_walked(late, {"a": 0, "b": 0}) == n_walked([fc("a"), fc("b"), OUT], {}) == (3, [False, True, True])


def test_a_run_that_is_trained_again_from_before_a_thaw_takes_the_same_steps():
    step = step_of([fc("a", **LATE), fc("b"), OUT], max_grad_norm=0.1)
    start = step.network.arrays()
    ends = []
    for _ in range(2):
        with torch.no_grad():
            for name, tensor in step.network.named.items():
                tensor.copy_(torch.from_numpy(start[name]))
            for slot in step.slots.values():
                slot.zero_()
        for n in range(1, 7):
            do(step, n, {"a": 3} if n > 3 else {})
            if n == 3:
                assert (step.network.arrays()["a.W"] == start["a.W"]).all()
        ends.append(step.network.arrays())
    assert all((ends[0][name] == ends[1][name]).all() for name in ALL)


def test_norms_of_weights_hold_and_penalties_act_from_the_thaw_on():
    step = step_of([fc("a", maxnorm=0.1, l1=0.1, **LATE), OUT], "sgd")
    do(step, 1, {}, lr=0.0)
    assert np.linalg.norm(step.network.arrays()["a.W"], axis=0).min() > 0.1
    do(step, 2, {"a": 1}, lr=0.0)
    assert np.linalg.norm(step.network.arrays()["a.W"], axis=0) == pytest.approx([0.1] * 5, rel=1e-5)


def test_statistics_that_are_fixed_follow_the_batches_from_the_thaw_on():
    step = step_of([["BatchNormLayer", {"name": "norm", **LATE, "alpha": 0.25}], OUT], "sgd")
    do(step, 1, {})
    before = step.network.arrays()
    assert not before["norm.mean"].any() and (before["norm.var"] == 1).all()
    do(step, 2, {"norm": 1})
    after = step.network.arrays()
    np.testing.assert_allclose(after["norm.mean"], 0.25 * X.numpy().mean(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(after["norm.var"], 0.75 + 0.25 * X.numpy().var(0, ddof=1), rtol=1e-5)
    assert (after["norm.gamma"] != 1).all()


def test_a_module_is_in_training_mode_from_the_thaw_on():
    module = {"name": "m", "module": "torch.nn:BatchNorm1d", "params": {"num_features": 4}}
    step = step_of([["TorchLayer", module | LATE], OUT], "sgd")
    do(step, 1, {})
    assert step.network.arrays()["m.num_batches_tracked"] == 0
    do(step, 2, {"m": 1})
    after = step.network.arrays()
    assert after["m.num_batches_tracked"] == 1 and (after["m.weight"] != 1).all()


def test_weights_that_are_shared_are_thawed_for_all_layers_that_use_them():
    step = step_of([fc("a", 4, **LATE), fc("b", 4, share="a"), OUT], "sgd")
    start = step.network.arrays()
    do(step, 1, {})
    assert (step.network.arrays()["a.W"] == start["a.W"]).all()
    p = {
        name: values.requires_grad_()
        for name, values in map(lambda i: (i[0], torch.from_numpy(i[1])), step.network.arrays().items())
    }
    hidden = torch.tanh(torch.tanh(X @ p["a.W"] + p["a.b"]) @ p["a.W"] + p["a.b"])
    functional.cross_entropy(hidden @ p["out.W"] + p["out.b"], Y).backward()
    do(step, 2, {"a": 1}, lr=0.5)
    for name in ("a.W", "a.b"):
        torch.testing.assert_close(step.network.named[name].detach(), (p[name] - 0.5 * p[name].grad).detach())


def test_a_network_without_a_thaw_is_one_stretch_for_each_l2():
    step = step_of([fc("a", l2=0.1), fc("b", fix_params=True), OUT])
    assert [rates.n_before for _, rates in step._update._steps] == [0, 0]
    assert step.network.slices == {
        "a.W": slice(0, 20),
        "a.b": slice(20, 25),
        "out.W": slice(25, 40),
        "out.b": slice(40, 43),
    }


def test_numbers_that_follow_rules_reach_layers_and_penalties_after_a_thaw_too():
    layers = [fc("a", l2=0.5, **LATE), ["DropoutLayer", {"name": "drop", "dropout_p": 0.5}], OUT]
    network = Network(declare(parse(layers), (4,), 3))
    network.initialise(3)
    ruled = ["a.l2", "drop.dropout_p"]
    step = TrainingStep(network.train(), [build("loss", "nll")], build("updater", "sgd"), ruled=ruled)
    p = {name: torch.from_numpy(values).requires_grad_() for name, values in network.arrays().items()}
    batch = [DeviceBatch((X,), (Y,))]
    n_rows = [len(X)]
    step(batch, [1], lr=0.0, momentum=0.0, n=1, n_rows=n_rows, numbers={"a.l2": 0.5, "drop.dropout_p": 0.5})
    numbers = {"a.l2": 0.25, "drop.dropout_p": 0.0}
    step(batch, [1], lr=0.5, momentum=0.0, n=2, n_rows=n_rows, numbers=numbers, thawed={"a": 1})
    hidden = torch.tanh(X @ p["a.W"] + p["a.b"])
    (functional.cross_entropy(hidden @ p["out.W"] + p["out.b"], Y) + 0.25 * (p["a.W"] ** 2).sum()).backward()
    for name, values in p.items():
        torch.testing.assert_close(network.named[name].detach(), (values - 0.5 * values.grad).detach())


def test_the_average_of_a_layer_that_is_thawed_counts_each_update_once():
    network = Network(declare(parse([fc("a", **LATE), OUT]), (4,), 3))
    network.initialise(3)
    average = build("average", ["ema", {"decay": 0.5}])
    step = TrainingStep(network.train(), [build("loss", "nll")], build("updater", "sgd"), average=average)
    step.average.copy()
    start = network.arrays()["a.W"]
    do(step, 1, {"a": 0}, lr=0.5)
    step.average.update(10_000, 1, False)
    found, end = step.average.network.arrays()["a.W"], network.arrays()["a.W"]
    assert not np.allclose(end, start)
    np.testing.assert_allclose(found, 0.5 * start + 0.5 * end, rtol=1e-6)
