"""A list of specs as an architecture: names, defaults, shapes, and every fault of the list in one report."""

from __future__ import annotations

import pytest

from arignote.errors import ConfigError
from arignote.layers import FCLayer, Layer, declare, parse

OUTPUT = ["ClassificationOutputLayer", {"n_classes": 3}]


def names_of(*layers):
    return [layer.name for layer in parse([*layers, OUTPUT])]


def test_a_layer_of_a_users_own_needs_no_word_for_its_kind():
    class Same(Layer):
        """What comes in."""

        def build(self, shape):
            return lambda params, x, training: x

    assert names_of(Same(), Same()) == ["input", "layer1", "layer2", "output"]


def test_layers_are_named_by_kind_and_number_around_the_names_that_are_given():
    fc, pool = ["FCLayer", {"n_units": 2}], ["MaxPool2DLayer", {"pool_shape": 2}]
    assert names_of(fc, pool, fc, ["FCMaxoutLayer", {"n_units": 2}]) == [
        "input",
        "fc1",
        "pool1",
        "fc2",
        "fc3",
        "output",
    ]
    assert names_of(fc, ["FCLayer", {"n_units": 2, "name": "fc1"}], fc) == ["input", "fc2", "fc1", "fc3", "output"]
    assert names_of(["InputLayer", {"name": "rows"}], fc) == ["rows", "fc1", "output"]


def test_defaults_reach_the_layers_that_know_them_and_give_way_to_their_own():
    layers = [["FCLayer", {"n_units": 2}], ["DropoutLayer", {}], ["FCLayer", {"n_units": 2, "l2": 0.5}], OUTPUT]
    given = {"l2": 0.25, "dropout_p": 0.125}
    found = parse(layers, given)
    assert [getattr(layer, "l2", None) for layer in found] == [None, 0.25, None, 0.5, 0.25]
    assert found[2].dropout_p == 0.125 and given == {"l2": 0.25, "dropout_p": 0.125}
    with pytest.raises(ConfigError, match=r"layer_defaults.pool: no layer of the list has the parameter 'pool'"):
        parse(layers, given | {"pool": 2})


def test_shapes_go_from_layer_to_layer_and_the_spec_says_everything():
    layers = [
        ["InputImageLayer", {"n_pixels": [9, 8]}],
        ["ConvLayer", {"n_output_maps": 4, "filter_shape": 2, "activation": "relu"}],
        ["MaxPool2DLayer", {"pool_shape": 2}],
        FCLayer(n_units=5, activation="prelu"),
        ["ClassificationOutputLayer"],
    ]
    found = declare(parse(layers), (72,), n_classes=3)
    assert [place.output_shape for place in found.placed] == [(1, 9, 8), (4, 8, 7), (4, 4, 3), (5,), (3,)]
    assert [place.input_shape for place in found.placed] == [(72,), (1, 9, 8), (4, 8, 7), (4, 4, 3), (5,)]
    assert (found.n_in, found.n_classes) == ((72,), 3)
    assert found.n_params == (4 * 4 + 4) + (48 * 5 + 5 + 5) + (5 * 3 + 3)
    again = declare(parse(found.spec()), (72,))
    assert again.spec() == found.spec() and again.table() == found.table()
    assert found.spec()[-1][1]["n_classes"] == 3 and found.spec()[3][1]["name"] == "fc1"


def test_every_fault_of_a_list_is_in_one_report():
    with pytest.raises(ConfigError) as caught:
        parse([["FCLayer", {"n_units": 0, "name": "first"}], ["Dropot", {}], ["Dropout", {"dropout_p": 2}], OUTPUT])
    told = str(caught.value).splitlines()
    assert len(told) == 3
    assert told[0] == "layers[0] (FCLayer 'first'): n_units must be an integer >= 1; got 0"
    assert told[1].startswith("layers[1]: unknown layer 'Dropot'.") and told[2].startswith(
        "layers[2] (Dropout): dropout_p "
    )


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([], r"layers: must be a list of \[Layer, \{parameters\}\]; got \[\]"),
        ("FCLayer", "must be a list of .*; got 'FCLayer'"),
        ([["DropoutLayer", {"dropout_p": 0.1}], ["InputLayer"], OUTPUT], r"layers\[1\] .*must be the first layer"),
        (
            [["FCLayer", {"n_units": 2, "name": "a"}], ["FCLayer", {"n_units": 2, "name": "a"}], OUTPUT],
            r"layers\[1\]: the name 'a' is taken by another layer",
        ),
        ([OUTPUT, OUTPUT], r"layers\[0\] \(ClassificationOutputLayer\): an output layer must be the last layer"),
    ],
)
def test_a_list_in_a_wrong_order_is_told(layers, words):
    with pytest.raises(ConfigError, match=words):
        parse(layers)
