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


LSTM = ["LSTMLayer", {"n_units": 2, "only_last": True}]


@pytest.mark.parametrize(
    ("params", "n_in", "expected"),
    [
        ({"lengths": True}, None, Input(lengths=True, steps="x.lengths")),
        ({"lengths": True}, [9, 2], Input(lengths=True, steps="x.lengths", n_steps=9)),
        ({"lengths": True, "n_in": [7, 2]}, None, Input(lengths=True, steps="x.lengths", n_steps=7)),
        ({"lengths": True, "n_in": [7, 2]}, [9, 2], Input(lengths=True, steps="x.lengths", n_steps=9)),
        ({"channel": "a", "lengths": "n"}, {"a": [9, 2]}, Input("a", lengths="n", steps="n", n_steps=9)),
        ({"channel": "a", "offsets": "at"}, None, Input("a", offsets="at", steps="a.lengths")),
        ({"channel": "a", "mask": "m"}, [5], Input("a", mask="m", steps="m", n_steps=5)),
        ({"channel": "a", "n_in": [7, 2]}, [7, 2], Input("a")),
    ],
)
def test_sequences_are_padded_to_the_steps_of_the_run_or_of_the_layer(params, n_in, expected):
    assert list(inputs_of(parse([["InputLayer", params], LSTM, OUTPUT]), n_in)) == [expected]


def test_an_input_layer_without_a_channel_has_no_settings_by_channel():
    layers = [*parse([["InputLayer", {"channel": "a"}], OUTPUT]), *parse([OUTPUT])]
    assert [one.channel for one in inputs_of(layers)] == ["a", None]
    found = complaints_of_channels(layers, FitSettings(axes={"a": "NHW", "None": "NHW"}))
    assert [complaint.path for complaint in found] == [("fit", "axes", "None")]


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
