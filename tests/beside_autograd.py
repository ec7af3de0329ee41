"""Steps by hand beside their slow twin, autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.engine.by_hand.tape import Tape
from arignote.engine.network import Network
from arignote.engine.setup import Setup
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.registry import build


def step_of(layers, shape=(12,), n_classes=5, **more):
    network = Network(declare(parse(layers), shape, n_classes), Setup(**more))
    network.initialise(3)
    network.train()
    return TrainingStep(network, [build("loss", "nll")], build("updater", "sgd"))


def gradients(step, way, parts):
    """Return loss and gradients of several parts, as an update of them would add them up."""
    step.network.gradients.fill_(np.nan)
    losses = []
    for number, (x, y, weights) in enumerate(parts):
        torch.manual_seed(number)
        losses.append(float(way((x,), (y,), weights, len(y) / sum(len(y) for _, y, _ in parts), float(number > 0))))
    return losses, step.network.gradients.clone()


def compare(step, parts):
    assert isinstance(step._gradients, Tape)
    losses, found = gradients(step, step._gradients, parts)
    expected_losses, expected = gradients(step, step._by_autograd, parts)
    assert losses == pytest.approx(expected_losses, rel=1e-6)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    assert found.abs().max() > 0.01


def rows(n, n_in=12, n_classes=5):
    generator = torch.Generator().manual_seed(n)
    return torch.randn(n, n_in, generator=generator), torch.randint(0, n_classes, (n,), generator=generator), None


def gradients_of_torch(step, loss):
    """Return the gradients of `loss`, a function of leaves by parameter name, laid out as the network's."""
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in step.network.named.items()}
    value = loss(leaves)
    value.backward()
    flat = torch.full_like(step.network.gradients, np.nan)
    for name, view in step.network.flat_views(flat).items():
        view.copy_(leaves[name].grad)
    return value.item(), flat
