"""How large batches without training are is a rule of shapes."""

from __future__ import annotations

import pytest

from arignote.engine.network import Network
from arignote.engine.step import validation_rows
from arignote.layers import declare, parse

OUTPUT = ["ClassificationOutputLayer"]


def conv(n_maps):
    return ["ConvLayer", {"n_output_maps": n_maps, "filter_shape": 5, "activation": "relu"}]


@pytest.mark.parametrize(
    ("layers", "shape", "n_rows"),
    [
        ([["FCLayer", {"n_units": 32}]], (64,), 2048),
        (
            [["FCLayer", {"n_units": 400}], ["DropoutLayer", {"dropout_p": 0.5}], ["FCLayer", {"n_units": 400}]],
            (784,),
            2048,
        ),
        ([conv(32), ["MaxPool2DLayer", {"pool_shape": 2}], conv(64)], (1, 28, 28), 256),
        ([conv(64)], (3, 224, 224), 16),
    ],
)
def test_the_rows_of_a_batch_follow_from_what_layers_put_out(layers, shape, n_rows):
    assert validation_rows(Network(declare(parse([*layers, OUTPUT]), shape, 10))) == n_rows
