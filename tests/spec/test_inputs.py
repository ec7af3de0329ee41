"""What input layers declare of the data, and settings by channel."""

from __future__ import annotations

import pytest

from arignote.data.inputs import Input
from arignote.layers import parse
from arignote.spec.inputs import complaints_of_channels, inputs_of
from arignote.spec.settings import FitSettings

OUTPUT = ["ClassificationOutputLayer", {"n_classes": 2}]
ONE = [["InputImageLayer", {"n_pixels": [3, 4], "n_images": 2}], OUTPUT]
NAMED = [["InputLayer", {"channel": "a"}], OUTPUT]
TWO = [
    ["InputImageLayer", {"channel": "a", "n_pixels": 4}],
    ["FCLayer", {"n_units": 3}],
    ["InputLayer", {"channel": "b"}],
    ["ConcatLayer", {"inputs": ["fc1", "b"]}],
    OUTPUT,
]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (ONE, [Input(None, (2, 3, 4))]),
        ([["InputLayer", {"n_in": [2, 3, 4]}], OUTPUT], [Input()]),
        ([OUTPUT], [Input()]),
        (NAMED, [Input("a")]),
        (TWO, [Input("a", (1, 4, 4)), Input("b")]),
    ],
)
def test_input_layers_declare_channels_and_images_in_their_order(layers, expected):
    assert list(inputs_of(parse(layers))) == expected


def test_rows_of_a_run_that_was_trained_on_flat_rows_are_no_images():
    layers = parse([["InputImageLayer", {"n_pixels": 4}], OUTPUT])
    assert inputs_of(layers, [1, 4, 4])[0].image == (1, 4, 4) and inputs_of(layers, [16])[0].image is None
    assert inputs_of(parse(TWO), {"a": [1, 4, 4], "b": [2]})[0].image == (1, 4, 4)
    assert inputs_of(parse(TWO), {"a": [16], "b": [2]})[0].image is None


@pytest.mark.parametrize(
    ("layers", "settings", "words"),
    [
        (TWO, {"preprocess": {"a": "Standardise", "b": [["Scale", {"divide_by": 2}]]}, "axes": {"a": "NHWC"}}, []),
        (NAMED, {"preprocess": {"a": "Standardise"}}, []),
        (ONE, {"preprocess": "Standardise", "axes": "NHWC"}, []),
        (TWO, {"preprocess": "Standardise"}, ["preprocess must be a mapping, {a: ..., b: ...}, as there are several"]),
        (TWO, {"axes": "NHWC"}, ["axes must be a mapping"]),
        (TWO, {"axes": {"c": "NHW"}}, ["no input layer takes the channel 'c'. Channels: 'a', 'b'"]),
        (ONE, {"preprocess": {"a": "Standardise"}}, ["no input layer takes the channel 'a'. Channels: none"]),
    ],
)
def test_settings_by_channel_that_suit_no_channel_are_reported(layers, settings, words):
    found = [complaint.message for complaint in complaints_of_channels(parse(layers), FitSettings(**settings))]
    assert len(found) == len(words) and all(map(str.startswith, found, words))
