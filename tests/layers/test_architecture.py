"""A list of specs as an architecture: names, defaults, shapes, and every fault of the list in one report."""

from __future__ import annotations

import pytest

from arignote.errors import ConfigError
from arignote.layers import FCLayer, InputLayer, Layer, declare, parse
from arignote.layers.base import ParametricLayer
from arignote.layers.output import OutputLayer
from arignote.layers.reshape import C01BToBC01Layer
from arignote.registry import build

OUTPUT = ["ClassificationOutputLayer", {"n_classes": 3}]
NOT_FIRST = "an input layer must be the first layer; where there are several, each names its channel"
UNNAMED = "name must be given, as there are several output layers"
OUTPUTS = '["ClassificationOutputLayer"], or ["RegressionOutputLayer"] for numbers'


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


@pytest.mark.parametrize("name", ["FCLayer", "fc", "fc1", "FCLayr"])
def test_defaults_of_one_layer_or_type_are_an_error_even_if_a_layer_lacks_them(name):
    with pytest.raises(ConfigError) as raised:
        parse([["FCLayer"], OUTPUT], {"l2": 0.1, name: {"n_units": 3}})
    missing, misplaced = str(raised.value).splitlines()
    assert missing == "layers[0] (FCLayer): n_units must be given"
    assert misplaced.startswith(f"layer_defaults.{name}: must be a parameter; got a layer.")
    assert 'layer_defaults={"n_units": 3}' in misplaced


@pytest.mark.parametrize("default", [{"W_init": {"initializer": "he_normal"}}, {"FCLayer": 3}, {"fc1": {}}])
def test_a_default_that_is_no_layer_with_parameters_is_an_unknown_parameter(default):
    [name] = default
    with pytest.raises(ConfigError, match=rf"^layer_defaults.{name}: no layer of the list has the parameter"):
        parse([["FCLayer", {"n_units": 3}], OUTPUT], default)


def test_shapes_are_inferred_from_layer_to_layer_and_the_spec_is_complete():
    layers = [
        ["InputImageLayer", {"n_pixels": [9, 8]}],
        ["ConvLayer", {"n_output_maps": 4, "filter_shape": 2, "activation": "relu"}],
        ["MaxPool2DLayer", {"pool_shape": 2}],
        FCLayer(n_units=5, activation="prelu"),
        ["ClassificationOutputLayer"],
    ]
    found = declare(parse(layers), (72,), n_outputs=3)
    assert [place.output_shape for place in found.placed] == [(1, 9, 8), (4, 8, 7), (4, 4, 3), (5,), (3,)]
    assert [place.input_shape for place in found.placed] == [(72,), (1, 9, 8), (4, 8, 7), (4, 4, 3), (5,)]
    assert (found.n_in, found.n_outputs) == ((72,), {"output": 3})
    assert found.n_params == (4 * 4 + 4) + (48 * 5 + 5 + 5) + (5 * 3 + 3)
    again = declare(parse(found.spec()), (72,))
    assert again.spec() == found.spec() and again.placed == found.placed
    assert found.spec()[-1][1]["n_classes"] == 3 and found.spec()[3][1]["name"] == "fc1"


def test_every_error_of_a_list_is_in_one_report():
    with pytest.raises(ConfigError) as caught:
        parse([["FCLayer", {"n_units": 0, "name": "first"}], ["Dropot", {}], ["Dropout", {"dropout_p": 2}], OUTPUT])
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[0] == "layers[0] (FCLayer 'first'): n_units must be an integer >= 1; got 0"
    assert lines[1].startswith("layers[1]: unknown layer 'Dropot'.") and lines[2].startswith(
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
        ([OUTPUT, ["FCLayer", {"n_units": 2}]], r"layers\[1\]: the last layer must be an output layer"),
        ([OUTPUT, OUTPUT], rf"layers\[0\] \(ClassificationOutputLayer\): {UNNAMED}"),
    ],
)
def test_a_list_in_a_wrong_order_is_reported(layers, words):
    with pytest.raises(ConfigError, match=words):
        parse(layers)


def test_parameters_are_counted_without_what_layers_keep_for_themselves():
    layers = [
        ["ConvLayer", {"n_output_maps": 4, "filter_shape": [2, 3], "activation": "prelu_shelf"}],
        ["BatchNormLayer"],
        ["MaxPool2DLayer", {"pool_shape": 2}],
        ["FCMaxoutLayer", {"n_units": 5, "maxout_k": 2, "fix_params": True}],
        OUTPUT,
    ]
    found = declare(parse(layers), (2, 5, 6))
    # Maps of 4 x 4, pooled to 2 x 2.
    counts = [0, 4 * 2 * 6 + 4 + 4 + 4, 4 + 4, 0, 4 * 2 * 2 * 10 + 10, 5 * 3 + 3]
    assert [place.n_params for place in found.placed] == counts and found.n_params == sum(counts)


def test_examples_of_another_shape_may_go_through_the_same_parameters():
    pooled = [["ConvLayer", {"n_output_maps": 4, "filter_shape": 2}], ["GlobalAveragePoolLayer"], OUTPUT]
    found = declare(parse(pooled), (2, 5, 6))
    assert found.takes((2, 5, 6)) and found.takes((2, 9, 9))
    assert not found.takes((3, 5, 6)) and not found.takes((2, 1, 6)) and not found.takes((60,))
    dense = declare(parse([OUTPUT]), (6,))
    assert dense.takes((6,)) and dense.takes((2, 3)) and not dense.takes((7,))


@pytest.mark.parametrize(
    ("shape", "reported"),
    [
        ((8, 8, 3), True),
        ((8, 8, 4), True),
        ((8, 8, 1), True),
        ((5, 9, 4), True),
        ((9, 5, 4), True),
        # Five are no channels, and four rows or columns no image.
        ((8, 8, 5), False),
        ((4, 9, 3), False),
        ((9, 4, 3), False),
        ((3, 8, 8), False),
    ],
)
def test_images_whose_channels_seem_to_be_last_are_reported(shape, reported):
    hint = f"conv1: input {shape} reads as {shape[0]} channels; if channels are last, write axes: NHWC"
    conv = ["ConvLayer", {"n_output_maps": 2, "filter_shape": 1}]
    assert declare(parse([conv, OUTPUT]), shape).notes == ([hint] if reported else [])
    # Dense layers do not mind, nor do maps that an earlier layer has made.
    assert declare(parse([["FCLayer", {"n_units": 2}], OUTPUT]), shape).notes == []


def test_hints_are_of_what_comes_to_the_network():
    conv = ["ConvLayer", {"n_output_maps": 9, "filter_shape": [1, 7]}]
    small = ["ConvLayer", {"n_output_maps": 2, "filter_shape": 9}]
    images = ["InputImageLayer", {"n_pixels": [8, 9], "n_images": 2}]
    assert (
        declare(parse([images, conv, ["ConvLayer", {"n_output_maps": 2, "filter_shape": 1}], OUTPUT]), (144,)).notes
        == []
    )
    with pytest.raises(ConfigError) as caught:
        declare(parse([conv, small, OUTPUT]), (2, 8, 9))
    assert str(caught.value) == "conv2: filter_shape [9, 9] is larger than its map [8, 3]"
    with pytest.raises(ConfigError) as caught:
        declare(parse([small, OUTPUT]), (8, 9, 3))
    hint = "input (8, 9, 3) reads as 8 channels; if channels are last, write axes: NHWC"
    assert str(caught.value) == f"conv1: filter_shape [9, 9] is larger than its map [9, 3]. {hint}"
    with pytest.raises(ConfigError, match=r"input \(8, 9\) has no channels; if these are images, write axes: NHW$"):
        declare(parse([["DropoutLayer", {"dropout_p": 0.5}], small, OUTPUT]), (8, 9))


def test_notes_name_their_layer_in_order():
    layers = [
        ["InputImageLayer", {"n_pixels": 8}],
        ["C01BToBC01Layer"],
        ["MaxPool2DLayer", {"pool_shape": 3}],
        ["ConvLayer", {"name": "mine", "n_output_maps": 2, "filter_shape": 1, "stride": 2}],
        OUTPUT,
    ]
    between = "stride 2 is larger than the window 1: {} between windows are left out"
    assert declare(parse(layers), (64,)).notes == [
        "axes1: does nothing: axes are (batch, channels, height, width) throughout",
        "pool1: stride 3 leaves the last 2 of 8 rows out",
        "pool1: stride 3 leaves the last 2 of 8 columns out",
        "mine: stride 2 leaves the last 1 of 2 rows out",
        f"mine: {between.format('rows')}",
        "mine: stride 2 leaves the last 1 of 2 columns out",
        f"mine: {between.format('columns')}",
    ]


def test_explicit_names_are_skipped_however_many():
    fc, own = ["FCLayer", {"n_units": 2}], [["FCLayer", {"n_units": 2, "name": name}] for name in ("fc1", "fc2", "fc4")]
    assert names_of(fc, *own, fc, fc) == ["input", "fc3", "fc1", "fc2", "fc4", "fc5", "fc6", "output"]
    assert names_of(["InputLayer"], fc, fc) == ["input", "fc1", "fc2", "output"]
    last = ["ClassificationOutputLayer", {"n_classes": 3, "name": "classes"}]
    assert [layer.name for layer in parse([fc, last])] == ["input", "fc1", "classes"]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (
            [["FCLayer", {"n_units": 2}]],
            [f"layers[0]: the last layer must be an output layer: {OUTPUTS}"],
        ),
        (
            [["InputLayer"], ["FCLayer", {"n_units": 2}]],
            [f"layers[1]: the last layer must be an output layer: {OUTPUTS}"],
        ),
        (
            [["InputLayer"], OUTPUT, OUTPUT],
            [f"layers[{n}] (ClassificationOutputLayer): {UNNAMED}" for n in (1, 2)],
        ),
        (
            [["FCLayer", {"n_units": 2}], ["InputImageLayer", {"n_pixels": 2}], OUTPUT],
            [f"layers[1] (InputImageLayer): {NOT_FIRST}"],
        ),
        (
            [["InputLayer"], ["InputLayer"], OUTPUT],
            [f"layers[1] (InputLayer): {NOT_FIRST}"],
        ),
        (
            [["InputLayer", {"name": "a"}], ["FCLayer", {"n_units": 2, "name": "a"}], OUTPUT],
            ["layers[1]: the name 'a' is taken by another layer"],
        ),
    ],
    ids=str,
)
def test_the_place_of_a_layer_that_stands_wrong_is_reported(layers, expected):
    with pytest.raises(ConfigError) as caught:
        parse(layers)
    assert str(caught.value).splitlines() == expected


@pytest.mark.parametrize(
    ("layers", "defaults", "expected"),
    [
        (None, None, "layers: must be a list of [Layer, {parameters}]; got None"),
        ([OUTPUT], ["l2"], "layer_defaults: must be a mapping; got ['l2']"),
        (
            [["FCLayer", {"n_units": 0}], OUTPUT],
            {"pool": 2},
            "layers[0] (FCLayer): n_units must be an integer >= 1; got 0",
        ),
        ([3, OUTPUT], None, None),
    ],
    ids=str,
)
def test_an_error_is_reported_with_its_place(layers, defaults, expected):
    with pytest.raises(ConfigError) as caught:
        parse(layers, defaults)
    assert str(caught.value) == expected if expected else str(caught.value).startswith("layers[0]: ")


def test_layers_that_are_built_take_no_defaults():
    built = FCLayer(n_units=2)
    assert parse([built, OUTPUT], {"l2": 0.5})[1].l2 == 0.0
    assert parse([InputLayer(), C01BToBC01Layer(), OUTPUT])[1].name == "axes1" and built.name is None
    assert parse([FCLayer(n_units=2), OUTPUT])[1] == build("layer", ["FCLayer", {"n_units": 2, "name": "fc1"}])


def test_a_network_without_parameters_has_no_notes():
    class Bare(OutputLayer):
        """The logits are what comes in."""

        @property
        def target_spec(self):
            return ["classes", {}]

        def to_predictions(self):
            return lambda logits: logits

        def build(self, shape):
            return lambda params, x, training: x

    found = declare(parse([Bare()]), (2, 3), n_outputs=2)
    assert found.notes == [] and found.n_params == 0 and found.takes((9, 9))


def test_one_layer_in_place_of_a_list_is_answered_with_the_list():
    with pytest.raises(ConfigError) as caught:
        parse(["FCLayer", {"n_units": 3}])
    message = str(caught.value).replace('"', "").replace("'", "")
    assert "must be a list of layers; got a single one" in message
    assert "layers=[[FCLayer, {n_units: 3}], [ClassificationOutputLayer]]" in message.replace("layers = ", "layers=")
    # Two names are two layers.
    assert [layer.name for layer in parse(["InputLayer", "ClassificationOutputLayer"])] == ["input", "output"]


def test_a_default_in_the_words_of_another_library_is_answered_in_ours():
    with pytest.raises(ConfigError) as caught:
        parse([["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]], {"units": 64})
    message = str(caught.value)
    assert "no layer of the list has the parameter 'units'" in message and "n_units" in message and "64" in message


def test_names_that_were_made_are_taken_too():
    # The second unnamed layer would be fc2, which is the name of a third.
    layers = [["FCLayer", {"n_units": 3}], ["FCLayer", {"n_units": 3}], ["FCLayer", {"name": "fc2", "n_units": 3}]]
    assert [layer.name for layer in parse([*layers, OUTPUT])] == ["input", "fc1", "fc3", "fc2", "output"]


@pytest.mark.parametrize(
    ("n_in", "hint"),
    [((4, 5, 2), "axes: NHWC"), ((5, 2, 4), "axes: NCHW"), ((7, 9, 2), None)],
)
def test_images_in_another_order_than_the_input_layer_has_them_are_answered_with_axes(n_in, hint):
    layers = parse([["InputImageLayer", {"n_images": 2, "n_pixels": [4, 5]}], OUTPUT])
    with pytest.raises(ConfigError) as caught:
        declare(layers, n_in, 3)
    assert (hint or "axes: ") in str(caught.value) if hint else "set axes" not in str(caught.value)


def test_the_shape_of_an_example_must_be_known():
    with pytest.raises(ConfigError, match="the shape of an example is not known: give n_in, or data"):
        declare(parse([["FCLayer", {"n_units": 3}], OUTPUT]), None, 3)


def test_several_inputs_have_their_shapes_by_channel_and_fields_in_their_order():
    layers = parse(
        [
            ["InputLayer", {"channel": "a", "lengths": "n"}],
            ["LSTMLayer", {"n_units": 2, "only_last": True}],
            ["InputLayer", {"channel": "b", "n_in": [3]}],
            ["ConcatLayer", {"inputs": ["lstm1", "b"]}],
            OUTPUT,
        ]
    )
    found = declare(layers, {"a": (5, 2)})
    assert found.n_in == {"a": (5, 2), "b": (3,)} and [place.name for place in found.inputs] == ["a", "b"]
    # The rows of a and of b, and the lengths of a.
    assert found.n_fields == 3 and [place.fields for place in found.placed] == [(0,), (2,), (1,), (), ()]
    assert [place.takes_list for place in found.placed] == [False, True, False, True, False]
    assert found.takes({"a": (9, 2), "b": (3,)}) and not found.takes({"a": (5, 3), "b": (3,)})
    with pytest.raises(ConfigError, match="the shape of an example of the channel 'a' is not known: give n_in"):
        declare(layers, {"b": (3,)})


def test_a_network_of_one_input_has_one_field_and_its_shape_alone():
    found = declare(parse([["InputLayer", {"channel": "a"}], OUTPUT]), {"a": (4,)})
    assert found.n_in == (4,) and found.n_fields == 1
    with_lengths = declare(
        parse([["InputLayer", {"lengths": True, "n_in": [5]}], ["GRULayer", {"n_units": 2}], OUTPUT]), None
    )
    assert with_lengths.n_in == (5,) and with_lengths.n_fields == 2


def test_the_numbers_of_outputs_of_several_are_given_by_name():
    layers = [["ClassificationOutputLayer", {"name": "kind"}], ["RegressionOutputLayer", {"name": "size"}]]
    found = declare(parse(layers), (4,), {"size": 2, "kind": 5})
    assert found.n_outputs == {"kind": 5, "size": 2}


def test_a_factor_of_the_learning_rate_needs_parameters():
    class Plain(ParametricLayer):
        def build(self, shape):
            return lambda params, x, training: x

    assert declare([Plain(name="plain"), *parse(["ClassificationOutputLayer"])], (4,), 2).n_params == 10
    with pytest.raises(ConfigError) as raised:
        declare([Plain(name="plain", lr_factor=0.5), *parse(["ClassificationOutputLayer"])], (4,), 2)
    expected = "lr_factor must be left out, as the layer has no parameters; got 0.5"
    assert str(raised.value) == f"plain: {expected}", str(raised.value)
    with pytest.raises(ConfigError, match="activation1: lr_factor must be left out"):
        declare(
            parse([["ActivationLayer", {"activation": "relu", "lr_factor": 0.5}], "ClassificationOutputLayer"]), (4,), 2
        )
    with pytest.raises(ConfigError, match="unknown parameter 'lr_factor'"):
        parse([["DropoutLayer", {"dropout_p": 0.5, "lr_factor": 0.5}], "ClassificationOutputLayer"])


def test_code_of_a_user_is_known_as_such():
    class Same(Layer):
        """What comes in."""

        def build(self, shape):
            return lambda params, x, training: x

    assert declare(parse([Same(), OUTPUT]), (4,)).is_custom
    assert not declare(parse([OUTPUT]), (4,)).is_custom
