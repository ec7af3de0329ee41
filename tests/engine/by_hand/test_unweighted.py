"""Layers without weights by hand: what is drawn, windows, and rectifiers behind pooling."""

from __future__ import annotations

import pytest
import torch
from beside_autograd import compare, gradients, gradients_of_torch, rows, step_of

from arignote.layers.noise import dropout_mask

functional = torch.nn.functional


@pytest.mark.parametrize("layer", [["DropoutLayer", {"dropout_p": 0.3}], ["GaussianNoiseLayer", {"sigma": 0.7}]])
def test_what_disturbs_draws_once_and_its_gradient_is_that_of_what_was_drawn(layer):
    dense = ["FCLayer", {"name": "fc", "n_units": 6, "activation": "linear"}]
    step = step_of([dense, layer, ["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}]])
    x, y, _ = rows(8)
    torch.manual_seed(4)
    if layer[0] == "DropoutLayer":
        mask, noise = dropout_mask(0.3)(torch.zeros(8, 6)), 0.0
    else:
        mask, noise = 1.0, 0.7 * torch.randn(8, 6)

    def loss(p):
        z = (x @ p["fc.W"] + p["fc.b"]) * mask + noise
        return functional.cross_entropy(z @ p["out.W"] + p["out.b"], y)

    expected_loss, expected = gradients_of_torch(step, loss)
    torch.manual_seed(4)
    assert float(step._gradients((x,), (y,), None, 1.0, 0.0)) == pytest.approx(expected_loss, rel=1e-5)
    torch.testing.assert_close(step.network.gradients, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("pool", "stride"), [(2, None), ([3, 2], None), ([2, 3], [1, 2]), ([1, 3], [2, 1])])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_windows_and_strides_by_hand_are_those_of_torch(activation, pool, stride):
    layers = [
        ["ConvLayer", {"name": "conv", "n_output_maps": 3, "filter_shape": [2, 3], "stride": [1, 2]}],
        ["MaxPool2DLayer", {"pool_shape": pool} | ({"stride": stride} if stride else {})],
        ["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}],
    ]
    layers[0][1]["activation"] = activation
    step = step_of(layers, (2, 8, 13))
    x, y, _ = rows(5, 2 * 8 * 13)
    x = x.view(5, 2, 8, 13)

    def loss(p):
        z = getattr(functional.conv2d(x, p["conv.W"], p["conv.b"], (1, 2)), activation)()
        z = functional.max_pool2d(z, pool, stride)
        return functional.cross_entropy(z.flatten(1) @ p["out.W"] + p["out.b"], y)

    expected_loss, expected = gradients_of_torch(step, loss)
    assert float(step._gradients((x,), (y,), None, 1.0, 0.0)) == pytest.approx(expected_loss, rel=1e-5)
    torch.testing.assert_close(step.network.gradients, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "behind",
    [
        [],
        [["FCLayer", {"n_units": 5, "activation": "tanh"}]],
        [["ConvLayer", {"n_output_maps": 3, "filter_shape": 2, "activation": "tanh"}]],
        [["DropoutLayer", {"dropout_p": 0.3}]],
        [["MaxPool2DLayer", {"pool_shape": 2}], ["ConvLayer", {"n_output_maps": 3, "filter_shape": 2}]],
    ],
    ids=lambda layers: layers[0][0] if layers else "nothing",
)
def test_whatever_stands_behind_a_rectified_convolution_gets_rectified_values(behind):
    first = ["ConvLayer", {"n_output_maps": 4, "filter_shape": 2, "activation": "relu"}]
    x, y, _ = rows(9, 2 * 6 * 5)
    step = step_of([first, *behind, ["ClassificationOutputLayer", {"W": "glorot_uniform"}]], (2, 6, 5))
    compare(step, [(x.view(9, 2, 6, 5), y, None)])


def test_rectifying_after_pooling_gives_the_bits_of_rectifying_before():
    layers = [
        ["ConvLayer", {"n_output_maps": 6, "filter_shape": 3, "activation": "relu"}],
        ["MaxPool2DLayer", {"pool_shape": 2}],
        ["ClassificationOutputLayer", {"W": "glorot_uniform"}],
    ]
    step = step_of(layers, (1, 9, 9))
    x, y, _ = rows(20, 81)
    parts = [(x.view(20, 1, 9, 9), y, None)]
    (loss,), found = gradients(step, step._gradients, parts)
    (expected_loss,), expected = gradients(step, step._by_autograd, parts)
    assert loss == expected_loss and torch.equal(found, expected)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("pad", [[1, 0], [1, 2]])
@pytest.mark.parametrize("ignore_border", [True, False])
@pytest.mark.parametrize("name", ["MaxPool2DLayer", "AveragePool2DLayer", "without zeros"])
def test_padded_pools_by_hand_are_those_of_torch(name, ignore_border, pad, activation):
    # With steps of 4 a window begins in the last columns.
    stride, ceil = ([1, 2], False) if ignore_border else ([1, 4], True)
    pool = {"pool_shape": [2, 5], "stride": stride, "pad": pad, "ignore_border": ignore_border}
    if name == "without zeros":
        name, pool = "AveragePool2DLayer", pool | {"count_include_pad": False}
    layers = [
        ["ConvLayer", {"name": "conv", "n_output_maps": 3, "filter_shape": [2, 3], "activation": activation}],
        [name, pool],
        ["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}],
    ]
    step = step_of(layers, (2, 5, 9))
    assert step.by_hand == ["input", "conv", "pool1", "out"]
    x, y, _ = rows(5, 2 * 5 * 9)
    x = x.view(5, 2, 5, 9)

    def loss(p):
        z = getattr(functional.conv2d(x, p["conv.W"], p["conv.b"]), activation)()
        if name == "MaxPool2DLayer":
            z = functional.max_pool2d(z, (2, 5), stride, pad, ceil_mode=ceil)
        else:
            counts = pool.get("count_include_pad", True)
            z = functional.avg_pool2d(z, (2, 5), stride, pad, ceil_mode=ceil, count_include_pad=counts)
        return functional.cross_entropy(z.flatten(1) @ p["out.W"] + p["out.b"], y)

    expected_loss, expected = gradients_of_torch(step, loss)
    assert float(step._gradients((x,), (y,), None, 1.0, 0.0)) == pytest.approx(expected_loss, rel=1e-5)
    torch.testing.assert_close(step.network.gradients, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("ignore_border", [True, False])
@pytest.mark.parametrize("name", ["MaxPool1DLayer", "AveragePool1DLayer"])
def test_padded_pools_of_series_by_hand_are_those_of_torch(name, ignore_border):
    # Sixteen padded steps: the last one is left.
    pool = {"pool_length": 3, "stride": 2, "pad": 1, "axes": "NLC", "ignore_border": ignore_border}
    layers = [
        ["FCLayer", {"name": "fc", "n_units": 14, "activation": "tanh"}],
        [name, pool],
        ["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}],
    ]
    step = step_of(layers, (6,))
    assert step.by_hand == ["input", "fc", "pool1", "out"]
    x, y, _ = rows(5, 6)
    function = functional.max_pool1d if name.startswith("Max") else functional.avg_pool1d

    def loss(p):
        z = function((x @ p["fc.W"] + p["fc.b"]).tanh()[:, None], 3, 2, 1, ceil_mode=not ignore_border)
        return functional.cross_entropy(z.flatten(1) @ p["out.W"] + p["out.b"], y)

    expected_loss, expected = gradients_of_torch(step, loss)
    assert float(step._gradients((x,), (y,), None, 1.0, 0.0)) == pytest.approx(expected_loss, rel=1e-5)
    torch.testing.assert_close(step.network.gradients, expected, rtol=1e-4, atol=1e-6)
