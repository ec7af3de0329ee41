"""Which layers are pretrained, by which networks, and what is refused before anything is trained."""

from __future__ import annotations

import pytest

from arignote.layers import parse
from arignote.registry import part_name
from arignote.spec.pretrained import autoencoder_of, complaints_of_pretraining, loaded_layers, names_of_pretrained
from arignote.spec.settings import checked_settings

LAYERS = [
    ["InputImageLayer", {"n_pixels": 8}],
    ["FCLayer", {"n_units": 9, "activation": "sigmoid", "l2": 0.01}],
    ["DropoutLayer", {"dropout_p": 0.5}],
    ["ActivationLayer", {"activation": "sigmoid"}],
    ["LCLayer", {"n_units": 2, "n_segments": 3, "activation": "sigmoid"}],
    ["DenoisingAutoEncoderLayer", {"n_units": 4, "corruption_level": 0.4}],
    ["FCMaxoutLayer", {"n_units": 3}],
    ["ClassificationOutputLayer"],
]
CONV = ["ConvLayer", {"n_output_maps": 2, "filter_shape": 3}]


def complaints(layers, pretrain):
    found = complaints_of_pretraining(parse(layers), checked_settings({"pretrain": pretrain}))
    return [f"{one.layer}: {one.message}" for one in found]


def test_dense_layers_are_pretrained_each_behind_those_before_it():
    layers, pretraining = parse(LAYERS), checked_settings({"pretrain": {"corruption_level": 0.1}}).pretrain
    assert complaints(LAYERS, {}) == [] and names_of_pretrained(layers, pretraining) == ["fc1", "lc1", "fc2"]
    *before, output = autoencoder_of(layers, "fc2", pretraining)
    assert [part_name(one) for one in before] == ["InputImageLayer", "FCLayer", "ActivationLayer", "LCLayer"]
    assert [getattr(one, "fix_params", None) for one in before] == [None, True, False, True]
    assert {name: entry.name for name, entry in before[3].load_params.items()} == {
        f"{param}{suffix}": f"lc1.{param}{suffix}" for param in "Wb" for suffix in ("", "1", "2")
    }
    assert (output.name, output.n_units, output.corruption_level, output.n_segments) == ("fc2", 4, 0.4, None)
    *_, first = autoencoder_of(layers, "fc1", pretraining)
    assert (first.l2, first.corruption_level, part_name(first.activation)) == (0.01, 0.1, "sigmoid")
    assert autoencoder_of(layers, "lc1", pretraining)[-1].n_segments == 3


def test_a_layer_that_is_fixed_until_an_epoch_is_pretrained_and_then_fixed_in_all_epochs():
    fixed = {"fix_params": True, "thaw_at": 2}
    layers = parse(
        [[name, params | (fixed if name == "FCLayer" else {})] for name, params in LAYERS[1:5]] + LAYERS[-1:]
    )
    pretraining = checked_settings({"pretrain": {}}).pretrain
    autoencoder = autoencoder_of(layers, "fc1", pretraining)[-1]
    assert (autoencoder.fix_params, autoencoder.thaw_at) == (False, None)
    before = autoencoder_of(layers, "lc1", pretraining)[1]
    assert (before.fix_params, before.thaw_at) == (True, None)
    assert loaded_layers(layers, ["fc1"])[1].thaw_at == 2


def test_layers_that_are_named_alone_load_and_are_trained_later():
    pretraining = checked_settings({"pretrain": {"layers": ["fc1"]}}).pretrain
    layers = parse(LAYERS)
    names = names_of_pretrained(layers, pretraining)
    loaded = loaded_layers(layers, names)
    assert names == ["fc1"] and [one.name for one, other in zip(loaded, layers, strict=True) if one != other] == ["fc1"]
    assert loaded[1].fix_params is False
    # Those that load already load the same: a run that is resumed from its file has them.
    assert loaded_layers(loaded, names) == loaded
    assert complaints_of_pretraining(loaded, checked_settings({"pretrain": {"layers": ["fc1"]}})) == []


@pytest.mark.parametrize(
    ("layers", "pretrain", "message"),
    [
        (LAYERS, {"layers": ["fc3"]}, ": pretrain: there is no FCLayer, LCLayer or DenoisingAutoEncoderLayer 'fc3'."),
        (LAYERS[-1:], {}, ": pretrain: the network has no FCLayer"),
        ([CONV, *LAYERS[1:]], {}, "conv1: pretrain: 'fc2' comes after it, and its parameters are not pretrained"),
        (LAYERS, {"layers": ["fc2"]}, "fc1: pretrain: 'fc2' comes after it, and its parameters are not pretrained"),
        ([["FCLayer", {"n_units": 3, "load_params": True}], LAYERS[-1]], {}, "fc1: pretrain: it has load_params"),
        (
            [*LAYERS[:2], ["FCLayer", {"n_units": 9, "share": "fc1"}], LAYERS[-1]],
            {},
            "fc2: pretrain: it uses the parameters of 'fc1'",
        ),
        (
            [
                *LAYERS[:2],
                ["FCLayer", {"n_units": 9, "input": "input"}],
                ["SumLayer", {"inputs": ["fc1", "fc2"]}],
                LAYERS[-1],
            ],
            {},
            "fc2: pretrain: the layers up to 'fc2' must follow one another",
        ),
        (
            [["FCLayer", {"n_units": 3, "activation": "tanh"}], *LAYERS[4:]],
            {"cost": "cross_entropy"},
            "lc1: pretrain: the cost cross_entropy needs an input in [0, 1]; the activation before is tanh",
        ),
    ],
)
def test_what_cannot_be_pretrained_is_named(layers, pretrain, message):
    first, *_ = complaints(layers, pretrain)
    assert first.startswith(message)


def test_a_cross_entropy_is_right_behind_sigmoids_and_of_the_data():
    assert complaints(LAYERS, {"cost": "cross_entropy"}) == []
