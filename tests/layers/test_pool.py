"""Pooling against NumPy, and the notes about pixels and steps that no window sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.engine.network import Network
from arignote.engine.step import TrainingStep
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
def test_the_largest_and_the_mean_of_each_window_are_taken(params):
    for name, reduced in (("MaxPool2D", np.max), ("AveragePool2D", np.mean)):
        layer = build("layer", [name, params])
        (height, width), (down, right) = layer.pool_shape, layer.stride or layer.pool_shape
        views = np.lib.stride_tricks.sliding_window_view(X, (height, width), axis=(2, 3))[:, :, ::down, ::right]
        found = forward(layer)
        np.testing.assert_allclose(found, reduced(views, axis=(4, 5)), rtol=1e-5, atol=1e-6)
        assert layer.output_shape(X.shape[1:]) == found.shape[1:]


@pytest.mark.parametrize("axes", ["NCL", "NLC"])
@pytest.mark.parametrize(
    "params", [{"pool_length": 2}, {"pool_length": 3, "stride": 2}, {"pool_length": 1, "stride": 3}]
)
def test_of_series_the_largest_and_the_mean_of_each_window_of_steps_are_taken(params, axes):
    series = X[:, :, 0]
    for name, reduced in (("MaxPool1D", np.max), ("AveragePool1D", np.mean)):
        layer = build("layer", [name, params | {"axes": axes}])
        views = np.lib.stride_tricks.sliding_window_view(series, layer.pool_length, axis=2)
        expected = reduced(views[:, :, :: layer.stride or layer.pool_length], axis=3)
        x = series if axes == "NCL" else np.ascontiguousarray(series.transpose(0, 2, 1))
        found = forward(layer, x)
        assert layer.output_shape(x.shape[1:]) == found.shape[1:]
        np.testing.assert_allclose(found if axes == "NCL" else found.transpose(0, 2, 1), expected, rtol=1e-5, atol=1e-6)
        # One number for each step is one channel.
        of_one = forward(layer, np.ascontiguousarray(series[:, 0]))
        np.testing.assert_array_equal(of_one if axes == "NCL" else of_one.transpose(0, 2, 1), expected[:, :1])


def test_of_series_steps_that_no_window_sees_are_reported_and_too_long_windows_refused():
    layer = build("layer", ["MaxPool1D", {"pool_length": 3}])
    assert layer.notes((2, 8)) == ["stride 3 leaves the last 2 of 8 steps out"]
    assert build("layer", ["AveragePool1D", {"pool_length": 3, "axes": "NLC"}]).notes((8, 2)) == layer.notes((2, 8))
    with pytest.raises(ShapeError, match="pool_length 3 is larger than its series of 2 steps"):
        layer.output_shape((8, 2))
    with pytest.raises(ShapeError, match=r"needs series \(channels, steps\) or \(steps,\); got \(1, 8, 8\)"):
        layer.output_shape((1, 8, 8))


def test_the_mean_of_each_map_is_taken():
    found = forward(build("layer", "GlobalAveragePool"))
    np.testing.assert_allclose(found, X.mean(axis=(2, 3)), rtol=1e-5, atol=1e-7)
    series = X[:, :, 0]
    found = forward(build("layer", ["GlobalAveragePool", {"axes": "NCL"}]), series)
    np.testing.assert_allclose(found, series.mean(axis=2), rtol=1e-5, atol=1e-7)
    layer = build("layer", ["GlobalAveragePool", {"axes": "NLC"}])
    np.testing.assert_allclose(forward(layer, series), series.mean(axis=1), rtol=1e-5, atol=1e-7)
    assert layer.output_shape((8, 7)) == (7,)


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


@pytest.mark.parametrize("name", ["AveragePool2DLayer", "MaxPool2DLayer", "GlobalAveragePoolLayer"])
def test_rows_that_are_not_images_are_refused_with_a_hint(name):
    params = {"pool_shape": 2} if "2D" in name else {}
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
    build("layer", ["AveragePool2D", {"pool_shape": [1, 2]}]).build((1, 2, 2))({}, x, True)[..., 0, :].sum().backward()
    assert x.grad.tolist() == [[[[0.5, 0.5], [0.0, 0.0]]]]
    x.grad = None
    build("layer", "GlobalAveragePool").build((1, 2, 2))({}, x, True).sum().backward()
    assert x.grad.tolist() == [[[[0.25, 0.25], [0.25, 0.25]]]]


@pytest.mark.parametrize(
    "steps", [[5, 1, 3], [[1, 1, 1, 1, 1], [0, 0, 1, 0, 0], [1, 0, 0, 1, 1]]], ids=["lengths", "mask"]
)
def test_the_mean_of_sequences_is_over_the_steps_that_count(steps):
    values, steps = X.reshape(-1)[:30].reshape(3, 5, 2).copy(), np.array(steps)
    counts = np.arange(5) < steps[:, None] if steps.ndim == 1 else steps != 0
    # What stands in the padding does not count, whatever it is.
    values[~counts] = np.nan
    found = build("layer", ["GlobalAveragePool", {"axes": "NLC"}]).build((5, 2))(
        {}, [torch.from_numpy(values), torch.from_numpy(steps)], False
    )
    np.testing.assert_allclose(found, np.nanmean(values, axis=1), rtol=1e-5)


def test_a_network_passes_the_lengths_of_its_sequences_to_the_mean():
    layers = [
        ["InputLayer", {"lengths": True}],
        ["GRULayer", {"n_units": 3}],
        ["GlobalAveragePoolLayer", {"name": "mean", "axes": "NLC"}],
        ["ClassificationOutputLayer", {"n_classes": 2}],
    ]
    network = Network(declare(parse(layers), (5, 2)))
    network.initialise(1)
    x, lengths = torch.from_numpy(X.reshape(-1)[:30].reshape(3, 5, 2)), torch.tensor([5, 1, 3])
    outputs = dict(network.outputs((x, lengths)))
    expected = [row[:n].mean(0) for row, n in zip(outputs["gru1"], lengths, strict=True)]
    torch.testing.assert_close(outputs["mean"], torch.stack(expected))
    assert TrainingStep(network.train(), [build("loss", "nll")], build("updater", "sgd")).by_hand == ["input", "output"]
