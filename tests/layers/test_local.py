"""Locally connected layers against a loop over places in NumPy, and against convolutions of torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError
from arignote.engine.network import Network
from arignote.engine.update import Update
from arignote.layers import declare, parse
from arignote.layers.base import ShapeError
from arignote.registry import build

functional = torch.nn.functional
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 3, 7, 6)).astype(np.float32)
SERIES = RNG.normal(size=(2, 3, 9)).astype(np.float32)


UNTIED_WITHOUT = {"use_bias": False, "untie_biases": True}


def of_layer(spec, x, **given):
    """Return the output of a layer, and its parameters as arrays."""
    layer = build("layer", spec)
    arrays = {
        name: RNG.normal(size=param.shape).astype(np.float32)
        for name, param in layer.declare_params(x.shape[1:]).items()
    } | given
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    found = layer.build(x.shape[1:])(tensors, torch.from_numpy(x), True).numpy()
    assert found.shape[1:] == layer.output_shape(x.shape[1:])
    return found, arrays


def local_sums(x, W, n_output_maps, stride, pad):
    """Return the sum over each window of each map, with the weights of its place: (rows, maps, places row by row)."""
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *((p, p) for p in pad)])
    window = W.shape[2:]
    sizes = [(n - w) // s + 1 for n, w, s in zip(padded.shape[2:], window, stride, strict=True)]
    y = np.zeros((len(x), n_output_maps, *sizes))
    filters = W.reshape(n_output_maps, *sizes, *W.shape[1:])
    for m in range(n_output_maps):
        for place in np.ndindex(*sizes):
            inner = tuple(slice(s * p, s * p + w) for p, s, w in zip(place, stride, window, strict=True))
            y[(slice(None), m, *place)] = (padded[(..., *inner)] * filters[(m, *place)]).reshape(len(x), -1).sum(1)
    return y


@pytest.mark.parametrize(
    ("given", "stride", "pad", "shape"),
    [
        ({"filter_shape": 3}, (1, 1), (0, 0), (4, 5, 4)),
        ({"filter_shape": [2, 3], "stride": [2, 1], "pad": [1, 0]}, (2, 1), (1, 0), (4, 4, 4)),
        ({"filter_shape": 3, "pad": "same", "stride": 3}, (3, 3), (1, 1), (4, 3, 2)),
        ({"filter_shape": [1, 2], "pad": "full"}, (1, 1), (0, 1), (4, 7, 7)),
    ],
    ids=str,
)
@pytest.mark.parametrize("untied", [False, True])
def test_each_place_of_an_image_has_weights_of_its_own(given, stride, pad, shape, untied):
    spec = ["LocallyConnected", given | {"n_output_maps": 4, "activation": "tanh", "untie_biases": untied}]
    found, arrays = of_layer(spec, IMAGES)
    assert found.shape[1:] == shape and arrays["b"].shape == (shape if untied else (4,))
    sums = local_sums(IMAGES, arrays["W"], 4, stride, pad)
    b = arrays["b"] if untied else arrays["b"][:, None, None]
    np.testing.assert_allclose(found, np.tanh(sums + b), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axes", ["NCL", "NLC"])
@pytest.mark.parametrize(
    ("given", "stride", "pad"), [({}, 1, 0), ({"stride": 2, "pad": 1}, 2, 1), ({"pad": "same", "stride": 4}, 4, 1)]
)
def test_each_step_of_a_series_has_weights_of_its_own_and_slopes_are_per_map(given, stride, pad, axes):
    spec = ["LocallyConnected1D", given | {"n_output_maps": 4, "filter_length": 3, "axes": axes}]
    x = SERIES if axes == "NCL" else np.ascontiguousarray(SERIES.transpose(0, 2, 1))
    found, arrays = of_layer(spec, x)
    sums = local_sums(SERIES, arrays["W"], 4, (stride,), (pad,)) + arrays["b"][:, None]
    expected = np.where(sums > 0, sums, arrays["a"][:, None] * sums)
    np.testing.assert_allclose(found if axes == "NCL" else found.transpose(0, 2, 1), expected, rtol=1e-4, atol=1e-5)
    of_one, arrays = of_layer(spec, SERIES[:, 0])
    sums = local_sums(SERIES[:, :1], arrays["W"], 4, (stride,), (pad,)) + arrays["b"][:, None]
    expected = np.where(sums > 0, sums, arrays["a"][:, None] * sums)
    np.testing.assert_allclose(of_one if axes == "NCL" else of_one.transpose(0, 2, 1), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("use_bias", [True, False])
def test_with_equal_weights_at_all_places_it_is_a_convolution(use_bias):
    params = {"n_output_maps": 4, "filter_shape": [3, 2], "stride": 2, "pad": 1, "activation": "linear"}
    W = RNG.normal(size=(4, 3, 3, 2)).astype(np.float32)
    # 7 x 6 pixels and 2 zeros: 4 x 4 places.
    found, arrays = of_layer(["LocallyConnected", params | {"use_bias": use_bias}], IMAGES, W=W.repeat(16, axis=0))
    assert ("b" in arrays) == use_bias
    b = torch.from_numpy(arrays["b"]) if use_bias else None
    expected = functional.conv2d(torch.from_numpy(IMAGES), torch.from_numpy(W), b, 2, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_units_are_places_of_maps_for_initial_weights_and_for_the_largest_norm():
    params = {"n_output_maps": 4, "filter_shape": [3, 2], "maxnorm": 0.5, "activation": "relu", "name": "local"}
    layer = build("layer", ["LocallyConnected", params])
    W = layer.declare_params((3, 7, 6))["W"]
    assert (W.shape, W.fan_in, W.fan_out, W.unit_axis) == ((4 * 25, 3, 3, 2), 18, 24, 0)
    network = Network(declare(parse([layer, ["ClassificationOutputLayer", {"n_classes": 2}]]), (3, 7, 6)))
    network.initialise(1)
    assert network.arrays()["local.W"].std() == pytest.approx((2 / 18) ** 0.5, rel=0.05)
    before = network.named["local.W"].detach().clone()
    norms = before.flatten(1).norm(dim=1)
    assert norms.min() > 0.5
    network.gradients.zero_()
    Update(network, build("updater", "sgd"), None)(0.1, 0.0, 1)
    torch.testing.assert_close(network.named["local.W"].detach(), before * (0.5 / norms)[:, None, None, None])


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match=r"pad 'same' needs a filter of odd height and width; got \[3, 2\]"):
        build("layer", ["LocallyConnected", {"n_output_maps": 1, "filter_shape": [3, 2], "pad": "same"}])
    with pytest.raises(ConfigError, match="untie_biases must be false where use_bias is"):
        build(
            "layer", ["LocallyConnected1D", dict(n_output_maps=1, filter_length=3, use_bias=False, untie_biases=True)]
        )
    with pytest.raises(ShapeError, match="filter_length 5 is larger than its series of 4 steps"):
        build("layer", ["LocallyConnected1D", {"n_output_maps": 1, "filter_length": 5}]).output_shape((3, 4))
    layer = build("layer", ["LocallyConnected", {"n_output_maps": 1, "filter_shape": 3, "stride": 2}])
    assert layer.notes((3, 7, 6)) == ["stride 2 leaves the last 1 of 6 columns out"]
    with pytest.raises(ShapeError, match=r"needs images \(channels, height, width\); got \(64,\)"):
        layer.output_shape((64,))
