"""Layers with weights by hand: their gradients are those of PyTorch, whatever changes around them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from beside_autograd import gradients_of_torch, rows, step_of

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
