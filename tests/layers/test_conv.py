"""Convolutions against NumPy: cross-correlation without padding, strides, 1x1 stages, maps of maxout side by side."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.layers.base import ShapeError
from arignote.registry import build

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 7, 6)).astype(np.float32)


def correlated(x, W, b, stride=(1, 1)):
    """Return sum_c W_mc * x_c + b_m at each place."""
    views = np.lib.stride_tricks.sliding_window_view(x, W.shape[2:], axis=(2, 3))[:, :, :: stride[0], :: stride[1]]
    return np.einsum("nchwij,mcij->nmhw", views, W) + b[:, None, None]


def both(spec):
    """Return the output of a layer, and its parameters as arrays."""
    layer = build("layer", spec)
    arrays = {
        name: RNG.normal(size=p.shape).astype(np.float32) for name, p in layer.declare_params(X.shape[1:]).items()
    }
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    found = layer.build(X.shape[1:])(tensors, torch.from_numpy(X), True).numpy()
    assert found.shape[1:] == layer.output_shape(X.shape[1:])
    return found, arrays


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_a_map_is_the_sum_over_its_windows(stride):
    params = {"n_output_maps": 4, "filter_shape": [3, 2], "stride": list(stride), "activation": "tanh"}
    found, arrays = both(["ConvLayer", params])
    np.testing.assert_allclose(found, np.tanh(correlated(X, arrays["W"], arrays["b"], stride)), rtol=1e-4, atol=1e-5)


def test_the_largest_of_neighbouring_maps_is_taken():
    found, arrays = both(["ConvMaxoutLayer", {"n_output_maps": 2, "filter_shape": 3, "maxout_k": 3}])
    sums = correlated(X, arrays["W"], arrays["b"])
    np.testing.assert_allclose(found, np.stack([sums[:, :3].max(1), sums[:, 3:].max(1)], 1), rtol=1e-4, atol=1e-5)


def test_a_small_network_slides_over_the_image():
    params = {"n_output_maps": 2, "filter_shape": 3, "stride": 2, "n_units": [5, 4], "activation": "relu"}
    found, arrays = both(["MLPConvLayer", params])
    x = np.maximum(correlated(X, arrays["W"], arrays["b"], (2, 2)), 0)
    for mark in ("1", "2"):
        W, b = arrays[f"W{mark}"], arrays[f"b{mark}"]
        assert W.shape[2:] == (1, 1)
        x = np.maximum(np.einsum("nchw,mc->nmhw", x, W[:, :, 0, 0]) + b[:, None, None], 0)
    np.testing.assert_allclose(found, x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["ConvLayer", "ConvMaxoutLayer", "MLPConvLayer"])
def test_without_a_bias_there_is_none(name):
    params = {"n_output_maps": 2, "filter_shape": 3, "use_bias": False}
    found, arrays = both([name, params | ({"n_units": [4]} if name.startswith("MLP") else {})])
    assert not [key for key in arrays if key.startswith("b")] and found.shape == (2, 2, 5, 4)


def test_a_filter_that_does_not_fit_is_reported_and_so_are_pixels_left_out():
    with pytest.raises(ShapeError, match=r"filter_shape \[8, 2\] is larger than its map \[7, 6\]"):
        build("layer", ["ConvLayer", {"n_output_maps": 1, "filter_shape": [8, 2]}]).output_shape((3, 7, 6))
    strided = build("layer", ["ConvLayer", {"n_output_maps": 1, "filter_shape": 3, "stride": 3}])
    assert strided.notes((3, 7, 6)) == ["stride 3 leaves the last 1 of 7 rows out"]


def test_notes_of_a_layer_are_of_its_own_window_and_stride():
    for name, more in (("ConvLayer", {}), ("ConvMaxoutLayer", {}), ("MLPConvLayer", {"n_units": [2]})):
        layer = build("layer", [name, {"n_output_maps": 1, "filter_shape": [3, 2], "stride": [3, 2], **more}])
        assert layer.notes((5, 7, 6)) == ["stride 3 leaves the last 1 of 7 rows out"]
        assert build("layer", [name, {"n_output_maps": 1, "filter_shape": 2, **more}]).stride == (1, 1)


def test_fans_count_the_connections_of_one_unit_at_each_stage():
    params = {"n_output_maps": 7, "filter_shape": [2, 3], "n_units": [5, 6], "activation": "relu"}
    found = build("layer", ["MLPConvLayer", params]).declare_params((4, 9, 9))
    # Into a unit: maps * pixels of the window; out of one: maps that come of it * pixels.
    fans = {name: (param.fan_in, param.fan_out) for name, param in found.items() if name.startswith("W")}
    assert fans == {"W": (4 * 6, 5 * 6), "W1": (5, 6), "W2": (6, 7)}
    maxout = build("layer", ["ConvMaxoutLayer", {"n_output_maps": 7, "filter_shape": [2, 3]}]).declare_params((4, 9, 9))
    assert (maxout["W"].fan_in, maxout["W"].fan_out) == (24, 42)
    given = build("layer", ["ConvLayer", {"n_output_maps": 2, "filter_shape": 1, "W": 0.5, "b": 0.25}]).declare_params(
        (1, 3, 3)
    )
    assert given["W"].initial.value == 0.5 and given["b"].initial.value == 0.25
    plain = build("layer", ["ConvLayer", {"n_output_maps": 2, "filter_shape": 1}]).declare_params((1, 3, 3))
    assert plain["b"].initial.value == 0.0 and plain["a"].initial.value == 0.25


def test_a_convolution_is_that_of_torch():
    layer = build("layer", ["ConvLayer", {"n_output_maps": 4, "filter_shape": [3, 2], "stride": [2, 1]}])
    p = {
        name: torch.from_numpy(RNG.normal(size=q.shape).astype(np.float32))
        for name, q in layer.declare_params((3, 7, 6)).items()
    }
    x = torch.from_numpy(X)
    expected = torch.nn.functional.prelu(torch.nn.functional.conv2d(x, p["W"], p["b"], (2, 1)), p["a"])
    torch.testing.assert_close(layer.build((3, 7, 6))(p, x, True), expected)
