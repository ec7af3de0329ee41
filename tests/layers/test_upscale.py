"""Enlarged maps against NumPy and torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.errors import ConfigError
from arignote.layers.base import ShapeError
from arignote.registry import build

X = np.random.default_rng(0).normal(size=(2, 3, 4, 2, 5)).astype(np.float32)
BY_AXES = {1: X[:, :, :, 0, 0], 2: X[:, :, :, 0], 3: X}


def forward(layer, x):
    found = layer.build(x.shape[1:])({}, torch.from_numpy(x), False).numpy()
    assert found.shape[1:] == layer.output_shape(x.shape[1:])
    return found


@pytest.mark.parametrize(
    ("n_axes", "factor"), [(1, 3), (1, [2]), (2, 2), (2, [1, 3]), (2, [3, 1]), (3, 2), (3, [2, 1, 3])]
)
def test_values_are_repeated_or_followed_by_zeros_along_each_axis_of_a_map(n_axes, factor):
    x = BY_AXES[n_axes]
    factors = [factor] * n_axes if isinstance(factor, int) else factor
    repeated = x
    for axis, n in enumerate(factors, 2):
        repeated = repeated.repeat(n, axis)
    np.testing.assert_array_equal(forward(build("layer", ["Upscale", {"scale_factor": factor}]), x), repeated)
    # One in an array of zeros is where its place begins.
    ones = [np.eye(n)[0] for n in factors]
    block = ones[0]
    for one in ones[1:]:
        block = np.multiply.outer(block, one)
    dilated = np.kron(x, block[(None,) * 2])
    found = forward(build("layer", ["Upscale", {"scale_factor": factor, "mode": "dilate"}]), x)
    np.testing.assert_array_equal(found, dilated)


def test_repeating_is_upsampling_of_torch_by_the_nearest_value():
    expected = torch.nn.Upsample(scale_factor=(3, 2))(torch.from_numpy(BY_AXES[2]))
    np.testing.assert_array_equal(forward(build("layer", ["Upscale", {"scale_factor": [3, 2]}]), BY_AXES[2]), expected)


@pytest.mark.parametrize("mode", ["repeat", "dilate"])
def test_series_keep_the_order_of_their_axes(mode):
    series = BY_AXES[1]
    channels_first = forward(build("layer", ["Upscale", {"scale_factor": 2, "mode": mode}]), series)
    layer = build("layer", ["Upscale", {"scale_factor": 2, "mode": mode, "axes": "NLC"}])
    np.testing.assert_array_equal(forward(layer, series.transpose(0, 2, 1).copy()).transpose(0, 2, 1), channels_first)
    # One number for each step is one channel.
    of_one = forward(layer, series[:, 0].copy())
    np.testing.assert_array_equal(of_one.transpose(0, 2, 1), channels_first[:, :1])


@pytest.mark.parametrize(("mode", "expected"), [("repeat", 4.0), ("dilate", 1.0)])
def test_the_gradient_is_the_sum_over_the_copies_of_a_value(mode, expected):
    x = torch.zeros(1, 1, 2, 2, requires_grad=True)
    build("layer", ["Upscale", {"scale_factor": 2, "mode": mode}]).build((1, 2, 2))({}, x, True).sum().backward()
    assert x.grad.tolist() == [[[[expected, expected], [expected, expected]]]]


def test_factors_that_do_not_fit_are_refused():
    with pytest.raises(
        ShapeError, match=r"scale_factor must be one number or 2, one .* of \(3, 4, 5\); got \[2, 2, 2\]"
    ):
        build("layer", ["Upscale", {"scale_factor": [2, 2, 2]}]).output_shape((3, 4, 5))
    for wrong in ({"scale_factor": 0}, {"scale_factor": [2, 0]}, {"mode": "bilinear"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            build("layer", ["Upscale", {"scale_factor": 2} | wrong])
