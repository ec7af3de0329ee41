"""Initial weights of layers: what suits their activation, and the fans that count their connections."""

from __future__ import annotations

import pytest

from arignote.layers import declare, parse
from arignote.registry import build


@pytest.mark.parametrize(
    ("layer", "name", "fans", "initial"),
    [
        (["FCLayer", {"n_units": 5, "activation": "tanh"}], "W", (75, 5), ["glorot_uniform", {"gain": 1.0}]),
        (["FCLayer", {"n_units": 5, "activation": "sigmoid"}], "W", (75, 5), ["glorot_uniform", {"gain": 4.0}]),
        (["FCLayer", {"n_units": 5, "activation": "relu"}], "W", (75, 5), ["he_normal", {"gain": 1.0}]),
        (["FCLayer", {"n_units": 5}], "W", (75, 5), ["he_normal", {"gain": (1 + 0.25**2) ** -0.5}]),
        (["FCMaxoutLayer", {"n_units": 5}], "W", (75, 5), ["he_normal", {"gain": 2**-0.5}]),
        (
            ["ConvLayer", {"n_output_maps": 7, "filter_shape": [2, 4], "activation": "relu"}],
            "W",
            (3 * 2 * 4, 7 * 2 * 4),
            ["he_normal", {"gain": 1.0}],
        ),
        (
            ["MLPConvLayer", {"n_output_maps": 7, "filter_shape": 2, "n_units": [6], "activation": "tanh"}],
            "W1",
            (6, 7),
            ["glorot_uniform", {"gain": 1.0}],
        ),
        (["ClassificationOutputLayer", {"n_classes": 4}], "W", (75, 4), ["constant", {"value": 0.0}]),
    ],
)
def test_weights_suit_their_activation_and_count_their_connections(layer, name, fans, initial):
    layers = [layer] if "Output" in layer[0] else [layer, ["ClassificationOutputLayer", {"n_classes": 2}]]
    param = declare(parse(layers), (3, 5, 5)).placed[1].params[name]
    assert (param.fan_in, param.fan_out) == fans
    assert param.initial == build("initializer", initial)
