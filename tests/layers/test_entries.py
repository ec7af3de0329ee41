"""From a list of specs to layers: errors with their path, and bounds."""

from __future__ import annotations

import pytest
from linked_layers import OUTPUT, add, errors, fc

from arignote.layers import parse


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


@pytest.mark.parametrize("layer", [["InputLayer"], ["InputImageLayer", {"n_pixels": 2}], OUTPUT])
def test_input_and_output_layers_are_refused_within_a_block(layer):
    kind = "an output" if layer is OUTPUT else "an input"
    found = errors([["Block", {"repeat": 2, "layers": [fc(), layer]}], OUTPUT])
    assert found == [f"layers[0].layers[1] ({layer[0]}): {kind} layer cannot be within a block"]


@pytest.mark.slow
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
