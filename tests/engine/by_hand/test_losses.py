"""Losses and their gradients by hand: against autograd, and against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.engine.by_hand.losses import loss_and_gradient
from arignote.engine.by_hand.tape import Tape
from arignote.engine.network import Network
from arignote.engine.setup import Setup
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.registry import build

CPU = torch.device("cpu")
GENERATOR = torch.Generator().manual_seed(7)
OUTPUTS = torch.randn(6, 4, generator=GENERATOR)
CLASSES = torch.tensor([0, 3, 1, 1, 2, 0])
SHARES = torch.rand(6, 4, generator=GENERATOR).softmax(1)
FLAGS = torch.randint(0, 2, (6, 4), generator=GENERATOR).float()
NUMBERS = torch.randn(6, 4, generator=GENERATOR)
HOLES = NUMBERS.clone()
HOLES[[0, 0, 2, 5], [1, 3, 0, 2]] = torch.nan
WEIGHTS = torch.linspace(0, 2, 6)
CASES = {
    "nll": ("nll", CLASSES),
    "nll of shares": ("nll", SHARES),
    "smoothed nll": (["nll", {"label_smoothing": 0.2}], CLASSES),
    "brier": ("brier", CLASSES),
    "hinge": ("hinge", CLASSES),
    "flags": ("binary_cross_entropy", FLAGS),
    "squared": ("squared", NUMBERS),
    "squared, some missing": ("squared", HOLES),
    "absolute, some missing": ("absolute", HOLES),
    "huber, some missing": (["huber", {"delta": 0.5}], HOLES),
}


@pytest.mark.parametrize("share", [1.0, 0.25])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("case", CASES)
def test_each_loss_has_the_gradient_of_autograd(case, weights, share):
    spec, y = CASES[case]
    loss = build("loss", spec)
    outputs = OUTPUTS.clone()
    found, g = loss_and_gradient(loss, CPU)(outputs, y, weights, share)
    assert torch.equal(outputs, OUTPUTS) and not found.requires_grad and found.shape == ()
    leaf = OUTPUTS.double().requires_grad_()
    expected = loss.mean()(leaf, y if y.ndim == 1 else y.double(), weights if weights is None else weights.double())
    (share * expected).backward()
    assert float(found) == pytest.approx(share * expected.item(), rel=1e-5)
    torch.testing.assert_close(g, leaf.grad.float(), rtol=1e-5, atol=1e-7)
    assert g.abs().max() > 0.005


def test_every_number_of_a_class_counts_of_very_many_classes():
    logits = torch.randn(4, 203, generator=GENERATOR)
    y = torch.tensor([0, 100, 101, 202])
    found, g = loss_and_gradient(build("loss", "nll"), CPU)(logits, y, None, 1.0)
    exp = np.exp(logits.double().numpy())
    p = exp / exp.sum(axis=1, keepdims=True)
    assert float(found) == pytest.approx(-np.log(p[range(4), y]).mean(), rel=1e-5)
    np.testing.assert_allclose(g, (p - np.eye(203)[y]) / 4, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_squared_error_is_worked_out_by_hand(weighted, share):
    # Differences 2, missing; -1, 3; missing, -4: means of squares 4, 5, 16.
    outputs = torch.tensor([[3.0, 8.0], [1.0, 5.0], [9.0, 0.0]])
    y = torch.tensor([[1.0, torch.nan], [2.0, 2.0], [torch.nan, 4.0]])
    weights = torch.tensor([0.5, 2.0, 0.0]) if weighted else None
    found, g = loss_and_gradient(build("loss", "squared"), CPU)(outputs, y, weights, share)
    of_rows = [0.5, 2.0, 0.0] if weighted else [1.0, 1.0, 1.0]
    assert float(found) == pytest.approx(share * np.dot(of_rows, [4.0, 5.0, 16.0]) / 3)
    slopes = np.array([[4.0, 0.0], [-1.0, 3.0], [0.0, -8.0]]) * np.array(of_rows)[:, None]
    np.testing.assert_allclose(g, share * slopes / 3, rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "costs", "slopes"),
    [
        # Differences 2, missing; -0.5, 3; missing, -4.
        ("absolute", [2.0, 1.75, 4.0], [[1.0, 0.0], [-0.5, 0.5], [0.0, -1.0]]),
        # With delta 1: 1.5; 0.125 and 2.5; 3.5.
        ("huber", [1.5, 1.3125, 3.5], [[1.0, 0.0], [-0.25, 0.5], [0.0, -1.0]]),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_absolute_and_huber_errors_are_worked_out_by_hand(loss, costs, slopes, weighted):
    outputs = torch.tensor([[3.0, 8.0], [1.5, 5.0], [9.0, 0.0]])
    y = torch.tensor([[1.0, torch.nan], [2.0, 2.0], [torch.nan, 4.0]])
    weights = torch.tensor([0.5, 2.0, 0.0]) if weighted else None
    found, g = loss_and_gradient(build("loss", loss), CPU)(outputs, y, weights, 0.5)
    of_rows = np.array([0.5, 2.0, 0.0] if weighted else [1.0, 1.0, 1.0])
    assert float(found) == pytest.approx(0.5 * np.dot(of_rows, costs) / 3)
    np.testing.assert_allclose(g, 0.5 * np.array(slopes) * of_rows[:, None] / 3, rtol=1e-6)
    assert not found.requires_grad and outputs[0, 0] == 3


TARGETS = {
    "RegressionOutputLayer": ("squared", HOLES),
    "MultilabelOutputLayer": ("bce", FLAGS),
}


def step_of(output, loss, n_outputs=4, shape=(5,), **more):
    """Return a step on a network whose weights are random, not 0."""
    layers = [["FCLayer", {"n_units": 7, "activation": "tanh"}], [output, {"W": "glorot_uniform", "b": 0.3, **more}]]
    network = Network(declare(parse(layers), shape, n_outputs), Setup())
    network.initialise(3)
    return TrainingStep(network.train(), [build("loss", loss)], build("updater", "sgd"))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("output", TARGETS)
def test_networks_of_numbers_and_of_flags_by_hand_have_the_gradients_of_autograd(output, weights):
    loss, y = TARGETS[output]
    step = step_of(output, loss)
    assert isinstance(step._gradients, Tape) and step.by_hand == ["input", "fc1", "output"]
    x = torch.randn(6, 5, generator=GENERATOR)
    # Two batches of one update, of which the second is added to the first.
    parts = [
        ((x[:4],), (y[:4],), None if weights is None else weights[:4]),
        ((x[4:],), (y[4:],), None if weights is None else weights[4:]),
    ]
    found = {}
    for way in (step._gradients, step._by_autograd):
        step.network.gradients.fill_(torch.nan)
        losses = [float(way(*part, len(part[0][0]) / 6, float(n > 0))) for n, part in enumerate(parts)]
        found[way] = losses, step.network.gradients.clone()
    (losses, g), (expected_losses, expected) = found.values()
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    torch.testing.assert_close(g, expected, rtol=1e-4, atol=1e-7)
    assert g.abs().max() > 0.01


def test_the_gradients_of_a_network_of_numbers_are_those_worked_out_in_numpy():
    network = Network(declare(parse([["RegressionOutputLayer", {"W": "glorot_uniform", "b": 0.3}]]), (5,), 2), Setup())
    network.initialise(3)
    step = TrainingStep(network.train(), [build("loss", "squared")], build("updater", "sgd"))
    x = torch.randn(8, 5, generator=GENERATOR)
    y = torch.randn(8, 2, generator=GENERATOR)
    y[3, 0] = torch.nan
    weights = np.linspace(0, 2, 8)
    arrays = network.arrays()
    outputs = x.numpy() @ arrays["output.W"] + arrays["output.b"]
    there = ~np.isnan(y.numpy())
    difference = np.where(there, outputs - np.nan_to_num(y.numpy()), 0.0)
    n_there = there.sum(axis=1)
    to_outputs = 2 * difference * (weights / n_there / 8)[:, None]
    found = step._gradients((x,), (y,), torch.from_numpy(weights.astype(np.float32)), 1.0, 0.0)
    assert float(found) == pytest.approx((weights * (difference**2).sum(axis=1) / n_there).mean(), rel=1e-5)
    views = network.flat_views(network.gradients)
    np.testing.assert_allclose(views["output.W"], x.numpy().T @ to_outputs, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(views["output.b"], to_outputs.sum(axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("output", "loss"), [("MultilabelOutputLayer", "bce"), ("ClassificationOutputLayer", "hinge")])
def test_losses_without_a_gradient_by_hand_leave_the_network_by_hand(output, loss):
    step = step_of(output, loss)
    assert step.by_hand == ["input", "fc1", "output"]
    y = FLAGS if output == "MultilabelOutputLayer" else CLASSES
    x = torch.randn(6, 5, generator=GENERATOR)
    found = float(step._gradients((x,), (y,), WEIGHTS, 0.5, 0.0)), step.network.gradients.clone()
    expected = float(step._by_autograd((x,), (y,), WEIGHTS, 0.5, 0.0)), step.network.gradients.clone()
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=1e-7)


def test_ranks_are_left_to_autograd():
    network = Network(declare(parse([["OrdinalOutputLayer"]]), (5,), 4), Setup())
    network.initialise(3)
    assert TrainingStep(network.train(), [build("loss", "nll")], build("updater", "sgd")).by_hand == ["input"]
