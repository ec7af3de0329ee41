"""Activations of straight pieces: slopes of rectifiers, and maxout."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.errors import ConfigError
from arignote.layers import declare, parse
from arignote.registry import build

OUTPUT = ["ClassificationOutputLayer", {"n_classes": 2}]


def params_of(layer, shape=(6,)):
    return declare(parse([layer, OUTPUT]), shape).placed[1].params


@pytest.mark.parametrize(
    ("activation", "starts"), [("relu", {}), ("prelu", {"a": 0.25}), ("prelu_shelf", {"a": 0.25, "c": 0.05})]
)
def test_slopes_are_one_for_each_unit_or_map_and_never_penalised(activation, starts):
    dense = params_of(["FCLayer", {"n_units": 5, "activation": activation}])
    maps = params_of(["ConvLayer", {"n_output_maps": 5, "filter_shape": 2, "activation": activation}], (3, 4, 4))
    for params in (dense, maps):
        assert set(params) == {"W", "b", *starts}
        for name, start in starts.items():
            assert params[name].shape == (5,) and params[name].initial.value == start
            assert params[name].unit_axis is None and params[name].trained


def test_each_unit_has_the_slope_of_its_own():
    x = torch.tensor([[-1.0, -1.0], [2.0, 2.0]])
    a, c = torch.tensor([0.5, 2.0]), torch.tensor([0.0, 0.25])
    assert build("activation", "prelu").build()(x, a).tolist() == [[-0.5, -2.0], [2.0, 2.0]]
    assert build("activation", "prelu_shelf").build()(x, a, c).tolist() == [[-0.5, -1.5], [2.0, 1.75]]
    images = x[:, :, None, None].expand(2, 2, 3, 3)
    for name, slopes in (("prelu", (a,)), ("prelu_shelf", (a, c))):
        function = build("activation", name).build()
        assert torch.equal(function(images, *slopes)[:, :, 1, 2], function(x, *slopes))


@pytest.mark.parametrize(
    ("layer", "shape", "n_sums"),
    [
        (["FCLayer", {"n_units": 5, "activation": ["maxout", {"maxout_k": 3}]}], (6,), 15),
        (["FCMaxoutLayer", {"n_units": 5, "maxout_k": 3}], (6,), 15),
        (["ConvMaxoutLayer", {"n_output_maps": 5, "filter_shape": 2, "maxout_k": 3}], (1, 4, 4), 15),
    ],
    ids=["activation", "dense", "maps"],
)
def test_maxout_takes_maxout_k_sums_for_each_unit(layer, shape, n_sums):
    params = params_of(layer, shape)
    assert n_sums in params["W"].shape and params["b"].shape == (n_sums,)


def test_the_sums_of_a_unit_lie_side_by_side():
    x = torch.tensor([[1.0, 5.0, 3.0, -1.0, -2.0, -3.0]])
    assert build("activation", ["maxout", {"maxout_k": 3}]).build()(x).tolist() == [[5.0, -1.0]]
    assert build("activation", ["maxout", {"maxout_k": 2}]).build()(x).tolist() == [[5.0, 3.0, -2.0]]


@pytest.mark.parametrize("name", ["relu", "prelu", "prelu_shelf"])
def test_the_gain_of_rectifiers_keeps_the_mean_square_from_layer_to_layer(name):
    part = build("activation", name)
    sums = torch.randn(1_000_000, 1, generator=torch.Generator().manual_seed(0))
    slopes = [torch.full((1,), start) for start in part.slopes.values()]
    # He's weights double the mean square of what comes in; the shelf takes some of it.
    kept = part.gain**2 * 2 * float(part.build()(sums, *slopes).square().mean() / sums.square().mean())
    assert part.initial == "he" and (
        0.85 < kept < 0.95 if name == "prelu_shelf" else kept == pytest.approx(1, abs=0.01)
    )


def test_a_maxout_of_images_takes_the_largest_of_neighbouring_maps_at_each_pixel():
    x = np.random.default_rng(0).normal(size=(2, 6, 3, 2))
    found = build("activation", ["maxout", {"maxout_k": 2}]).build()(torch.from_numpy(x))
    assert np.array_equal(found, np.maximum(x[:, ::2], x[:, 1::2]))
    with pytest.raises(ConfigError, match="maxout_k must be an integer >= 1; got 0"):
        build("activation", ["maxout", {"maxout_k": 0}])
