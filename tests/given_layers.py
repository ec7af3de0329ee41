"""Layers that compute what a test gives, and steps of networks of them."""

from __future__ import annotations

import numpy as np
import torch

from arignote.engine.network import Network
from arignote.engine.setup import Setup
from arignote.engine.step import TrainingStep
from arignote.layers import Layer, declare, parse
from arignote.registry import build

OUTPUT = ["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}]
RNG = np.random.default_rng(0)
X, Y = torch.from_numpy(RNG.normal(size=(6, 4)).astype(np.float32)), (torch.arange(6) % 3,)


class Given(Layer):
    """A function of (x, training), and the shape that it declares."""

    function: object
    declared: list[int] | None = None

    def output_shape(self, shape):
        return shape if self.declared is None else tuple(self.declared)

    def build(self, shape):
        return lambda params, x, training: self.function(x, training)


def given(function, name="own", declared=None):
    return Given(name=name, function=function, declared=declared)


def step_of(*layers, updater="sgd", loss="nll", weights=1.0, **more):
    network = Network(declare(parse([*layers, OUTPUT]), (4,), 3), Setup(**more))
    network.initialise(3)
    network.weights.mul_(weights)
    return TrainingStep(network.train(), [build("loss", loss)], build("updater", updater))
