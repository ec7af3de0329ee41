"""Transposed convolutions against torch.nn.functional and a loop in NumPy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from arignote import ConfigError
from arignote.engine.network import Network
from arignote.layers import declare, parse
from arignote.layers.base import ShapeError
from arignote.registry import build

functional = torch.nn.functional
RNG = np.random.default_rng(0)
X = {
    1: RNG.normal(size=(2, 4, 9)).astype(np.float32),
    2: RNG.normal(size=(2, 4, 5, 6)).astype(np.float32),
    3: RNG.normal(size=(2, 4, 3, 4, 5)).astype(np.float32),
}
BY_AXES = {1: "TransposedConv1D", 2: "TransposedConv", 3: "TransposedConv3D"}
BY_TORCH = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


def layer(n_axes, window, n_output_maps=6, **more):
    key = "filter_length" if n_axes == 1 else "filter_shape"
    return build("layer", [BY_AXES[n_axes], {"n_output_maps": n_output_maps, key: window, **more}])


def of_layer(part, x):
    """Return the output of a layer, and its parameters as arrays."""
    arrays = {
        name: RNG.normal(size=param.shape).astype(np.float32)
        for name, param in part.declare_params(x.shape[1:]).items()
    }
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    found = part.build(x.shape[1:])(tensors, torch.from_numpy(x), True).numpy()
    assert found.shape[1:] == part.output_shape(x.shape[1:])
    return found, arrays


def spread(x, W, stride, dilation, crop, more, n_groups=1):
    """Return the sums: each value, times the filter of its map, is added where the filter lies in the output.

    The formula of Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, chapter 4.
    """
    window, n_pixels = W.shape[2:], x.shape[2:]
    sizes = [
        s * (n - 1) + d * (w - 1) + 1 + e
        for n, w, s, d, e in zip(n_pixels, window, stride, dilation, more, strict=True)
    ]
    y = np.zeros((len(x), len(W), *sizes))
    n_in, n_out = x.shape[1] // n_groups, len(W) // n_groups
    for m, c in product(range(len(W)), range(n_in)):
        source = x[:, m // n_out * n_in + c]
        for i, a in product(np.ndindex(*n_pixels), np.ndindex(*window)):
            at = tuple(s * p + d * q for p, q, s, d in zip(i, a, stride, dilation, strict=True))
            y[(slice(None), m, *at)] += W[(m, c, *a)] * source[(slice(None), *i)]
    inner = (slice(c, n - c) for c, n in zip(crop, sizes, strict=True))
    return y[(..., *inner)]


CASES = [
    # Pixels: stride * (n - 1) + dilation * (filter - 1) + 1 - 2 * crop + output_padding.
    (1, 3, {}, {}, (6, 11)),
    (1, 4, {"stride": 2, "crop": 1}, {"stride": 2, "padding": 1}, (6, 18)),
    (1, 3, {"stride": 3, "output_padding": 2}, {"stride": 3, "output_padding": 2}, (6, 29)),
    (1, 5, {"crop": "same"}, {"padding": 2}, (6, 9)),
    (1, 4, {"crop": "full"}, {"padding": 3}, (6, 6)),
    (1, 3, {"dilation": 3, "output_padding": 2}, {"dilation": 3, "output_padding": 2}, (6, 17)),
    (2, 3, {}, {}, (6, 7, 8)),
    (2, [2, 4], {"stride": [2, 3], "crop": [0, 1]}, {"stride": (2, 3), "padding": (0, 1)}, (6, 10, 17)),
    (2, 3, {"stride": 2, "crop": "same", "output_padding": [1, 0]}, {"stride": 2, "padding": 1}, (6, 10, 11)),
    (2, [3, 1], {"dilation": [2, 1], "crop": "valid"}, {"dilation": (2, 1)}, (6, 9, 6)),
    (2, 2, {"n_groups": 2, "stride": 2}, {"groups": 2, "stride": 2}, (6, 10, 12)),
    (2, 2, {"n_groups": 4, "n_output_maps": 4}, {"groups": 4}, (4, 6, 7)),
    (3, 2, {"stride": [1, 2, 3]}, {"stride": (1, 2, 3)}, (6, 4, 8, 14)),
    (3, [1, 3, 2], {"crop": [0, 1, 0], "n_groups": 2}, {"padding": (0, 1, 0), "groups": 2}, (6, 3, 4, 6)),
    (3, 3, {"stride": 2, "output_padding": [1, 0, 1]}, {"stride": 2, "output_padding": (1, 0, 1)}, (6, 8, 9, 12)),
]


@pytest.mark.parametrize(("n_axes", "window", "given", "by_torch", "shape"), CASES, ids=str)
def test_sums_and_shapes_are_those_of_torch_and_of_each_value_spread_over_the_output(
    n_axes, window, given, by_torch, shape
):
    part, x = layer(n_axes, window, activation="linear", **given), X[n_axes]
    found, arrays = of_layer(part, x)
    assert found.shape[1:] == shape
    n_groups = given.get("n_groups", 1)
    _, stride, crop, dilation, _ = part.geometry
    more = given.get("output_padding", 0)
    more = [more] * n_axes if isinstance(more, int) else more
    b = arrays["b"].reshape(-1, *[1] * n_axes)
    by_hand = spread(x, arrays["W"], stride, dilation, crop, more, n_groups) + b
    np.testing.assert_allclose(found, by_hand, rtol=1e-4, atol=1e-4)
    # Input maps first, and output maps of one group second.
    groups = np.split(arrays["W"], n_groups)
    W = np.concatenate([np.swapaxes(group, 0, 1) for group in groups])
    if "output_padding" in given:
        by_torch = by_torch | {"output_padding": more}
    expected = BY_TORCH[n_axes](*map(torch.from_numpy, (x, W.copy(), arrays["b"])), **by_torch)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("n_axes", "name"), [(1, "Conv1D"), (2, "Conv"), (3, "Conv3D")])
def test_it_maps_outputs_of_a_convolution_back_to_the_shape_of_its_inputs_as_its_gradient_does(n_axes, name):
    window = {"filter_length" if n_axes == 1 else "filter_shape": 3}
    common = {"stride": 2, "activation": "linear", "use_bias": False} | window
    x = torch.from_numpy(X[n_axes]).requires_grad_()
    conv = build("layer", [name, {"n_output_maps": 6, "pad": 1} | common])
    W = torch.from_numpy(RNG.normal(size=conv.declare_params(x.shape[1:])["W"].shape).astype(np.float32))
    y = conv.build(tuple(x.shape[1:]))({"W": W}, x, True)
    g = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    (expected,) = torch.autograd.grad(y, x, g)
    # Steps that a stride of 2 leaves out come back as output_padding.
    left_out = [(n + 2 - 3) % 2 for n in x.shape[2:]]
    more = left_out[0] if n_axes == 1 else left_out
    part = layer(n_axes, 3, 4, stride=2, crop=1, output_padding=more, activation="linear", use_bias=False)
    found = part.build(tuple(y.shape[1:]))({"W": W.transpose(0, 1)}, g, True)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_series_with_channels_last_and_of_one_channel_and_slopes_per_map():
    channels_first, arrays = of_layer(layer(1, 3, stride=2), X[1])
    part = layer(1, 3, stride=2, axes="NLC")
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    x = np.ascontiguousarray(X[1].transpose(0, 2, 1))
    found = part.build(x.shape[1:])(tensors, torch.from_numpy(x), True).numpy()
    np.testing.assert_allclose(found.transpose(0, 2, 1), channels_first, rtol=1e-6)
    sums = spread(X[1], arrays["W"], [2], [1], [0], [0]) + arrays["b"][:, None]
    expected = np.where(sums > 0, sums, arrays["a"][:, None] * sums)
    np.testing.assert_allclose(channels_first, expected, rtol=1e-4, atol=1e-5)
    assert part.output_shape((9,)) == (19, 6)
    of_one, arrays = of_layer(layer(1, 3, activation="linear"), X[1][:, 0])
    expected = spread(X[1][:, :1], arrays["W"], [1], [1], [0], [0]) + arrays["b"][:, None]
    np.testing.assert_allclose(of_one, expected, rtol=1e-4, atol=1e-5)


def test_untied_biases_are_added_to_each_value_of_each_map():
    part = layer(2, 2, 3, stride=2, crop=1, activation="tanh", untie_biases=True)
    found, arrays = of_layer(part, X[2])
    assert arrays["b"].shape == (3, 8, 10)
    sums = spread(X[2], arrays["W"], [2, 2], [1, 1], [1, 1], [0, 0])
    np.testing.assert_allclose(found, np.tanh(sums + arrays["b"]), rtol=1e-4, atol=1e-5)


def test_initial_weights_keep_the_variance_of_what_comes_in():
    # He: a unit that sees n values of variance 1 has weights of variance 2 / n, for sums of variance 2.
    for window, stride, n_seen in ((4, 2, 4 * 4), (2, 2, 4), (3, 1, 4 * 9), (1, 2, 1), (1, 3, 1)):
        part = layer(2, window, 512, stride=stride, activation="relu")
        W = part.declare_params((4, 5, 6))["W"]
        assert (W.fan_in, W.fan_out, W.unit_axis) == (n_seen, 512 * window**2, 0)
        assert W.shape == (512, 4, window, window)
    grouped = layer(1, 3, 6, n_groups=2).declare_params((4, 9))["W"]
    assert (grouped.shape, grouped.fan_in, grouped.fan_out) == ((6, 2, 3), 6, 9)
    part = layer(2, 4, 64, stride=2, crop=1, activation=["relu", {}], use_bias=False)
    network = Network(declare(parse([part, ["ClassificationOutputLayer", {"n_classes": 2}]]), (32, 8, 8)))
    network.initialise(1)
    x = torch.randn(50, 32, 8, 8, generator=torch.Generator().manual_seed(2))
    sums = functional.conv_transpose2d(x, network.named["conv1.W"].detach().transpose(0, 1), None, 2, 1)
    assert float(sums[:, :, 1:-1, 1:-1].var()) == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(
    ("n_axes", "wrong", "message"),
    [
        (1, {"output_padding": 1}, "output_padding must be less than stride or dilation, at most 0; got 1"),
        (2, {"stride": [2, 1], "output_padding": [1, 1]}, r"dilation, at most \[1, 0\]; got \[1, 1\]"),
        (2, {"crop": -1}, "crop"),
        (3, {"crop": [1, 1]}, "crop"),
        (1, {"filter_length": 4, "crop": "same"}, "crop 'same' needs a filter of odd length; got 4"),
        (2, {"stride": 0}, "stride must be an integer >= 1; got 0"),
        (3, {"use_bias": False, "untie_biases": True}, "untie_biases must be false where use_bias is"),
        (2, {"pad": 1}, "unknown parameter 'pad'. Write \"crop\": 1"),
        (2, {"padding": 1}, "unknown parameter 'padding'. Write \"crop\": 1"),
    ],
)
def test_what_cannot_be_is_refused(n_axes, wrong, message):
    window = wrong.pop("filter_length", 3)
    with pytest.raises(ConfigError, match=message):
        layer(n_axes, window, **wrong)


def test_shapes_that_do_not_fit_are_refused_by_the_name_of_the_layer():
    layers = [layer(2, 3, crop=[1, 2]), ["ClassificationOutputLayer", {"n_classes": 2}]]
    with pytest.raises(ConfigError, match=r"conv1: crop \[1, 2\] .* leaves nothing of an output map \[5, 4\]"):
        declare(parse(layers), (4, 3, 2))
    assert layer(2, 3, crop=[1, 2]).output_shape((4, 3, 3)) == (6, 3, 1)
    for n_groups, what in ((3, "input maps, 4"), (4, "output maps, 6")):
        with pytest.raises(ShapeError, match=f"n_groups must divide the number of {what}; got {n_groups}"):
            layer(2, 3, n_groups=n_groups).output_shape((4, 5, 6))
    with pytest.raises(ShapeError, match="needs volumes"):
        layer(3, 3).output_shape((4, 5, 6))


def test_pixels_that_no_filter_reaches_are_reported():
    assert layer(2, [3, 2], stride=[3, 2]).notes((4, 5, 6)) == []
    assert layer(2, 2, stride=[2, 3]).notes((4, 5, 6)) == [
        "stride [2, 3] is larger than the window [2, 2]: values between windows are the bias alone"
    ]
    assert layer(1, 2, stride=3, dilation=2).notes((4, 9)) == []
