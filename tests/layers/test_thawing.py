"""`thaw_at`: of which layers, and when it is too late."""

from __future__ import annotations

import pytest
from command_line import arignote

from arignote import ConfigError
from arignote.layers import parse
from arignote.layers.thawing import check_thaw, thaw_epochs
from arignote.registry import build

OUT = ["ClassificationOutputLayer"]


def fc(name, **more):
    return ["FCLayer", {"name": name, "n_units": 3, "fix_params": True} | more]


def test_layers_are_found_by_name_in_blocks_too():
    block = ["Block", {"name": "res", "repeat": 2, "layers": [fc("one", thaw_at=3), fc("two")]}]
    layers = parse([fc("a", thaw_at=2), block, ["BatchNormLayer", {"fix_params": ["gamma"], "thaw_at": 1}], OUT])
    assert thaw_epochs(layers) == {"a": 2, "res-1-one": 3, "res-2-one": 3, "norm1": 1}


def test_a_thaw_must_come_before_the_last_epoch_is_complete():
    layers = parse([fc("a", thaw_at=4), fc("b", thaw_at=5), fc("c", thaw_at=9), OUT])
    for n_epochs in (10, 0):
        check_thaw(layers, n_epochs)
    with pytest.raises(ConfigError) as raised:
        check_thaw(layers, 5)
    must = "thaw_at must be less than n_epochs, 5, or the layer is never trained; got"
    hint = "Raise n_epochs, or leave thaw_at out for a layer that stays fixed"
    assert str(raised.value).splitlines() == [f"b: {must} 5. {hint}", f"c: {must} 9. {hint}"]


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (
            ["FCLayer", {"n_units": 3, "thaw_at": 5}],
            "thaw_at is of parameters that are fixed until then: give fix_params",
        ),
        (["BatchNormLayer", {"thaw_at": 5, "fix_params": []}], "thaw_at is of parameters that are fixed until then"),
        (["FCLayer", {"n_units": 3, "fix_params": True, "thaw_at": 0}], "thaw_at must be an integer >= 1; got 0"),
        (["FCLayer", {"n_units": 3, "fix_params": True, "thaw_at": 1.5}], "thaw_at must be an integer"),
        (["DropoutLayer", {"dropout_p": 0.5, "thaw_at": 5}], "unknown parameter 'thaw_at'"),
    ],
    ids=str,
)
def test_what_cannot_be_thawed_is_refused(layer, words):
    with pytest.raises(ConfigError, match=words):
        build("layer", layer)


def test_a_thawed_layer_fixes_nothing_and_is_otherwise_the_same():
    layer = build("layer", fc("a", thaw_at=5, l2=0.5))
    assert layer.is_fixed("W") and not layer.thawed.is_fixed("W")
    assert layer.thawed == build("layer", fc("a", l2=0.5, fix_params=False))


def test_a_check_of_a_config_names_the_line_of_a_late_thaw(tmp_path):
    config = tmp_path / "late.yaml"
    layers = "layers:\n  - [FCLayer, {n_units: 3, fix_params: true, thaw_at: 7}]\n  - [ClassificationOutputLayer]\n"
    config.write_text(layers + "fit: {n_epochs: 7}\n")
    ended = arignote("check", config)
    assert ended.code == 2 and f"{config}:2" in ended.err and "thaw_at must be less than n_epochs, 7" in ended.err
    assert arignote("check", config, "--set", "fit.n_epochs=8").code == 0
