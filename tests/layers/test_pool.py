"""Pooling against NumPy, and the notes about pixels that no window sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.errors import ConfigError
from arignote.layers import declare, parse
from arignote.layers.base import ShapeError
from arignote.registry import build

X = np.random.default_rng(0).normal(size=(2, 3, 8, 7)).astype(np.float32)


def forward(layer, x=X):
    return layer.build(x.shape[1:])({}, torch.from_numpy(x), False).numpy()


@pytest.mark.parametrize(
    "params",
    [{"pool_shape": 2}, {"pool_shape": [3, 2]}, {"pool_shape": 3, "stride": 2}, {"pool_shape": 2, "stride": [3, 1]}],
    ids=str,
)
def test_the_largest_of_each_window_is_taken(params):
    layer = build("layer", ["MaxPool2D", params])
    (height, width), (down, right) = layer.pool_shape, layer.stride or layer.pool_shape
    views = np.lib.stride_tricks.sliding_window_view(X, (height, width), axis=(2, 3))[:, :, ::down, ::right]
    found = forward(layer)
    assert np.array_equal(found, views.max(axis=(4, 5))) and layer.output_shape(X.shape[1:]) == found.shape[1:]


def test_the_mean_of_each_map_is_taken():
    found = forward(build("layer", "GlobalAveragePool"))
    np.testing.assert_allclose(found, X.mean(axis=(2, 3)), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("params", "shape", "notes"),
    [
        ({"pool_shape": 2}, (1, 8, 8), []),
        ({"pool_shape": 3}, (1, 8, 9), ["stride 3 leaves the last 2 of 8 rows out"]),
        ({"pool_shape": 8, "stride": 3}, (1, 8, 9), ["stride 3 leaves the last 1 of 9 columns out"]),
        (
            {"pool_shape": 1, "stride": [2, 1]},
            (1, 7, 7),
            ["stride 2 is larger than the window 1: rows between windows"],
        ),
    ],
)
def test_pixels_that_no_window_sees_are_reported(params, shape, notes):
    found = build("layer", ["MaxPool2D", params]).notes(shape)
    assert len(found) == len(notes) and all(one.startswith(note) for one, note in zip(found, notes, strict=True))


@pytest.mark.parametrize("name", ["MaxPool2DLayer", "GlobalAveragePoolLayer"])
def test_rows_that_are_not_images_are_refused_with_a_hint(name):
    params = {"pool_shape": 2} if "Max" in name else {}
    layers = parse([[name, params], ["ClassificationOutputLayer", {"n_classes": 2}]])
    with pytest.raises(ConfigError, match=r"pool1: needs images .*got \(64,\)\. Put \[\"InputImageLayer\""):
        declare(layers, (64,))
    with pytest.raises(ShapeError, match=r"pool_shape \[3, 9\] is larger than its map \[8, 7\]"):
        build("layer", ["MaxPool2D", {"pool_shape": [3, 9]}]).output_shape((3, 8, 7))


def test_a_window_of_one_number_is_square_and_steps_by_itself():
    layer = build("layer", ["MaxPool2D", {"pool_shape": 3}])
    assert layer.pool_shape == (3, 3) and layer.stride is None and layer.output_shape((2, 9, 7)) == (2, 3, 2)
    assert layer.notes((2, 9, 7)) == ["stride 3 leaves the last 1 of 7 columns out"]
    strided = build("layer", ["MaxPool2D", {"pool_shape": [3, 2], "stride": [1, 2]}])
    assert strided.output_shape((2, 9, 7)) == (2, 7, 3)
    assert strided.notes((2, 9, 7)) == ["stride 2 leaves the last 1 of 7 columns out"]


def test_the_gradient_of_pooling_goes_to_the_largest_and_to_all_of_a_mean():
    x = torch.tensor([[[[1.0, 5.0], [3.0, 2.0]]]]).requires_grad_()
    build("layer", ["MaxPool2D", {"pool_shape": 2}]).build((1, 2, 2))({}, x, True).sum().backward()
    assert x.grad.tolist() == [[[[0.0, 1.0], [0.0, 0.0]]]]
    x.grad = None
    build("layer", "GlobalAveragePool").build((1, 2, 2))({}, x, True).sum().backward()
    assert x.grad.tolist() == [[[[0.25, 0.25], [0.25, 0.25]]]]
