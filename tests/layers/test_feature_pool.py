"""Pooling of neighbouring channels against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.errors import ConfigError
from arignote.layers import declare, parse
from arignote.layers.base import ShapeError
from arignote.registry import build

X = np.random.default_rng(0).normal(size=(2, 6, 4, 9)).astype(np.float32)


def forward(layer, x=X):
    found = layer.build(x.shape[1:])({}, torch.from_numpy(x), False).numpy()
    assert found.shape[1:] == layer.output_shape(x.shape[1:])
    return found


def test_the_largest_of_neighbouring_channels_is_taken_at_each_place():
    found = forward(build("layer", ["MaxPoolChannels", {"k": 2}]))
    expected = np.stack([np.maximum(X[:, 2 * m], X[:, 2 * m + 1]) for m in range(3)], axis=1)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(forward(build("layer", ["MaxPoolChannels", {"k": 1}])), X)
    # Of units too.
    rows = X[:, :, 0, 0]
    np.testing.assert_array_equal(forward(build("layer", ["MaxPoolChannels", {"k": 6}]), rows), rows.max(1)[:, None])


@pytest.mark.parametrize("function", ["max", "min", "mean", "sum"])
@pytest.mark.parametrize(("axis", "size"), [(1, 3), (1, 2), (2, 4), (3, 3)])
def test_a_function_of_each_group_along_an_axis_is_taken(axis, size, function):
    found = forward(build("layer", ["FeaturePool", {"pool_size": size, "axis": axis, "pool_function": function}]))
    parts = np.split(X.astype(np.float64), X.shape[axis] // size, axis)
    expected = np.concatenate([getattr(np, function)(part, axis, keepdims=True) for part in parts], axis)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    if (axis, function) == (1, "max"):
        np.testing.assert_array_equal(forward(build("layer", ["FeaturePool", {"pool_size": size}])), found)


def test_the_gradient_goes_to_one_of_equal_values():
    x = torch.tensor([[1.0, 1.0, 3.0, 2.0]]).requires_grad_()
    build("layer", ["MaxPoolChannels", {"k": 2}]).build((4,))({}, x, True).sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0, 1.0, 0.0]]


def test_pooling_behind_a_linear_convolution_is_the_maxout_of_its_sums():
    x = torch.from_numpy(X)
    maxout = build("layer", ["ConvMaxout", {"n_output_maps": 2, "filter_shape": 2, "maxout_k": 3}])
    conv = build("layer", ["Conv", {"n_output_maps": 6, "filter_shape": 2, "activation": "linear"}])
    shapes = {name: param.shape for name, param in conv.declare_params(X.shape[1:]).items()}
    assert shapes == {name: param.shape for name, param in maxout.declare_params(X.shape[1:]).items()}
    params = {name: torch.randn(shape, generator=torch.Generator().manual_seed(1)) for name, shape in shapes.items()}
    pooled = build("layer", ["MaxPoolChannels", {"k": 3}]).build((6, 3, 8))(
        {}, conv.build(X.shape[1:])(params, x, False), False
    )
    torch.testing.assert_close(pooled, maxout.build(X.shape[1:])(params, x, False))


def test_groups_that_do_not_fit_are_refused_by_the_name_of_the_layer():
    layers = [["FeaturePool", {"name": "p", "pool_size": 4, "axis": 1}], ["ClassificationOutput", {"n_classes": 2}]]
    with pytest.raises(
        ConfigError, match=r"p: pool_size must divide 6, the size of axis 1 of examples \(6, 4, 9\); got 4"
    ):
        declare(parse(layers), (6, 4, 9))
    with pytest.raises(ShapeError, match=r"^k must divide 6, .*; got 4$"):
        build("layer", ["MaxPoolChannels", {"k": 4}]).output_shape((6, 4, 9))
    with pytest.raises(
        ShapeError, match=r"^axis must be one of 1 to 3, as an example has the shape \(6, 4, 9\); got 4$"
    ):
        build("layer", ["FeaturePool", {"pool_size": 1, "axis": 4}]).output_shape((6, 4, 9))
    for wrong in ({"axis": 0}, {"pool_size": 0}, {"pool_function": "median"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            build("layer", ["FeaturePool", {"pool_size": 2} | wrong])
