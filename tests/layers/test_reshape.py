"""Flattened, reshaped and permuted examples against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError, NNClassifier
from arignote.layers import declare, parse
from arignote.registry import build

RNG = np.random.default_rng(2)
OUTPUT = ["ClassificationOutputLayer", {"n_classes": 2}]
# The layer, the shape of an example, and the function of rows (n, ...).
FORMULAS = [
    (["Flatten", {}], (3, 4, 5), lambda x: x.reshape(6, 60)),
    (["Flatten", {"n_axes": 2}], (3, 4, 5), lambda x: x.reshape(6, 3, 20)),
    (["Flatten", {"n_axes": 3}], (3, 4, 5), lambda x: x),
    (["Flatten", {}], (7,), lambda x: x),
    (["Reshape", {"shape": [3, 4]}], (12,), lambda x: x.reshape(6, 3, 4)),
    (["Reshape", {"shape": [5, -1, 3]}], (3, 4, 5), lambda x: x.reshape(6, 5, 4, 3)),
    (["Reshape", {"shape": 12}], (3, 4), lambda x: x.reshape(6, 12)),
    (["Reshape", {"shape": [-1]}], (3, 4), lambda x: x.reshape(6, 12)),
    (["Permute", {"order": [2, 1]}], (3, 4), lambda x: x.swapaxes(1, 2)),
    (["Permute", {"order": [3, 1, 2]}], (4, 5, 3), lambda x: np.moveaxis(x, 3, 1)),
    (["Permute", {"order": [2, 3, 1]}], (3, 4, 5), lambda x: np.einsum("nabc->nbca", x)),
]


@pytest.mark.parametrize(
    ("spec", "shape", "formula"), FORMULAS, ids=lambda value: None if callable(value) else str(value)
)
def test_values_go_where_numpy_puts_them_and_gradients_come_back(spec, shape, formula):
    x = RNG.normal(size=(6, *shape))
    layer, expected = build("layer", spec), formula(x)
    assert layer.output_shape(shape) == expected.shape[1:] and layer.declare_params(shape) == {}
    leaf = torch.from_numpy(x).requires_grad_()
    found = layer.build(shape)({}, leaf, True)
    assert np.array_equal(found.detach(), expected)
    # Of the sum of x^2 / 2 the gradient is x, wherever the values lie.
    (found.square().sum() / 2).backward()
    assert np.array_equal(leaf.grad, x)


@pytest.mark.parametrize(
    ("spec", "shape", "words"),
    [
        (
            ["FlattenLayer", {"n_axes": 3}],
            (4, 5),
            r"flatten1.*: n_axes must be at most 2, the axes of an example; got 3",
        ),
        (
            ["ReshapeLayer", {"shape": [3, 5]}],
            (12,),
            r"reshape1.*: shape must have the 12 values of \(12,\); got \[3, 5\]",
        ),
        (["ReshapeLayer", {"shape": [5, -1]}], (12,), r"reshape1.*: shape must have the 12 values .*; got \[5, -1\]"),
        (["ReshapeLayer", {"shape": [24, -1]}], (12,), r"reshape1.*: shape must have the 12 values .*; got \[24, -1\]"),
        (
            ["PermuteLayer", {"order": [2, 1]}],
            (4,),
            r"permute1.*: order must have one entry for each of the axes of \(4,\)",
        ),
        (["PermuteLayer", {"order": [2, 1]}], (4, 5, 6), r"order must have one entry .* \(4, 5, 6\); got \[2, 1\]"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused_by_the_name_of_the_layer(spec, shape, words):
    with pytest.raises(ConfigError, match=words):
        declare(parse([spec, OUTPUT]), shape)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (["Reshape", {"shape": [0, 4]}], r"shape must be integers >= 1, of which one may be -1; got \[0, 4\]"),
        (["Reshape", {"shape": [-2, 4]}], "shape must be integers >= 1"),
        (["Reshape", {"shape": [-1, -1]}], "shape must be integers >= 1, of which one may be -1"),
        (["Reshape", {"shape": []}], "shape must be a list of at least 1"),
        (["Permute", {"order": [0, 2, 1]}], r"order must have each of 1, 2, 3 once; got \[0, 2, 1\]\. .* rows stays"),
        (["Permute", {"order": [1, 1]}], "order must have each of 1, 2 once"),
        (["Permute", {"order": [1]}], "order must be a list of at least 2"),
        (["Flatten", {"n_axes": 0}], "n_axes must be an integer >= 1"),
    ],
)
def test_parameters_out_of_bounds_are_refused(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("layer", spec)


def test_flat_rows_as_images_train_as_images_do(digits):
    conv = ["ConvLayer", {"n_output_maps": 4, "filter_shape": 3, "activation": "relu"}]
    tail = [conv, ["FlattenLayer"], ["FCLayer", {"n_units": 8}], ["ClassificationOutputLayer"]]
    first = NNClassifier([["ReshapeLayer", {"shape": [1, 8, 8]}], *tail], rng=1, n_epochs=2).fit(*digits)
    second = NNClassifier([["InputImageLayer", {"n_pixels": 8}], *tail], rng=1, n_epochs=2).fit(*digits)
    for name, values in second.params.items():
        np.testing.assert_array_equal(first.params[name], values)
