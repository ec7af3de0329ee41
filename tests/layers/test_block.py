"""Blocks: layers that are declared once and repeated."""

from __future__ import annotations

import pytest
from linked_layers import OUTPUT, add, errors, fc, links

from arignote import ConfigError
from arignote.layers import parse
from arignote.layers.block import Block
from arignote.layers.dense import FCLayer
from arignote.layers.entries import local_names
from arignote.layers.loading import StoredTensor


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


def nested(depth, layers):
    """Return a list of layers within so many blocks."""
    return layers if depth == 0 else [["Block", {"layers": nested(depth - 1, layers)}]]


def test_blocks_are_nested_twenty_deep_at_most():
    assert len(parse([*nested(20, [fc()]), OUTPUT])) == 3
    (found,) = errors([*nested(21, [fc()]), OUTPUT])
    assert found.endswith(".layers (Block): blocks are nested more than 20 deep")


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
