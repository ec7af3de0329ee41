"""Layers with weights by hand: their gradients are those of PyTorch, whatever changes around them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from beside_autograd import gradients_of_torch, rows, step_of

from arignote.engine.by_hand.activations import linear, relu
from arignote.engine.by_hand.weighted import Convolution, Dense
from arignote.layers.windows import Geometry

functional = torch.nn.functional


@pytest.mark.parametrize("channels_last", [False, True])
def test_weights_changed_after_the_tape_was_built_are_those_that_it_uses(channels_last):
    layers = [
        ["ConvLayer", {"name": "conv", "n_output_maps": 6, "filter_shape": 3, "activation": "tanh"}],
        ["MLPConvLayer", {"name": "mlp", "n_output_maps": 5, "n_units": [4], "filter_shape": 2}],
        ["FCLayer", {"name": "fc", "n_units": 7, "activation": "prelu_shelf"}],
        ["ClassificationOutputLayer", {"name": "out"}],
    ]
    step = step_of(layers, (2, 6, 7), channels_last=channels_last)
    x, y, _ = rows(9, 2 * 6 * 7)
    x = x.view(9, 2, 6, 7)

    def loss(p):
        z = functional.conv2d(x, p["conv.W"], p["conv.b"]).tanh()
        z = functional.prelu(functional.conv2d(z, p["mlp.W"], p["mlp.b"]), p["mlp.a"])
        z = functional.prelu(functional.conv2d(z, p["mlp.W1"], p["mlp.b1"]), p["mlp.a1"])
        z = z.flatten(1) @ p["fc.W"] + p["fc.b"]
        z = (z - p["fc.c"]).relu() - p["fc.a"] * (-(z + p["fc.c"])).relu()
        return functional.cross_entropy(z @ p["out.W"] + p["out.b"], y)

    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        with torch.no_grad():
            step.network.weights.add_(torch.randn(step.network.weights.shape, generator=generator), alpha=0.2)
        expected_loss, expected = gradients_of_torch(step, loss)
        step.network.gradients.fill_(np.nan)
        assert float(step._gradients((x,), (y,), None, 1.0, 0.0)) == pytest.approx(expected_loss, rel=1e-5)
        torch.testing.assert_close(step.network.gradients, expected, rtol=1e-4, atol=1e-5)


def test_a_dense_layer_takes_the_values_of_maps_in_a_row():
    w, grad_w, x = torch.arange(12.0).reshape(6, 2), torch.zeros(6, 2), torch.arange(12.0).reshape(2, 3, 2)
    layer = Dense({"W": w}, {"W": grad_w}, linear)
    y, saved = layer.forward(x)
    rows, g = x.numpy().reshape(2, 6), np.array([[1, 2], [3, 4]], np.float32)
    assert np.array_equal(y, rows @ w.numpy())
    found = layer.backward(torch.from_numpy(g), saved, 0.0, True)
    assert np.array_equal(found, (g @ w.numpy().T).reshape(2, 3, 2)) and np.array_equal(grad_w, rows.T @ g)
    assert layer.is_linear and not Dense({"W": w}, {}, relu).is_linear


def test_a_convolution_of_a_series_is_that_of_numpy():
    w, grad_w, x, g = np.array([1.0, -2, 4]), torch.zeros(1, 1, 3), np.array([1.0, 5, 2, 0, 3]), np.array([1.0, 2, -1])
    params, gradients = {"W": torch.tensor(w)[None, None].float()}, {"W": grad_w}
    layer = Convolution(params, gradients, "", Geometry((3,), (1,), (0,), (1,), 1), linear)
    y, saved = layer.forward(torch.tensor(x)[None, None].float())
    assert y.tolist() == [[np.correlate(x, w).tolist()]]
    found = layer.backward(torch.tensor(g)[None, None].float(), saved, 0.0, True)
    assert found.tolist() == [[np.convolve(g, w).tolist()]] and grad_w.tolist() == [[np.correlate(x, g).tolist()]]
    assert layer.is_linear


def test_a_convolution_of_images_by_one_pixel_is_a_factor():
    x = torch.arange(4.0).reshape(1, 1, 2, 2)
    layer = Convolution({"W": torch.full((1, 1, 1, 1), 3.0)}, {}, "", Geometry((1, 1), (1, 1), (0, 0), (1, 1), 1), relu)
    assert torch.equal(layer.forward(x)[0], 3 * x) and not layer.is_linear
