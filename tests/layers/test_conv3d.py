"""Convolutions over volumes against torch.nn.functional.conv3d and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError
from arignote.engine.network import Network
from arignote.layers import declare, parse
from arignote.layers.base import ShapeError
from arignote.registry import build

X = torch.randn(2, 4, 7, 6, 9, generator=torch.Generator().manual_seed(0))
OUTPUT = ["ClassificationOutputLayer", {"n_classes": 2}]


def layer(filter_shape=3, n_output_maps=6, **more):
    return build("layer", ["Conv3DLayer", {"n_output_maps": n_output_maps, "filter_shape": filter_shape} | more])


@pytest.mark.parametrize(
    ("given", "by_torch", "shape"),
    [
        # Pixels: (n + 2 * pad - dilation * (filter - 1) - 1) // stride + 1.
        ({}, {}, (6, 5, 4, 7)),
        ({"filter_shape": [1, 2, 4]}, {}, (6, 7, 5, 6)),
        ({"stride": [1, 2, 3]}, {"stride": (1, 2, 3)}, (6, 5, 2, 3)),
        ({"pad": [0, 1, 2]}, {"padding": (0, 1, 2)}, (6, 5, 6, 11)),
        ({"pad": "valid"}, {}, (6, 5, 4, 7)),
        ({"pad": "same", "filter_shape": [3, 1, 5]}, {"padding": "same"}, (6, 7, 6, 9)),
        ({"pad": "same", "dilation": [1, 2, 3]}, {"padding": "same", "dilation": (1, 2, 3)}, (6, 7, 6, 9)),
        ({"pad": "full", "filter_shape": [2, 3, 4]}, {"padding": (1, 2, 3)}, (6, 8, 8, 12)),
        ({"dilation": [3, 1, 2]}, {"dilation": (3, 1, 2)}, (6, 1, 4, 5)),
        ({"n_groups": 2}, {"groups": 2}, (6, 5, 4, 7)),
        ({"n_groups": 4, "n_output_maps": 8, "pad": 1}, {"groups": 4, "padding": 1}, (8, 7, 6, 9)),
    ],
    ids=str,
)
def test_sums_and_shapes_are_those_of_torch(given, by_torch, shape):
    part = layer(activation="linear", **given)
    assert part.output_shape((4, 7, 6, 9)) == shape
    network = Network(declare(parse([part, OUTPUT]), (4, 7, 6, 9)))
    network.initialise(3)
    named = network.named
    assert named["conv1.W"].shape == (shape[0], 4 // given.get("n_groups", 1), *part.filter_shape)
    with torch.no_grad():
        named["conv1.b"].copy_(torch.linspace(-1, 1, shape[0]))
        found = dict(network.outputs((X,)))["conv1"]
        expected = torch.nn.functional.conv3d(X, named["conv1.W"], named["conv1.b"], **by_torch)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_map_is_the_sum_over_its_windows_and_slopes_are_per_map():
    part = layer([2, 3, 1], stride=[2, 1, 3])
    arrays = {
        name: np.random.default_rng(number).normal(size=param.shape).astype(np.float32)
        for number, (name, param) in enumerate(part.declare_params((4, 7, 6, 9)).items())
    }
    found = part.build((4, 7, 6, 9))({name: torch.from_numpy(a) for name, a in arrays.items()}, X, True).numpy()
    views = np.lib.stride_tricks.sliding_window_view(X.numpy(), (2, 3, 1), axis=(2, 3, 4))[:, :, ::2, :, ::3]
    sums = np.einsum("ncdhwijk,mcijk->nmdhw", views, arrays["W"]) + arrays["b"][:, None, None, None]
    expected = np.where(sums > 0, sums, arrays["a"][:, None, None, None] * sums)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_fans_count_the_connections_of_one_unit():
    found = layer([2, 3, 4], 6, n_groups=2).declare_params((4, 7, 6, 9))
    # Into a unit: 2 maps of its group * 24 pixels; out of a value: 3 maps of its group * 24 pixels.
    assert (found["W"].fan_in, found["W"].fan_out) == (48, 72) and found["W"].unit_axis == 0


def test_what_cannot_be_is_reported():
    for wrong, message in (
        ({"filter_shape": [3, 2, 3], "pad": "same"}, r"odd depth, height and width; got \[3, 2, 3\]"),
        ({"pad": [1, 1]}, "pad"),
        ({"pad": -1}, "pad"),
        ({"stride": [1, 1]}, r"stride must be a list of 3; got \[1, 1\]"),
        ({"dilation": 0}, "dilation must be an integer >= 1; got 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            layer(**wrong)
    with pytest.raises(ShapeError, match="n_groups must divide the number of input maps, 4; got 3"):
        layer(n_groups=3).output_shape((4, 7, 6, 9))
    with pytest.raises(ShapeError, match=r"filter_shape \[3, 7, 3\] is larger than its map \[7, 6, 9\]"):
        layer([3, 7, 3]).output_shape((4, 7, 6, 9))
    with pytest.raises(ConfigError, match=r"conv1: needs volumes .* Write X\[:, None\] if there is one channel"):
        declare(parse([layer(), OUTPUT]), (7, 6, 9))
    assert layer(stride=[2, 2, 4]).notes((4, 7, 6, 9)) == [
        "stride 2 leaves the last 1 of 6 rows out",
        "stride 4 leaves the last 2 of 9 columns out",
        "stride 4 is larger than the window 3: columns between windows are left out",
    ]
