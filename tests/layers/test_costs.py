"""What layers cost: multiply-adds worked out by hand, and bytes of outputs."""

from __future__ import annotations

import pytest

from arignote.layers import declare, parse
from arignote.layers.costs import costs_of

OUTPUT = ["ClassificationOutputLayer", {"n_classes": 3}]


def costs(shape, *layers):
    return {one.name: one for one in costs_of(declare(parse([*layers, OUTPUT]), shape))}


def test_each_layer_has_its_type_shape_and_numbers():
    image = ["InputImageLayer", {"n_images": 3, "n_pixels": 32}]
    conv = ["ConvLayer", {"n_output_maps": 16, "filter_shape": 5, "activation": "relu"}]
    found = costs((3072,), image, conv, ["MaxPool2DLayer", {"pool_shape": 2}])
    # 28 x 28 windows of 5 x 5 pixels of 3 maps, for each of 16 maps; four bytes a value.
    assert [tuple(one) for one in found.values()] == [
        ("input", "InputImageLayer", (3, 32, 32), 0, 0, 12_288),
        ("conv1", "ConvLayer", (16, 28, 28), 1_216, 940_800, 50_176),
        ("pool1", "MaxPool2DLayer", (16, 14, 14), 0, 0, 12_544),
        ("output", "ClassificationOutputLayer", (3,), 9_411, 9_408, 12),
    ]


@pytest.mark.parametrize(
    ("shape", "layer", "by_hand"),
    [
        ((2, 5), ["FCLayer", {"n_units": 7}], 10 * 7),
        ((10,), ["FCMaxoutLayer", {"n_units": 7, "maxout_k": 4}], 10 * 7 * 4),
        # 3 x 4 windows.
        ((4, 5, 6), ["ConvLayer", {"n_output_maps": 6, "filter_shape": 3}], 12 * 4 * 9 * 6),
        ((4, 5, 6), ["ConvLayer", {"n_output_maps": 6, "filter_shape": 3, "n_groups": 2}], 12 * 2 * 9 * 6),
        ((4, 5, 6), ["ConvLayer", {"n_output_maps": 6, "filter_shape": 3, "stride": 2}], 2 * 2 * 4 * 9 * 6),
        ((4, 5, 6), ["ConvLayer", {"n_output_maps": 6, "filter_shape": 3, "pad": "same"}], 30 * 4 * 9 * 6),
        ((4, 5, 6), ["ConvMaxoutLayer", {"n_output_maps": 6, "filter_shape": 3, "maxout_k": 2}], 12 * 4 * 9 * 12),
        # The small network is 36 values, 5 units, 6 maps.
        ((4, 5, 6), ["MLPConvLayer", {"n_output_maps": 6, "filter_shape": 3, "n_units": [5]}], 12 * (36 * 5 + 5 * 6)),
        ((2, 9), ["Conv1DLayer", {"n_output_maps": 6, "filter_length": 3}], 7 * 2 * 3 * 6),
        ((9, 2), ["Conv1DLayer", {"n_output_maps": 6, "filter_length": 3, "axes": "NLC"}], 7 * 2 * 3 * 6),
        ((5, 3), ["LSTMLayer", {"n_units": 4}], 5 * 4 * (3 * 4 + 4 * 4)),
        ((5, 3), ["LSTMLayer", {"n_units": 4, "only_last": True, "peepholes": True}], 5 * 4 * (3 * 4 + 4 * 4)),
        ((5, 3), ["GRULayer", {"n_units": 4, "bidirectional": True}], 5 * 3 * 2 * (3 * 4 + 4 * 4)),
        # The second layer takes the outputs of both directions.
        (
            (5, 3),
            ["GRULayer", {"n_units": 4, "bidirectional": True, "n_layers": 2}],
            5 * 3 * 2 * (3 * 4 + 4 * 4 + 8 * 4 + 4 * 4),
        ),
        ((5,), ["RecurrentLayer", {"n_units": 4}], 5 * (1 * 4 + 4 * 4)),
        ((5,), ["EmbeddingLayer", {"n_tokens": 9, "n_units": 4}], 0),
        ((4, 5, 6), ["BatchNormLayer"], 0),
        ((4, 5), ["TorchLayer", {"module": "torch.nn:Linear", "params": {"in_features": 5, "out_features": 7}}], 140),
    ],
    ids=lambda value: str(value),
)
def test_multiply_adds_are_those_by_hand(shape, layer, by_hand):
    name = next(name for name in costs(shape, layer) if name not in ("input", "output"))
    assert costs(shape, layer)[name].n_multiply_adds == by_hand


def test_a_layer_that_shares_parameters_works_as_much_but_has_none():
    fc = {"n_units": 4, "activation": "relu"}
    found = costs((4,), ["FCLayer", {"name": "a", **fc}], ["FCLayer", {"name": "b", "share": "a", **fc}])
    assert [found[name].n_multiply_adds for name in ("a", "b")] == [16, 16]
    assert [found[name].n_params for name in ("a", "b")] == [20, 0]


def test_an_output_of_each_step_works_at_each_step():
    layers = [["LSTMLayer", {"n_units": 4}], ["ClassificationOutputLayer", {"n_classes": 3, "per_step": True}]]
    *_, output = costs_of(declare(parse(layers), (5, 3)))
    assert output.n_multiply_adds == 5 * 4 * 3 and output.n_bytes == 4 * 5 * 3


def test_ranks_have_one_score():
    *_, output = costs_of(declare(parse([["OrdinalOutputLayer", {"n_classes": 5}]]), (6,)))
    assert output.n_multiply_adds == 6
