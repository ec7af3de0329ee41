"""Statistics of gradients and outputs, against NumPy and numbers worked out by hand."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
import torch

from arignote.engine.monitor import GRAD_NORM_SLOT, GradientNorm, layer_statistics
from arignote.engine.network import Network
from arignote.layers import declare, parse


def test_the_norm_is_a_mean_over_updates():
    norm = GradientNorm(torch.device("cpu"))
    sums = norm.slots[GRAD_NORM_SLOT]
    assert isnan(GradientNorm.mean(sums))
    norm.add(torch.tensor([3.0, 0.0, -4.0]))
    assert GradientNorm.mean(sums) == 5
    norm.add(torch.tensor([0.0, 1.0, 0.0]))
    assert GradientNorm.mean(sums) == 3 and sums.dtype == torch.float64
    # Without trained parameters.
    norm.add(torch.zeros(0))
    assert GradientNorm.mean(sums) == 2


def network_of(*layers, shape):
    network = Network(declare(parse([*layers, ["ClassificationOutputLayer", {"n_classes": 2}]]), shape))
    network.initialise(1)
    return network


def test_norm_mean_and_zeros_of_an_output_are_those_by_hand():
    network = network_of(["FCLayer", {"n_units": 2, "activation": "relu", "use_bias": False}], shape=(2,))
    with torch.no_grad():
        network.named["fc1.W"].copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
    # Outputs (3, 4), (0, 12), (0, 0), (1, 0): norms 5, 12, 0 and 1.
    x = np.array([[3, -4], [-1, -12], [-2, 5], [1, 1]], dtype=np.float32)
    assert layer_statistics(network, ["fc1"], x, 0) == {"fc1.norm": 4.5, "fc1.mean": 2.5, "fc1.zeros": 0.5}
    both = layer_statistics(network, ["input", "fc1"], x, 0)
    assert list(both)[:3] == ["input.norm", "input.mean", "input.zeros"] and len(both) == 6
    assert both["input.mean"] == -9 / 8 and both["fc1.mean"] == 2.5


def test_the_norm_of_a_row_is_over_all_maps_and_pixels_and_training_is_left():
    layers = [["ConvLayer", {"n_output_maps": 3, "filter_shape": 2}], ["DropoutLayer", {"dropout_p": 0.5}]]
    network = network_of(*layers, shape=(1, 4, 4)).train()
    x = np.random.default_rng(0).normal(size=(5, 1, 4, 4)).astype(np.float32)
    found = layer_statistics(network, ["dropout1"], x, 0)
    with torch.no_grad():
        # In evaluation mode dropout changes nothing.
        output = network.eval().outputs((torch.from_numpy(x),))[1][1].numpy().astype(np.float64)
    assert found["dropout1.norm"] == pytest.approx(np.linalg.norm(output.reshape(5, -1), axis=1).mean())
    assert found["dropout1.mean"] == pytest.approx(output.mean()) and found["dropout1.zeros"] == 0


def test_tokens_have_statistics_and_what_is_not_finite_is_shown():
    network = network_of(["EmbeddingLayer", {"n_tokens": 5, "n_units": 2}], shape=(3,))
    tokens = np.array([[0, 3, 4], [0, 0, 0]])
    assert layer_statistics(network, ["input"], tokens, 0) == {
        "input.norm": 2.5,
        "input.mean": pytest.approx(7 / 6),
        "input.zeros": pytest.approx(4 / 6),
    }
    with torch.no_grad():
        network.named["embedding1.W"][0] = torch.nan
    found = layer_statistics(network, ["embedding1"], tokens, 0)
    assert isnan(found["embedding1.norm"]) and isnan(found["embedding1.mean"]) and found["embedding1.zeros"] == 0
