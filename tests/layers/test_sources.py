"""What each layer takes: earlier layers, fields of the data, and the lengths of sequences."""

from __future__ import annotations

import pytest

from arignote.errors import ConfigError
from arignote.layers import declare, parse
from arignote.layers.inputs import InputLayer
from arignote.layers.sources import shape_of_input, steps_of

OUTPUT = ["ClassificationOutputLayer", {"n_classes": 2}]


def test_lengths_are_the_field_behind_the_inputs_for_layers_that_take_steps():
    gru = ["GRULayer", {"n_units": 3}]
    layers = parse([["InputLayer", {"lengths": True, "channel": "x"}], gru, gru, OUTPUT])
    placed = declare(layers, {"x": (5, 2)}).placed
    # The input is field 0, and its lengths are field 1, which the output layer does not take.
    assert [place.fields for place in placed] == [(0,), (1,), (1,), ()]
    assert steps_of(layers) == ["x.lengths"]


@pytest.mark.parametrize(
    ("params", "n_in", "shape"),
    [({}, (3, 4), (3, 4)), ({"n_in": [7]}, None, (7,)), ({"channel": "b"}, {"a": (1,), "b": (2, 3)}, (2, 3))],
)
def test_the_shape_of_an_input_is_that_of_the_data_or_of_the_layer(params, n_in, shape):
    assert shape_of_input(InputLayer(**params), n_in) == shape


def test_a_shape_that_neither_knows_is_asked_for():
    with pytest.raises(ConfigError, match=r"shape of an example is not known: give n_in, or data"):
        shape_of_input(InputLayer(), None)
