"""`load_params`: its forms, as they are given and as a checkpoint has them."""

from __future__ import annotations

import json

import pytest

from arignote.errors import ConfigError
from arignote.layers.loading import StoredTensor
from arignote.registry import build, dump

MAP = {"W": StoredTensor("fc.weight", True), "b": StoredTensor("fc.bias")}


def layer(load_params):
    return build("layer", ["FCLayer", {"n_units": 2, "load_params": load_params}])


@pytest.mark.parametrize(
    ("given", "found", "written"),
    [
        (None, None, None),
        (False, None, None),
        (True, True, True),
        ("fc1", "fc1", "fc1"),
        (
            {"W": {"name": "fc.weight", "transpose": True}, "b": "fc.bias"},
            MAP,
            {"W": {"name": "fc.weight", "transpose": True}, "b": "fc.bias"},
        ),
        ({"W": {"name": "w"}}, {"W": StoredTensor("w")}, {"W": "w"}),
        (
            {"W": {"name": "w", "transpose": False}},
            {"W": StoredTensor("w", False)},
            {"W": {"name": "w", "transpose": False}},
        ),
        (
            {"W": {"name": "w", "transpose": (3, 2, 0, 1)}},
            {"W": StoredTensor("w", (3, 2, 0, 1))},
            {"W": {"name": "w", "transpose": [3, 2, 0, 1]}},
        ),
    ],
    ids=str,
)
def test_each_form_is_built_and_written_as_plain_data(given, found, written):
    built = layer(given)
    assert built.load_params == found
    spec = json.loads(json.dumps(dump(built)))
    assert spec[1]["load_params"] == written and build("layer", spec) == built


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (5, "load_params must be true, the name of a layer of stored_network, or a mapping"),
        ("", "load_params must be true, the name"),
        ({}, "load_params must be true, the name"),
        (["fc1"], "load_params must be true, the name"),
        ({"W": 5}, r"load_params: W must be the name of an entry, or {name: ..., transpose: true}; got 5"),
        ({"W": {"nam": "w"}}, "load_params: W must be the name of an entry"),
        ({"W": {"name": "w", "transposed": True}}, "load_params: W must be the name of an entry"),
        ({"W": {"name": "w", "transpose": [0, 2]}}, r"transpose of W must be .* an order of all axes.*; got \[0, 2\]"),
        ({"W": {"name": "w", "transpose": [0, 0]}}, "transpose of W must be"),
        ({"W": {"name": "w", "transpose": [False, True]}}, "transpose of W must be"),
        ({"W": {"name": "w", "transpose": 1}}, "transpose of W must be"),
    ],
    ids=str,
)
def test_another_form_is_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        layer(given)
