"""Convolutions over series against torch.nn.functional.conv1d and NumPy, in both orders of the axes."""

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
X = torch.randn(3, 4, 19, generator=torch.Generator().manual_seed(0))
OUTPUT = ["ClassificationOutputLayer", {"n_classes": 2}]


def layer(filter_length=3, n_output_maps=6, **more):
    return build("layer", ["Conv1DLayer", {"n_output_maps": n_output_maps, "filter_length": filter_length} | more])


def network_of(part, shape):
    """Return a network of a layer, with biases that differ."""
    network = Network(declare(parse([part, OUTPUT]), shape))
    network.initialise(3)
    with torch.no_grad():
        network.named["conv1.b"].copy_(torch.linspace(-1, 1, part.n_output_maps))
    return network


@pytest.mark.parametrize("axes", ["NCL", "NLC"])
@pytest.mark.parametrize(
    ("given", "by_torch", "shape"),
    [
        # Steps: (n + 2 * pad - dilation * (filter - 1) - 1) // stride + 1.
        ({}, {}, (6, 17)),
        ({"filter_length": 4, "stride": 3}, {"stride": 3}, (6, 6)),
        ({"pad": 2}, {"padding": 2}, (6, 21)),
        ({"pad": "valid"}, {}, (6, 17)),
        ({"pad": "same"}, {"padding": "same"}, (6, 19)),
        ({"pad": "same", "filter_length": 5, "dilation": 3}, {"padding": "same", "dilation": 3}, (6, 19)),
        ({"pad": "same", "stride": 2}, {"padding": 1, "stride": 2}, (6, 10)),
        ({"pad": "full", "filter_length": 4}, {"padding": 3}, (6, 22)),
        ({"pad": "full", "dilation": 2}, {"padding": 4, "dilation": 2}, (6, 23)),
        ({"dilation": 5}, {"dilation": 5}, (6, 9)),
        ({"n_groups": 2}, {"groups": 2}, (6, 17)),
        ({"n_groups": 4, "n_output_maps": 8, "pad": 1}, {"groups": 4, "padding": 1}, (8, 19)),
    ],
    ids=str,
)
def test_sums_and_shapes_are_those_of_torch(given, by_torch, shape, axes):
    part = layer(activation="linear", axes=axes, **given)
    x, expected_shape = (X, shape) if axes == "NCL" else (X.transpose(1, 2).contiguous(), shape[::-1])
    assert part.output_shape(tuple(x.shape[1:])) == expected_shape
    network = network_of(part, tuple(x.shape[1:]))
    named = network.named
    assert named["conv1.W"].shape == (shape[0], 4 // given.get("n_groups", 1), part.filter_length)
    with torch.no_grad():
        found = dict(network.outputs((x,)))["conv1"]
        expected = functional.conv1d(X, named["conv1.W"], named["conv1.b"], **by_torch)
    assert found.shape == (3, *expected_shape)
    torch.testing.assert_close(found if axes == "NCL" else found.transpose(1, 2), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axes", ["NCL", "NLC"])
def test_a_map_is_the_sum_over_its_windows_and_slopes_are_per_map(axes):
    part = layer(4, stride=2, axes=axes)
    x = X if axes == "NCL" else X.transpose(1, 2)
    params = {
        name: torch.randn(param.shape, generator=torch.Generator().manual_seed(number))
        for number, (name, param) in enumerate(part.declare_params(tuple(x.shape[1:])).items())
    }
    found = part.build(tuple(x.shape[1:]))(params, x, True).numpy()
    W, b, a = (params[name].numpy().astype(np.float64) for name in ("W", "b", "a"))
    views = np.lib.stride_tricks.sliding_window_view(X.numpy(), 4, axis=2)[:, :, ::2]
    sums = np.einsum("ncti,mci->nmt", views, W) + b[:, None]
    expected = np.where(sums > 0, sums, a[:, None] * sums)
    np.testing.assert_allclose(found if axes == "NCL" else found.transpose(0, 2, 1), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axes", ["NCL", "NLC"])
def test_one_number_for_each_step_is_one_channel(axes):
    part = layer(5, activation="linear", axes=axes)
    network, x = network_of(part, (19,)), X[:, 0]
    assert part.output_shape((19,)) == ((6, 15) if axes == "NCL" else (15, 6))
    with torch.no_grad():
        found = dict(network.outputs((x,)))["conv1"]
        expected = functional.conv1d(x[:, None], network.named["conv1.W"], network.named["conv1.b"])
    torch.testing.assert_close(found if axes == "NCL" else found.transpose(1, 2), expected, rtol=1e-5, atol=1e-5)


def test_fans_count_the_connections_of_one_unit():
    found = layer(5, 6, n_groups=2).declare_params((4, 19))
    # Into a unit: 2 maps of its group * 5 steps; out of a value: 3 maps of its group * 5 steps.
    assert (found["W"].fan_in, found["W"].fan_out) == (10, 15) and found["W"].unit_axis == 0
    assert "b" not in layer(use_bias=False).declare_params((4, 19))


def test_steps_that_no_window_sees_are_reported():
    assert layer(3, stride=4).notes((4, 9)) == [
        "stride 4 leaves the last 2 of 9 steps out",
        "stride 4 is larger than the window 3: steps between windows are left out",
    ]
    assert layer(3, stride=4, axes="NLC").notes((9, 4)) == layer(3, stride=4).notes((4, 9))
    assert layer(3, stride=2).notes((4, 9)) == []


def test_what_cannot_be_is_reported():
    with pytest.raises(ConfigError, match="pad 'same' needs a filter of odd length; got 4"):
        layer(4, pad="same")
    for wrong in ({"pad": -1}, {"pad": [1]}, {"axes": "NHW"}, {"stride": [2]}, {"filter_length": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            layer(**wrong)
    with pytest.raises(ShapeError, match="n_groups must divide the number of input maps, 4; got 3"):
        layer(n_groups=3).output_shape((4, 19))
    with pytest.raises(ShapeError, match="filter_length 13 is larger than its series of 12 steps"):
        layer(7, dilation=2).output_shape((4, 12))
    assert layer(7, dilation=2, pad=1).output_shape((4, 12)) == (6, 2)


def test_a_series_that_is_too_short_is_no_image_without_channels():
    with pytest.raises(ConfigError) as caught:
        declare(parse([layer(9), OUTPUT]), (32, 8))
    assert str(caught.value) == "conv1: filter_length 9 is larger than its series of 8 steps"
