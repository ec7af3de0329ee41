"""What all convolutions have in common: biases of each place against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from beside_autograd import compare, gradients_of_torch, rows, step_of

from arignote import ConfigError
from arignote.layers import declare, parse
from arignote.registry import build

functional = torch.nn.functional
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 3, 7, 6)).astype(np.float32)
SERIES = RNG.normal(size=(2, 3, 9)).astype(np.float32)
VOLUMES = RNG.normal(size=(2, 3, 4, 5, 6)).astype(np.float32)


def of_layer(spec, x):
    """Return the output of a layer, and its parameters as tensors."""
    layer = build("layer", spec)
    params = {
        name: torch.from_numpy(RNG.normal(size=param.shape).astype(np.float32))
        for name, param in layer.declare_params(x.shape[1:]).items()
    }
    found = layer.build(x.shape[1:])(params, torch.from_numpy(x), True)
    assert found.shape[1:] == layer.output_shape(x.shape[1:])
    return found, params


@pytest.mark.parametrize(
    ("name", "x", "window", "shape"),
    [
        ("Conv1D", SERIES, {"filter_length": 3}, (4, 4)),
        ("Conv", IMAGES, {"filter_shape": [3, 2]}, (4, 3, 3)),
        ("Conv3D", VOLUMES, {"filter_shape": 2}, (4, 2, 2, 3)),
    ],
    ids=["series", "images", "volumes"],
)
def test_untied_biases_are_added_to_each_value_of_each_map(name, x, window, shape):
    spec = [name, {"n_output_maps": 4, "stride": 2, "activation": "tanh", "untie_biases": True} | window]
    found, params = of_layer(spec, x)
    assert params["b"].shape == shape and found.shape[1:] == shape
    convolve = {3: functional.conv1d, 4: functional.conv2d, 5: functional.conv3d}[x.ndim]
    sums = convolve(torch.from_numpy(x), params["W"], stride=2).numpy()
    np.testing.assert_allclose(found, np.tanh(sums + params["b"].numpy()), rtol=1e-5, atol=1e-6)
    initial = build("layer", spec).declare_params(x.shape[1:])["b"]
    assert initial.initial.value == 0.0 and initial.unit_axis is None


def test_untied_biases_of_series_with_channels_last_are_by_map_and_step():
    spec = ["Conv1D", {"n_output_maps": 4, "filter_length": 2, "activation": "linear", "untie_biases": True}]
    x = np.ascontiguousarray(SERIES.transpose(0, 2, 1))
    found, params = of_layer([spec[0], spec[1] | {"axes": "NLC"}], x)
    assert params["b"].shape == (4, 8)
    sums = functional.conv1d(torch.from_numpy(SERIES), params["W"]).numpy()
    np.testing.assert_allclose(found.numpy().transpose(0, 2, 1), sums + params["b"].numpy(), rtol=1e-5, atol=1e-6)


def test_untied_biases_of_maxout_and_of_small_networks_belong_to_their_own_sums():
    common = {"n_output_maps": 2, "filter_shape": 3, "untie_biases": True}
    found, params = of_layer(["ConvMaxout", common | {"maxout_k": 3}], IMAGES)
    sums = functional.conv2d(torch.from_numpy(IMAGES), params["W"]).numpy() + params["b"].numpy()
    np.testing.assert_allclose(found, np.stack([sums[:, :3].max(1), sums[:, 3:].max(1)], 1), rtol=1e-5, atol=1e-5)
    found, params = of_layer(["MLPConv", common | {"n_units": [4], "activation": "relu"}], IMAGES)
    assert (params["b"].shape, params["b1"].shape) == ((4, 5, 4), (2, 5, 4))
    x = np.maximum(functional.conv2d(torch.from_numpy(IMAGES), params["W"]).numpy() + params["b"].numpy(), 0)
    x = np.einsum("nchw,mc->nmhw", x, params["W1"].numpy()[:, :, 0, 0]) + params["b1"].numpy()
    np.testing.assert_allclose(found, np.maximum(x, 0), rtol=1e-4, atol=1e-5)


def test_gradients_of_untied_biases_are_those_of_torch_and_left_to_autograd():
    conv = {"name": "conv", "n_output_maps": 3, "filter_shape": 2, "activation": "relu", "untie_biases": True}
    layers = [["ConvLayer", conv], ["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}]]
    step = step_of(layers, (2, 4, 5))
    assert step.by_hand == ["input", "out"]
    x, y, _ = rows(6, 2 * 4 * 5)
    x = x.view(6, 2, 4, 5)

    def loss(p):
        z = (functional.conv2d(x, p["conv.W"]) + p["conv.b"]).relu()
        return functional.cross_entropy(z.flatten(1) @ p["out.W"] + p["out.b"], y)

    expected_loss, expected = gradients_of_torch(step, loss)
    assert float(step._gradients((x,), (y,), None, 1.0, 0.0)) == pytest.approx(expected_loss, rel=1e-5)
    torch.testing.assert_close(step.network.gradients, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "prelu", "tanh"])
def test_gradients_of_convolutions_over_volumes_by_hand_are_those_of_torch(activation):
    conv = {"n_output_maps": 4, "filter_shape": [2, 1, 3], "pad": [1, 0, 1], "dilation": [1, 1, 2], "n_groups": 2}
    layers = [
        ["Conv3DLayer", conv | {"name": "conv", "stride": [1, 2, 1], "activation": activation}],
        ["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}],
    ]
    step = step_of(layers, (2, 3, 4, 5))
    assert step.by_hand == ["input", "conv", "out"]
    x, y, _ = rows(6, 2 * 3 * 4 * 5)
    x = x.view(6, 2, 3, 4, 5)

    def loss(p):
        z = functional.conv3d(x, p["conv.W"], p["conv.b"], (1, 2, 1), (1, 0, 1), (1, 1, 2), 2)
        z = functional.prelu(z, p["conv.a"]) if activation == "prelu" else getattr(z, activation)()
        return functional.cross_entropy(z.flatten(1) @ p["out.W"] + p["out.b"], y)

    expected_loss, expected = gradients_of_torch(step, loss)
    assert float(step._gradients((x,), (y,), None, 1.0, 0.0)) == pytest.approx(expected_loss, rel=1e-5)
    torch.testing.assert_close(step.network.gradients, expected, rtol=1e-4, atol=1e-6)
    compare(step, [(x, y, None)])


def test_layers_behind_a_convolution_over_volumes_give_the_gradients_of_autograd():
    layers = [
        ["Conv3DLayer", {"name": "conv", "n_output_maps": 3, "filter_shape": 2, "activation": "relu"}],
        ["MaxPool3DLayer", {"name": "pool", "pool_shape": 2, "stride": 1}],
        ["BatchNormLayer", {"name": "norm"}],
        ["ActivationLayer", {"name": "f"}],
        ["Conv3DLayer", {"name": "last", "n_output_maps": 4, "filter_shape": 1, "activation": "tanh"}],
        ["GlobalAveragePoolLayer", {"name": "mean"}],
        ["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}],
    ]
    step = step_of(layers, (2, 4, 5, 3))
    # Pooling of volumes has no gradient by hand.
    assert step.by_hand == ["input", "conv", "norm", "f", "last", "mean", "out"]
    x, y, _ = rows(6, 2 * 4 * 5 * 3)
    compare(step, [(x.view(6, 2, 4, 5, 3), y, None)])


@pytest.mark.parametrize("name", ["ConvLayer", "ConvMaxoutLayer", "MLPConvLayer", "Conv1DLayer", "Conv3DLayer"])
def test_untied_biases_without_biases_are_refused(name):
    params = {"n_output_maps": 2, "use_bias": False, "untie_biases": True}
    params |= {"filter_length" if "1D" in name else "filter_shape": 3} | ({"n_units": [2]} if "MLP" in name else {})
    with pytest.raises(ConfigError, match="untie_biases must be false where use_bias is"):
        build("layer", [name, params])


def test_layers_with_untied_biases_share_them_only_for_maps_of_equal_size():
    conv = {"n_output_maps": 1, "filter_shape": 1, "untie_biases": True}
    layers = [
        ["ConvLayer", conv | {"name": "a"}],
        ["MaxPool2DLayer", {"pool_shape": 2, "stride": 1}],
        ["ConvLayer", conv | {"name": "b", "share": "a"}],
        ["ClassificationOutputLayer", {"n_classes": 2}],
    ]
    with pytest.raises(ConfigError, match=r"b: .*share: ConvLayer with parameters of the shapes"):
        declare(parse(layers), (1, 4, 4))
    del layers[1]
    assert declare(parse(layers), (1, 4, 4)).n_params == 1 + 16 + 1 + 2 * 17
