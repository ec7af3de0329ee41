"""Global pooling against NumPy, and over the steps of sequences that count."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.engine.network import Network
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.registry import build

X = np.random.default_rng(0).normal(size=(2, 3, 8, 7)).astype(np.float32)


def forward(layer, x=X):
    return layer.build(x.shape[1:])({}, torch.from_numpy(x), False).numpy()


@pytest.mark.parametrize(("name", "reduced"), [("GlobalAveragePool", np.mean), ("GlobalMaxPool", np.max)])
def test_the_mean_or_the_largest_value_of_each_map_is_taken(name, reduced):
    found = forward(build("layer", name))
    np.testing.assert_allclose(found, reduced(X, axis=(2, 3)), rtol=1e-5, atol=1e-7)
    series = X[:, :, 0]
    found = forward(build("layer", [name, {"axes": "NCL"}]), series)
    np.testing.assert_allclose(found, reduced(series, axis=2), rtol=1e-5, atol=1e-7)
    layer = build("layer", [name, {"axes": "NLC"}])
    np.testing.assert_allclose(forward(layer, series), reduced(series, axis=1), rtol=1e-5, atol=1e-7)
    assert layer.output_shape((8, 7)) == (7,)
    volumes = X.reshape(2, 3, 4, 2, 7)
    np.testing.assert_allclose(forward(build("layer", name), volumes), reduced(X, axis=(2, 3)), rtol=1e-5, atol=1e-7)
    assert build("layer", name).output_shape((3, 4, 2, 7)) == (3,)


def test_the_gradient_goes_to_the_largest_and_to_all_of_a_mean():
    x = torch.tensor([[[[1.0, 5.0], [3.0, 2.0]]]]).requires_grad_()
    build("layer", "GlobalAveragePool").build((1, 2, 2))({}, x, True).sum().backward()
    assert x.grad.tolist() == [[[[0.25, 0.25], [0.25, 0.25]]]]
    x.grad = None
    build("layer", "GlobalMaxPool").build((1, 2, 2))({}, x, True).sum().backward()
    assert x.grad.tolist() == [[[[0.0, 1.0], [0.0, 0.0]]]]


@pytest.mark.parametrize(("name", "reduced"), [("GlobalAveragePool", np.nanmean), ("GlobalMaxPool", np.nanmax)])
@pytest.mark.parametrize(
    "steps", [[5, 1, 3], [[1, 1, 1, 1, 1], [0, 0, 1, 0, 0], [1, 0, 0, 1, 1]]], ids=["lengths", "mask"]
)
def test_sequences_are_pooled_over_the_steps_that_count(steps, name, reduced):
    # Negative values, which are smaller than the zeros of the padding.
    values, steps = -np.abs(X.reshape(-1)[:30].reshape(3, 5, 2)), np.array(steps)
    counts = np.arange(5) < steps[:, None] if steps.ndim == 1 else steps != 0
    # What stands in the padding does not count, whatever it is.
    values[~counts] = np.nan
    found = build("layer", [name, {"axes": "NLC"}]).build((5, 2))(
        {}, [torch.from_numpy(values), torch.from_numpy(steps)], False
    )
    np.testing.assert_allclose(found, reduced(values, axis=1), rtol=1e-5)


@pytest.mark.parametrize(("name", "reduced"), [("GlobalAveragePool", np.mean), ("GlobalMaxPool", np.max)])
@pytest.mark.parametrize("axes", ["NCL", None])
def test_lengths_are_those_of_the_first_axis_and_of_no_other(name, reduced, axes):
    x, lengths = (X[:, :, 0] if axes else X), torch.tensor([1, 2])
    layer = build("layer", [name, {} if axes is None else {"axes": axes}])
    found = layer.build(x.shape[1:])({}, [torch.from_numpy(x), lengths], False)
    np.testing.assert_allclose(found, reduced(x, axis=tuple(range(2, x.ndim))), rtol=1e-5, atol=1e-7)


def test_a_network_passes_the_lengths_of_its_sequences_to_global_pooling():
    layers = [
        ["InputLayer", {"lengths": True}],
        ["GRULayer", {"n_units": 3}],
        ["GlobalMaxPoolLayer", {"name": "largest", "axes": "NLC"}],
        ["GlobalAveragePoolLayer", {"name": "mean", "input": "gru1", "axes": "NLC"}],
        ["ConcatLayer", {"inputs": ["largest", "mean"]}],
        ["ClassificationOutputLayer", {"n_classes": 2}],
    ]
    network = Network(declare(parse(layers), (5, 2)))
    network.initialise(1)
    x, lengths = torch.from_numpy(X.reshape(-1)[:30].reshape(3, 5, 2)), torch.tensor([5, 1, 3])
    outputs = dict(network.outputs((x, lengths)))
    rows = [row[:n] for row, n in zip(outputs["gru1"], lengths, strict=True)]
    torch.testing.assert_close(outputs["mean"], torch.stack([row.mean(0) for row in rows]))
    torch.testing.assert_close(outputs["largest"], torch.stack([row.amax(0) for row in rows]))
    step = TrainingStep(network.train(), [build("loss", "nll")], build("updater", "sgd"))
    assert step.by_hand == ["input", "concat1", "output"]
