"""A step that is profiled is the same step, and its operations are those that can be counted by hand."""

from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from arignote.engine.feed import DeviceBatch
from arignote.engine.network import Network
from arignote.engine.profile import ProfiledStep
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.registry import build

RNG = np.random.default_rng(0)
X = torch.from_numpy(RNG.normal(size=(12, 4)).astype(np.float32))
BATCH = DeviceBatch((X,), (torch.arange(12) % 3,))
LAYERS = [
    ["FCLayer", {"n_units": 5, "activation": "relu"}],
    ["DropoutLayer", {"dropout_p": 0.3}],
    ["FCLayer", {"n_units": 6, "activation": "tanh"}],
    ["ClassificationOutputLayer"],
]


def step_of(layers=LAYERS):
    network = Network(declare(parse(layers), (4,), 3))
    network.initialise(3)
    return TrainingStep(network.train(), [build("loss", "nll")], build("updater", "adam"))


def calls(step, n):
    return [float(step([BATCH], [number], lr=0.1, momentum=0.0, n=number, n_rows=[12])) for number in range(1, n + 1)]


def test_a_step_does_the_same_whether_it_is_measured_or_not():
    profiled, plain = step_of(), step_of()
    assert calls(ProfiledStep(profiled, n_warm=2, n_measured=3), 8) == calls(plain, 8)
    assert torch.equal(profiled.network.weights, plain.network.weights)


def test_the_products_of_matrices_of_a_step_are_counted_and_those_of_other_steps_are_not():
    step = ProfiledStep(step_of(), n_warm=2, n_measured=3)
    calls(step, 8)
    found = step.result()
    assert (found.n_steps, found.n_warm) == (3, 2)
    # One forward for each of three layers, one for the gradients of its weights, and one for those of its input.
    (products,) = (one for one in found.operations if one.name == "aten::mm")
    assert products.n_calls == 3 + 3 + 2 and products.gpu_seconds == 0
    total = sum(one.cpu_seconds for one in found.operations)
    assert 0 < products.cpu_seconds < total <= found.step_seconds


def test_the_numbers_are_those_of_one_step():
    # Two measured steps, with times as the engine reports them: microseconds.
    step = ProfiledStep(step_of(), n_warm=0, n_measured=2)
    event = SimpleNamespace(key="own::op", count=3, self_cpu_time_total=500.0, self_device_time_total=40.0)
    calls(step, 2)
    step._add([event])
    step._add([event])
    (operation,) = (one for one in step.result().operations if one.name == "own::op")
    assert operation == ("own::op", 3, pytest.approx(5e-4), pytest.approx(4e-5))


def test_steps_that_warm_up_are_not_measured():
    step = ProfiledStep(step_of(), n_warm=3)
    calls(step, 2)
    assert (step.result().n_steps, step.result().n_warm, step.result().operations) == (0, 2, [])


@pytest.mark.parametrize("level", [None, "2"])
def test_the_profiler_writes_nothing_and_the_environment_stays(level, capfd, monkeypatch):
    monkeypatch.delenv("KINETO_LOG_LEVEL", raising=False)
    if level is not None:
        monkeypatch.setenv("KINETO_LOG_LEVEL", level)
    calls(ProfiledStep(step_of(), n_warm=0, n_measured=1), 1)
    assert os.environ.get("KINETO_LOG_LEVEL") == level
    assert capfd.readouterr() == ("", "")
