"""Padded, dilated and grouped convolutions against torch.nn.functional.conv2d, and the shapes that they declare."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError
from arignote.engine.network import Network
from arignote.layers import declare, parse
from arignote.layers.base import ShapeError
from arignote.registry import build

functional = torch.nn.functional
X = torch.randn(3, 4, 9, 8, generator=torch.Generator().manual_seed(0))
OUTPUT = ["ClassificationOutputLayer", {"n_classes": 2}]


def layer(filter_shape=3, n_output_maps=6, **more):
    return build("layer", ["ConvLayer", {"n_output_maps": n_output_maps, "filter_shape": filter_shape} | more])


@pytest.mark.parametrize(
    ("given", "by_torch", "shape"),
    [
        # Pixels: (n + 2 * pad - dilation * (filter - 1) - 1) // stride + 1.
        ({"pad": 2}, {"padding": 2}, (6, 11, 10)),
        ({"pad": [0, 1]}, {"padding": (0, 1)}, (6, 7, 8)),
        ({"pad": "valid"}, {}, (6, 7, 6)),
        ({"pad": "same"}, {"padding": "same"}, (6, 9, 8)),
        ({"pad": "same", "filter_shape": [5, 1]}, {"padding": "same"}, (6, 9, 8)),
        ({"pad": "same", "dilation": [1, 3]}, {"padding": "same", "dilation": (1, 3)}, (6, 9, 8)),
        ({"pad": "same", "stride": 2}, {"padding": 1, "stride": 2}, (6, 5, 4)),
        ({"pad": "full", "filter_shape": [2, 4]}, {"padding": (1, 3)}, (6, 10, 11)),
        ({"pad": "full", "dilation": 2}, {"padding": 4, "dilation": 2}, (6, 13, 12)),
        ({"dilation": 2}, {"dilation": 2}, (6, 5, 4)),
        ({"dilation": [1, 2], "stride": [2, 1]}, {"dilation": (1, 2), "stride": (2, 1)}, (6, 4, 4)),
        ({"n_groups": 2}, {"groups": 2}, (6, 7, 6)),
        ({"n_groups": 4, "n_output_maps": 8, "pad": 1}, {"groups": 4, "padding": 1}, (8, 9, 8)),
    ],
    ids=str,
)
def test_sums_and_shapes_are_those_of_torch(given, by_torch, shape):
    part = layer(activation="linear", **given)
    assert part.output_shape((4, 9, 8)) == shape
    network = Network(declare(parse([part, OUTPUT]), (4, 9, 8)))
    network.initialise(3)
    named = network.named
    n_groups = given.get("n_groups", 1)
    assert named["conv1.W"].shape == (shape[0], 4 // n_groups, *part.filter_shape)
    with torch.no_grad():
        named["conv1.b"].copy_(torch.linspace(-1, 1, shape[0]))
        found = dict(network.outputs((X,)))["conv1"]
        expected = functional.conv2d(X, named["conv1.W"], named["conv1.b"], **by_torch)
    assert found.shape == (3, *shape)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_groups", [1, 2, 4])
def test_initial_weights_count_the_inputs_of_one_group(n_groups):
    part = layer(n_groups=n_groups, n_output_maps=4096, activation="relu")
    network = Network(declare(parse([part, OUTPUT]), (4, 3, 3)))
    network.initialise(3)
    # N(0, 2 / fan_in)
    n_in = 4 // n_groups * 9
    assert network.arrays()["conv1.W"].std() == pytest.approx((2 / n_in) ** 0.5, rel=0.02)


def test_what_cannot_be_is_reported():
    with pytest.raises(ConfigError, match=r"pad 'same' needs a filter of odd height and width; got \[3, 2\]"):
        layer([3, 2], pad="same")
    with pytest.raises(ConfigError, match="pad"):
        layer(pad=-1)
    with pytest.raises(ShapeError, match="n_groups must divide the number of input maps, 4; got 3"):
        layer(n_groups=3).output_shape((4, 9, 8))
    with pytest.raises(ShapeError, match="n_groups must divide the number of output maps, 6; got 4"):
        layer(n_groups=4).output_shape((4, 9, 8))
    # The part of a map that a dilated filter sees counts, and the zeros around it.
    assert layer(5, dilation=2, pad=0).output_shape((4, 9, 9)) == (6, 1, 1)
    with pytest.raises(ShapeError, match=r"\[9, 9\] is larger than its map \[9, 8\]"):
        layer(5, dilation=2).output_shape((4, 9, 8))
    assert layer(5, dilation=2, pad=[0, 1]).output_shape((4, 9, 8)) == (6, 1, 2)


@pytest.mark.parametrize("pad", [[1, 2], "same", "full"])
def test_zeros_are_around_a_map_on_each_side(pad):
    ones = np.ones((1, 1, 4, 4), np.float32)
    network = Network(declare(parse([layer(3, 1, pad=pad, activation="linear", W=1.0), OUTPUT]), (1, 4, 4)))
    network.initialise(0)
    found = dict(network.outputs((torch.from_numpy(ones),)))["conv1"].detach().numpy()[0, 0]
    rows, columns = {"same": (1, 1), "full": (2, 2)}.get(pad if isinstance(pad, str) else "", (1, 2))
    padded = np.pad(ones[0, 0], ((rows, rows), (columns, columns)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    np.testing.assert_allclose(found, windows.sum((2, 3)))
