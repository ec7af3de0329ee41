"""From a list of specs to named and linked layers: what takes what, blocks, and the place of what is wrong."""

from __future__ import annotations

import json

import pytest
from linked_layers import OUTPUT, add, errors, fc

from arignote import ConfigError
from arignote.layers import declare, parse
from arignote.registry import build
from arignote.spec.config import layers_of, read_config


def test_the_list_and_its_specs_are_not_changed():
    layers = [fc("a"), ["Block", {"layers": [fc("b", input="in"), add("b", "in")]}], OUTPUT]
    before = json.dumps(layers)
    parse(layers, {"l2": 0.1})
    assert json.dumps(layers) == before


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
