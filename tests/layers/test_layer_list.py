"""From a list of specs to named and linked layers: what takes what, blocks, and the place of what is wrong."""

from __future__ import annotations

import json

import pytest

from arignote import ConfigError
from arignote.layers import declare, parse
from arignote.layers.block import Block
from arignote.layers.dense import FCLayer
from arignote.layers.entries import local_names
from arignote.layers.loading import StoredTensor
from arignote.registry import build
from arignote.spec.config import layers_of, read_config

OUTPUT = ["ClassificationOutputLayer", {"n_classes": 3}]


def fc(name=None, n_units=4, **more):
    return ["FCLayer", {"n_units": n_units} | ({"name": name} if name else {}) | more]


def add(*inputs, name=None):
    return ["SumLayer", {"inputs": list(inputs)} | ({"name": name} if name else {})]


def links(*layers):
    """Return the names of what each layer takes, by its name."""
    placed = declare(parse([*layers]), (4,)).placed
    return {place.name: [placed[source].name for source in place.sources] for place in placed}


def errors(layers, defaults=None):
    with pytest.raises(ConfigError) as raised:
        parse(layers, defaults)
    return str(raised.value).splitlines()


def test_by_default_each_layer_takes_the_one_before():
    assert links(fc(), ["DropoutLayer", {"dropout_p": 0.5}], fc(), OUTPUT) == {
        "input": [],
        "fc1": ["input"],
        "dropout1": ["fc1"],
        "fc2": ["dropout1"],
        "output": ["fc2"],
    }


def test_a_layer_takes_what_it_names():
    assert links(fc(), fc(input="input"), fc(input="fc1"), add("fc2", "fc3", "input"), OUTPUT) == {
        "input": [],
        "fc1": ["input"],
        "fc2": ["input"],
        "fc3": ["fc1"],
        "sum1": ["fc2", "fc3", "input"],
        "output": ["sum1"],
    }


def test_input_is_none_if_it_is_the_layer_before():
    layers = parse([fc("a", input="input"), fc("b", input="a"), fc("c", input="a"), add("b", "c"), OUTPUT])
    assert [layer.input for layer in layers] == [None, None, None, "a", None, None]
    # The same network in other words has the same spec.
    plain = parse([fc("a"), fc("b"), fc("c", input="a"), add("b", "c"), OUTPUT])
    assert declare(plain, (4,)).spec() == declare(layers, (4,)).spec()


def test_the_list_and_its_specs_are_not_changed():
    layers = [fc("a"), ["Block", {"layers": [fc("b", input="in"), add("b", "in")]}], OUTPUT]
    before = json.dumps(layers)
    parse(layers, {"l2": 0.1})
    assert json.dumps(layers) == before


def test_nothing_follows_an_output_layer_by_default():
    first, second = (["ClassificationOutputLayer", {"n_classes": 3, "name": name}] for name in ("first", "second"))
    layers = [fc(), first, fc(), second]
    assert links(*layers) == {
        "input": [],
        "fc1": ["input"],
        "first": ["fc1"],
        "fc2": ["fc1"],
        "second": ["fc2"],
    }
    assert [layer.input for layer in parse(layers)] == [None] * 5
    # It does if it is named.
    assert links(fc(), first, fc(input="first"), second)["fc2"] == ["first"]


def test_within_a_block_in_is_its_input():
    block = ["Block", {"name": "res", "layers": [fc("a", input="in"), fc("b"), add("b", "in", name="sum")]}]
    assert links(fc(), block, OUTPUT) == {
        "input": [],
        "fc1": ["input"],
        "res-1-a": ["fc1"],
        "res-1-b": ["res-1-a"],
        "res-1-sum": ["res-1-b", "fc1"],
        "output": ["res-1-sum"],
    }


def test_each_repetition_takes_the_last_layer_of_the_one_before():
    block = ["Block", {"repeat": 3, "layers": [fc(), add("fc1", "in")]}]
    found = links(block, OUTPUT)
    assert found == {
        "input": [],
        "block1-1-fc1": ["input"],
        "block1-1-sum1": ["block1-1-fc1", "input"],
        "block1-2-fc1": ["block1-1-sum1"],
        "block1-2-sum1": ["block1-2-fc1", "block1-1-sum1"],
        "block1-3-fc1": ["block1-2-sum1"],
        "block1-3-sum1": ["block1-3-fc1", "block1-2-sum1"],
        "output": ["block1-3-sum1"],
    }


def test_the_name_of_a_block_is_that_of_its_last_layer():
    block = ["Block", {"name": "res", "repeat": 2, "layers": [fc("a")]}]
    found = links(block, fc("b"), add("res", "b"), fc(input="res"), add("sum1", "fc1", "res-1-a"), OUTPUT)
    assert found["b"] == ["res-2-a"] and found["sum1"] == ["res-2-a", "b"] and found["fc1"] == ["res-2-a"]
    # Layers of a block have names for all that stands behind them.
    assert found["sum2"] == ["sum1", "fc1", "res-1-a"]


def test_a_block_takes_the_layer_that_it_names():
    block = ["Block", {"name": "side", "input": "a", "layers": [fc("c")]}]
    assert links(fc("a"), fc("b"), block, add("side", "b"), OUTPUT)["side-1-c"] == ["a"]


def test_outer_names_reach_into_blocks_and_inner_names_come_first():
    inner = ["Block", {"name": "inner", "layers": [fc("b"), add("b", "a", "c", "in", name="s")]}]
    outer = ["Block", {"name": "outer", "layers": [fc("b"), inner, add("b", "inner", name="s")]}]
    assert links(fc("a"), fc("c"), outer, OUTPUT) == {
        "input": [],
        "a": ["input"],
        "c": ["a"],
        "outer-1-b": ["c"],
        "outer-1-inner-1-b": ["outer-1-b"],
        "outer-1-inner-1-s": ["outer-1-inner-1-b", "a", "c", "outer-1-b"],
        "outer-1-s": ["outer-1-b", "outer-1-inner-1-s"],
        "output": ["outer-1-s"],
    }


def test_a_repeated_block_in_a_repeated_block():
    inner = ["Block", {"name": "b", "repeat": 2, "layers": [fc("x")]}]
    found = links(["Block", {"name": "a", "repeat": 2, "layers": [inner]}], OUTPUT)
    assert list(found) == ["input", "a-1-b-1-x", "a-1-b-2-x", "a-2-b-1-x", "a-2-b-2-x", "output"]
    assert list(found.values()) == [[], ["input"], ["a-1-b-1-x"], ["a-1-b-2-x"], ["a-2-b-1-x"], ["a-2-b-2-x"]]


def loaded(block):
    return [layer.load_params for layer in parse([block, OUTPUT])[1:-1]]


def test_each_repetition_of_a_block_loads_parameters_that_its_number_names():
    def block(load, repeat=2):
        return ["Block", {"name": "a", "repeat": repeat, "layers": [fc("x", load_params=load)]}]

    assert loaded(block("res-{n}-fc")) == ["res-1-fc", "res-2-fc"]
    assert loaded(block("{n+9}.{n-1}")) == ["10.0", "11.1"]
    mapping = {"W": {"name": "layer.{n-1}.weight", "transpose": True}, "b": "bias"}
    assert loaded(block(mapping)) == [
        {"W": StoredTensor(f"layer.{n}.weight", True), "b": StoredTensor("bias")} for n in (0, 1)
    ]
    assert loaded(block(True)) == [True, True]
    # Without a repetition there is no number.
    assert loaded(block("fc{n}", repeat=1)) == ["fc{n}"] and loaded(block("fc", repeat=1)) == ["fc"]
    # The number is that of the innermost block that is repeated.
    inner = ["Block", {"name": "b", "layers": [fc("x", load_params="w{n}")]}]
    assert loaded(["Block", {"name": "a", "repeat": 2, "layers": [inner]}]) == ["w1", "w2"]
    inner[1]["repeat"] = 2
    assert loaded(["Block", {"name": "a", "repeat": 3, "layers": [inner]}]) == ["w1", "w2"] * 3


@pytest.mark.parametrize("load", ["fc", {"W": "fc.weight", "b": "fc.bias"}])
def test_one_name_for_all_repetitions_is_refused_with_what_tells_them_apart(load):
    message = (
        r"^layers\[0\]\.layers\[0\].* 'x'.*: load_params must name other parameters .* by \{n\}, .* true .* 'a-1-x'$"
    )
    with pytest.raises(ConfigError, match=message):
        loaded(["Block", {"name": "a", "repeat": 3, "layers": [fc("x", load_params=load)]}])


def test_names_of_blocks_are_numbered_like_those_of_layers():
    block = ["Block", {"layers": [fc()]}]
    named = ["Block", {"name": "block2", "layers": [fc()]}]
    found = links(block, named, block, OUTPUT)
    assert list(found) == ["input", "block1-1-fc1", "block2-1-fc1", "block3-1-fc1", "output"]
    assert local_names([block, named, fc(), block, OUTPUT]) == ["block1", "block2", "fc1", "block3", "output"]
    with pytest.raises(ConfigError, match="unknown layer 'FCLayr'"):
        local_names([fc(), ["FCLayr", {"n_units": 4}]])


def test_a_block_that_is_built_is_the_block_of_its_spec():
    params = {"name": "res", "repeat": 2, "layers": [fc(), FCLayer(n_units=3)]}
    assert parse([Block(**params), OUTPUT]) == parse([["Block", params], OUTPUT])
    assert parse([{"layer": "block", **params}, OUTPUT]) == parse([["Block", params], OUTPUT])


@pytest.mark.parametrize("name", ["a", "res"])
def test_a_layer_and_a_block_cannot_have_one_name(name):
    block = ["Block", {"name": name, "layers": [fc("b")]}]
    assert errors([block, fc(name), OUTPUT]) == [f"layers[1]: the name {name!r} is taken by another layer"]
    assert errors([fc(name), block, OUTPUT]) == [f"layers[1]: the name {name!r} is taken by another layer"]


def test_names_are_taken_only_once_across_blocks():
    block = ["Block", {"name": "res", "layers": [fc("a")]}]
    assert errors([block, block, OUTPUT])[0] == "layers[1]: the name 'res' is taken by another layer"
    # Those of layers that are written out, before and behind.
    taken = "the name 'res-1-a' is taken by another layer"
    assert errors([block, fc("res-1-a"), OUTPUT]) == [f"layers[1]: {taken}"]
    assert errors([fc("res-1-a"), block, OUTPUT]) == [f"layers[1].layers[0]: {taken}"]
    twice = ["Block", {"name": "res", "repeat": 3, "layers": [fc("a"), fc("a")]}]
    assert errors([twice, OUTPUT]) == ["layers[0].layers[1]: the name 'a' is taken by another layer"]
    # "in" is the input of a block.
    assert errors([["Block", {"layers": [fc("in")]}], OUTPUT]) == [
        "layers[0].layers[0]: the name 'in' is taken by another layer"
    ]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (
            [fc("first"), fc(input="frist"), OUTPUT],
            "layers[1] (FCLayer): input: there is no layer 'frist'. Did you mean 'first'?",
        ),
        (
            [fc("first"), fc("other", input="zzz"), OUTPUT],
            "layers[1] (FCLayer 'other'): input: there is no layer 'zzz'. Layers before it: first, input",
        ),
        (
            [fc("first"), add("first", "secnd", "first"), fc("second"), OUTPUT],
            "layers[1].inputs[1] (SumLayer): there is no layer 'secnd'. Layers before it: first, input",
        ),
        (
            [fc("first", input="second"), fc("second"), OUTPUT],
            "layers[0] (FCLayer 'first'): input: 'second' is this layer or a later one; "
            "it must be an earlier layer. Layers before it: input",
        ),
        (
            [fc("first", input="first"), OUTPUT],
            "layers[0] (FCLayer 'first'): input: 'first' is this layer or a later one; "
            "it must be an earlier layer. Layers before it: input",
        ),
        (
            [fc("first"), ["Block", {"name": "res", "input": "frist", "layers": [fc()]}], OUTPUT],
            "layers[1] (Block 'res'): input: there is no layer 'frist'. Did you mean 'first'?",
        ),
        (
            [["InputLayer", {"input": "first"}], fc("first"), OUTPUT],
            "layers[0] (InputLayer): input: an input layer takes the data: leave it out",
        ),
        ([fc(input="in"), OUTPUT], "layers[0] (FCLayer): input: there is no layer 'in'. Layers before it: input"),
        (
            [fc("first"), fc(share="frist"), OUTPUT],
            "layers[1] (FCLayer): share: there is no layer 'frist'. Did you mean 'first'?",
        ),
        # The layers of a block have their short names only within it.
        (
            [["Block", {"name": "res", "layers": [fc("conv")]}], fc(input="conv"), OUTPUT],
            "layers[1] (FCLayer): input: there is no layer 'conv'. Layers before it: input, res, res-1-conv",
        ),
    ],
    ids=range(10),
)
def test_a_name_that_is_not_there_is_reported_with_what_is(layers, expected):
    assert errors(layers) == [expected]


def test_a_fault_within_a_block_is_reported_once_with_its_path():
    inner = ["Block", {"name": "inner", "repeat": 3, "layers": [fc("a"), add("a", "in", "aa")]}]
    outer = ["Block", {"name": "outer", "repeat": 4, "layers": [fc("first"), inner]}]
    assert errors([outer, OUTPUT]) == [
        "layers[0].layers[1].layers[1].inputs[2] (SumLayer): there is no layer 'aa'. Did you mean 'a'?"
    ]


def test_all_faults_are_in_one_report_each_with_its_path():
    block = ["Block", {"name": "res", "repeat": 2, "layers": [fc(n_units=0), ["Dropot"], fc(units=3)]}]
    found = errors(
        [fc(n_units=-1), block, ["Block", {"layers": []}], ["Block", {"repeat": 0, "layers": [fc()]}], OUTPUT]
    )
    assert [line.split(": ")[0] for line in found] == [
        "layers[0] (FCLayer)",
        "layers[1].layers[0] (FCLayer)",
        "layers[1].layers[1]",
        "layers[1].layers[2].units (FCLayer)",
        "layers[2] (Block)",
        "layers[3] (Block)",
    ]
    assert found[1].endswith("n_units must be an integer >= 1; got 0") and "unknown layer 'Dropot'" in found[2]
    assert found[4].endswith("layers must be a list of at least one layer") and "repeat must be" in found[5]


@pytest.mark.parametrize(
    ("layers", "at", "name"),
    [
        ([fc(), fc(input="input"), OUTPUT], "layers[0] (FCLayer 'fc1')", "fc1"),
        ([fc("mine"), fc(input="input"), OUTPUT], "layers[0] (FCLayer 'mine')", "mine"),
        (
            [["Block", {"repeat": 2, "layers": [fc("a"), fc("b", input="in")]}], OUTPUT],
            "layers[0].layers[0] (FCLayer 'block1-1-a')",
            "block1-1-a",
        ),
        ([fc(), add("fc1", "fc1"), fc(input="fc1"), OUTPUT], "layers[1] (SumLayer 'sum1')", "sum1"),
        # Sharing the weights of a layer is no use of its output.
        ([fc("a"), fc(share="a", input="input"), OUTPUT], "layers[0] (FCLayer 'a')", "a"),
    ],
    ids=range(5),
)
def test_an_output_that_nothing_uses_is_an_error(layers, at, name):
    message = f"nothing uses the output of {name!r}: name it as an input, or leave the layer out"
    assert errors(layers) == [f"{at}: {message}"]


def test_several_output_layers_must_have_names_and_a_single_one_need_not():
    other = ["ClassificationOutputLayer", {"n_classes": 3, "name": "other"}]
    message = "(ClassificationOutputLayer): name must be given, as there are several output layers"
    assert errors([fc(), OUTPUT, fc(), OUTPUT])[:2] == [f"layers[1] {message}", f"layers[3] {message}"]
    assert errors([fc(), other, fc(), OUTPUT]) == [f"layers[3] {message}"]
    assert [layer.name for layer in parse([fc(), OUTPUT])] == ["input", "fc1", "output"]


def channel(of, **more):
    return ["InputLayer", {"channel": of} | more]


def test_several_input_layers_are_named_after_their_channels():
    layers = parse([channel("a"), fc(), channel("b", name="other"), add("fc1", "other"), OUTPUT])
    assert [layer.name for layer in layers] == ["a", "fc1", "other", "sum1", "output"]
    # A single one is not.
    assert [layer.name for layer in parse([channel("a"), OUTPUT])] == ["input", "output"]


def test_what_follows_an_input_layer_takes_it_and_input_layers_take_nothing():
    placed = declare(parse([channel("a"), fc(), channel("b"), fc(), add("fc1", "fc2"), OUTPUT]), {"a": (4,), "b": (2,)})
    names = [place.name for place in placed.placed]
    found = {place.name: [names[source] for source in place.sources] for place in placed.placed}
    assert found == {"a": [], "fc1": ["a"], "b": [], "fc2": ["b"], "sum1": ["fc1", "fc2"], "output": ["sum1"]}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (
            [["InputLayer"], fc(), channel("b"), add("fc1", "b"), OUTPUT],
            "layers[0]: the first layer must be an input layer with a channel, as there are several input layers",
        ),
        (
            [channel("a"), fc(), ["InputLayer"], add("fc1", "input"), OUTPUT],
            "layers[2] (InputLayer): an input layer must be the first layer; where there are several, each names its "
            "channel",
        ),
        (
            [channel("a"), fc(), channel("a", name="b"), add("fc1", "b"), OUTPUT],
            "layers[2].channel (InputLayer 'b'): the channel 'a' has an input layer already: name that as an input",
        ),
        (
            [channel("a"), fc(), channel("b", input="fc1"), add("fc1", "b"), OUTPUT],
            "layers[2] (InputLayer): input: an input layer takes the data: leave it out",
        ),
    ],
    ids=range(4),
)
def test_several_input_layers_take_a_channel_each(layers, expected):
    assert errors(layers) == [expected]


def test_an_input_layer_is_no_use_of_the_output_of_the_layer_before_it():
    layers = [channel("a"), fc(), channel("b"), fc(input="a"), add("fc2", "b"), OUTPUT]
    message = "nothing uses the output of 'fc1': name it as an input, or leave the layer out"
    assert errors(layers) == [f"layers[1] (FCLayer 'fc1'): {message}"]


@pytest.mark.parametrize("layer", [["InputLayer"], ["InputImageLayer", {"n_pixels": 2}], OUTPUT])
def test_input_and_output_layers_are_refused_within_a_block(layer):
    kind = "an output" if layer is OUTPUT else "an input"
    found = errors([["Block", {"repeat": 2, "layers": [fc(), layer]}], OUTPUT])
    assert found == [f"layers[0].layers[1] ({layer[0]}): {kind} layer cannot be within a block"]


def nested(depth, layers):
    """Return a list of layers within so many blocks."""
    return layers if depth == 0 else [["Block", {"layers": nested(depth - 1, layers)}]]


def test_blocks_are_nested_twenty_deep_at_most():
    assert len(parse([*nested(20, [fc()]), OUTPUT])) == 3
    (found,) = errors([*nested(21, [fc()]), OUTPUT])
    assert found.endswith(".layers (Block): blocks are nested more than 20 deep")


def test_a_network_has_ten_thousand_layers_at_most():
    def block(repeat, *layers):
        return ["Block", {"repeat": repeat, "layers": list(layers)}]

    # With its input and its output layer.
    assert len(parse([block(999, *[fc()] * 10), *[fc()] * 8, OUTPUT])) == 10_000
    assert errors([block(999, *[fc()] * 10), *[fc()] * 9, OUTPUT]) == [
        "layers: expand to 10,001 layers; the limit is 10,000"
    ]
    (found,) = errors([block(1000, *[fc()] * 11), OUTPUT])
    assert found == "layers[0].repeat (Block): the block expands to 11,000 layers; the limit is 10,000"
    # A block alone may have so many, though not with an input and an output layer.
    assert errors([block(1000, *[fc()] * 10), OUTPUT]) == ["layers: expand to 10,002 layers; the limit is 10,000"]
    # Blocks within blocks multiply, long before any layer is written out.
    found = errors([block(1000, block(1000, block(1000, fc()))), OUTPUT])
    assert found and all("the limit is 10,000" in line for line in found)
    # Blocks that follow one another add up.
    found = errors([block(1000, *[fc()] * 6), block(1000, *[fc()] * 6), OUTPUT])
    assert found == ["layers: expand to 12,002 layers; the limit is 10,000"]


@pytest.mark.parametrize("repeat", [0, -1, 1001, 1.5, "2"])
def test_repeat_has_bounds(repeat):
    (found,) = errors([["Block", {"repeat": repeat, "layers": [fc()]}], OUTPUT])
    assert found.startswith("layers[0] (Block): repeat must be an integer")


def test_defaults_reach_into_blocks():
    inner = ["Block", {"layers": [fc(), fc(l2=0.5)]}]
    layers = parse(
        [fc(), ["Block", {"layers": [["DropoutLayer", {}], inner]}], OUTPUT], {"l2": 0.25, "dropout_p": 0.125}
    )
    assert [getattr(layer, "l2", None) for layer in layers] == [None, 0.25, None, 0.25, 0.5, 0.25]
    assert layers[2].dropout_p == 0.125
    # A default that only a layer of a block has is used; one that none has is not.
    (found,) = errors([["Block", {"layers": [fc()]}], OUTPUT], {"dropout_p": 0.1})
    assert found.startswith("layer_defaults.dropout_p: no layer of the list has the parameter 'dropout_p'")


def test_a_default_that_each_layer_sets_itself_must_be_one_that_some_of_them_could_take():
    layers = [
        ["MaxPool2DLayer", {"pool_shape": 2, "pad": 0}],
        ["ConvLayer", {"n_output_maps": 2, "filter_shape": 3, "pad": 1}],
        OUTPUT,
    ]
    # Only the convolution could.
    assert len(parse(layers, {"pad": "full"})) == 4
    (found,) = errors(layers, {"pad": "ful"})
    assert found == "layer_defaults.pad must be a list or 'same' or 'valid'; got 'ful'"
    (found,) = errors([fc(n_units=3), OUTPUT], {"n_units": 2.5})
    assert found == "layer_defaults.n_units must be an integer; got 2.5"


GRAPH = [
    ["InputImageLayer", {"n_pixels": 6}],
    ["ConvLayer", {"name": "stem", "n_output_maps": 2, "filter_shape": 1}],
    [
        "Block",
        {
            "name": "res",
            "repeat": 2,
            "layers": [
                ["ConvLayer", {"name": "conv1", "n_output_maps": 2, "filter_shape": 3}],
                ["SumLayer", {"inputs": ["in", "conv1"], "crop": "center"}],
            ],
        },
    ],
    ["ConvLayer", {"name": "side", "n_output_maps": 3, "filter_shape": 1, "input": "stem", "l2": 0.1}],
    ["ConvLayer", {"n_output_maps": 3, "filter_shape": 1, "share": "side", "input": "res-1-sum1"}],
    ["GlobalAveragePoolLayer", {"name": "a", "input": "side"}],
    ["GlobalAveragePoolLayer", {"name": "b", "input": "conv1"}],
    ["ClassificationOutputLayer", {"name": "early", "input": "res-1-conv1", "auxiliary": True, "n_classes": 2}],
    ["AverageLayer", {"inputs": ["a", "b"]}],
    ["ConcatLayer", {"name": "all", "inputs": ["average1", "a"]}],
    ["FCLayer", {"n_units": 4, "input": "res"}],
    ["ConcatLayer", {"inputs": ["fc1", "all"]}],
    ["RegressionOutputLayer", {"name": "numbers", "n_outputs": 2}],
]


def test_the_spec_of_an_architecture_gives_the_same_architecture():
    first = declare(parse(GRAPH), (36,))
    spec = json.loads(json.dumps(first.spec()))
    again = declare(parse(spec), (36,))
    assert again == first and again.spec() == spec
    assert [place.sources for place in again.placed] == [place.sources for place in first.placed]
    assert [word for word, _ in spec] == [type(layer).__name__ for layer in first.layers] and "Block" not in str(spec)


CONFIG = """\
layers:
  - [FCLayer, {name: first, n_units: 4}]
  - - Block
    - name: res
      repeat: 2
      layers:
        - [FCLayer, {name: conv1, n_units: 4}]
        - - SumLayer
          - inputs:
              - in
              - conv1
  - [ClassificationOutputLayer, {n_classes: 3}]
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(CONFIG)
    return path


def test_a_setting_reaches_a_layer_within_a_block(config):
    spec = read_config(
        config, ["layers.res.layers.conv1.activation=tanh", "layers.res.repeat=3", "layers.first.l2=0.5"]
    )
    layers = parse(spec.layers)
    assert [layer.name for layer in layers[2::2]] == ["res-1-conv1", "res-2-conv1", "res-3-conv1", "output"]
    tanh = build("activation", "tanh")
    assert [getattr(layer, "activation", None) == tanh for layer in layers] == [False, False, *[True, False] * 3, False]
    assert layers[1].l2 == 0.5


def test_a_setting_reaches_layers_and_blocks_that_are_written_as_mappings(config):
    config.write_text(
        """\
layers:
  - {layer: Block, name: res, layers: [{layer: FCLayer, name: a, n_units: 4}]}
  - {layer: ClassificationOutputLayer, n_classes: 3}
"""
    )
    spec = read_config(config, ["layers.res.layers.a.n_units=7", "layers.res.repeat=2", "layers.output.n_classes=5"])
    assert parse(spec.layers) == parse(
        [
            ["Block", {"name": "res", "repeat": 2, "layers": [fc("a", 7)]}],
            ["ClassificationOutputLayer", {"n_classes": 5}],
        ]
    )


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("layers.res.layers.conv1.n_units=0", "layers[1].layers[0] (FCLayer 'conv1'): n_units must be an integer >= 1"),
        ("layers.res.layers.conv1.units=8", "layers[1].layers[0].units (FCLayer 'conv1'): unknown"),
        ("layers.res.repeat=0", "layers[1] (Block 'res'): repeat must be an integer"),
        ("layers.res.layers.conv2.n_units=8", "there is no layer 'conv2'; layers: conv1, sum1"),
        ("layers.conv1.n_units=8", "there is no layer 'conv1'; layers: first, res, output"),
        ("layers.res.conv1.n_units=8", "layers.res.conv1"),
        ("layers.res.layers=3", "layers[1] (Block 'res'): layers must be a list"),
        ("layers.res.layers.conv1=3", "name a parameter too"),
    ],
)
def test_a_setting_that_is_wrong_within_a_block_is_named(config, setting, words):
    with pytest.raises(ConfigError) as raised:
        read_config(config, [setting])
    assert words in str(raised.value) and str(raised.value).startswith(f"--set {setting}: ")


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("conv1, n_units: 4", "conv1, n_units: 0", "7:35", "layers[1].layers[0] (FCLayer 'conv1'): n_units must be an"),
        ("[FCLayer, {name: conv1", "[FCLayr, {name: conv1", "7:11", "layers[1].layers[0]: unknown layer 'FCLayr'"),
        ("- conv1", "- conv2", "11:17", "layers[1].layers[1].inputs[1] (SumLayer): there is no layer 'conv2'"),
        ("repeat: 2", "repeat: 0", "5:7", "layers[1] (Block 'res'): repeat must be"),
        ("repeat: 2", "input: frist", "5:7", "layers[1] (Block 'res'): input: there is no layer 'frist'"),
        ("repeat: 2", "repeats: 2", "5:7", "layers[1].repeats (Block 'res'): unknown parameter"),
    ],
)
def test_what_is_wrong_within_a_block_has_its_line_and_column(config, old, new, line, words):
    config.write_text(CONFIG.replace(old, new))
    for read in (read_config, layers_of):
        with pytest.raises(ConfigError) as raised:
            read(config)
        message = str(raised.value)
        assert message.startswith(f"{config}:{line}: {words}") and "\n" not in message


def test_a_network_of_a_config_is_that_of_the_list(config):
    layers = [fc("first"), ["Block", {"name": "res", "repeat": 2, "layers": [fc("conv1"), add("in", "conv1")]}], OUTPUT]
    assert parse(read_config(config).layers) == parse(layers)
    assert parse(layers) == layers_of(config)
