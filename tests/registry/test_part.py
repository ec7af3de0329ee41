"""Parts: one form of declaring, every fault at once, and the spec that comes back."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from own_parts import own_names

import arignote.data
import arignote.layers
import arignote.optim  # noqa: F401
from arignote import registry
from arignote.errors import ConfigError
from arignote.registry import Part, build, completed, dump, names, part_name, plain, register
from arignote.spec.settings import completed_settings


@pytest.mark.parametrize(
    "spec",
    [
        ["uniform", {"range": 0.5}],
        ("uniform", {"range": 0.5}),
        ["UNIFORM", {"range": np.float64(0.5)}],
        {"initializer": "uniform", "range": 0.5},
    ],
    ids=["list", "tuple", "numpy", "mapping"],
)
def test_a_part_is_the_same_in_each_form(spec):
    assert dump(build("initializer", spec)) == ["uniform", {"range": 0.5}]


@pytest.mark.parametrize("spec", ["squared", ["squared"], ["squared", None], ["squared", {}], "mse", "SQUARED", "Mse"])
def test_a_part_without_parameters_needs_only_its_name_or_an_alias(spec):
    assert dump(build("loss", spec)) == ["squared", {"weight": 1.0}]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (["FCLayr"], r"unknown layer 'FCLayr'\. Did you mean 'FCLayer'\? Known: .*ConvLayer, .*DropoutLayer"),
        (["Zebra"], r"unknown layer 'Zebra'\. Known: .*ConvLayer, .* and \d+ more"),
        ([3], "the name of a layer must be a string; got 3"),
        (3, r"a layer must be written \[Name, \{parameters\}\] or \{layer: Name, parameters\}; got 3"),
        (["FCLayer", {}, {}], r"a layer must be written \[Name, \{parameters\}\]"),
        (["FCLayer", 3], "the parameters of 'FCLayer' must be a mapping; got 3"),
        (["FCLayer"], "n_units must be given"),
        (["FCLayer", {"n_units": 2.0}], r"n_units must be an integer; got 2\.0"),
        (["FCLayer", {"n_units": True}], "n_units must be an integer; got True"),
        (["FCLayer", {"n_units": 2, "l2": -1}], r"l2 must be a number >= 0\.0; got -1"),
        (["DropoutLayer", {"dropout_p": 1}], r"dropout_p must be a number < 1\.0; got 1"),
        (["FCLayer", {"n_units": 2, "name": "a/b"}], r"name must be .*; got 'a/b'"),
        (["FCLayer", {"n_units": 2, "W": ["unifrm"]}], r"W: unknown initializer 'unifrm'\. Did you mean 'uniform'\?"),
        (
            ["FCLayer", {"n_units": 2, "W": ["uniform", {"range": 0}]}],
            r"W\.range must be a number > 0\.0; got 0",
        ),
    ],
)
def test_a_value_that_is_not_a_part_is_reported(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("layer", spec)


def test_all_errors_of_a_part_come_in_one_report():
    with pytest.raises(ConfigError) as caught:
        build("layer", ["FCLayer", {"n_units": 0, "l1": "much", "activaton": "relu"}])
    assert sorted(complaint.path for complaint in caught.value.complaints) == [("activaton",), ("l1",), ("n_units",)]


def test_a_part_does_not_change():
    with pytest.raises(ValueError, match="frozen"):
        build("loss", "nll").kind_of_mine = 3
    with pytest.raises(ValueError, match="frozen"):
        build("stop_rule", ["stalled", {"interval": 3}]).interval = 4


def test_a_name_is_taken_once_in_its_kind():
    class Mine(Part):
        kind = "loss"

    with pytest.raises(RuntimeError, match="loss 'error' is registered twice"):
        register(name="error")(Mine)
    assert part_name(Mine) == f"{__name__}:{Mine.__qualname__}"
    assert part_name(own_names("loss")["cross_entropy"]) == "nll"
    assert dump(build("stop_rule", ["stalled", {"interval": 1}])) != dump(
        build("rule", ["stalled", {"multiply_by": 0.5, "interval": 1}])
    )


def test_what_numpy_made_is_plain_all_the_way_down():
    given = {np.int64(1): (np.float32(0.5), [np.arange(2)]), "b": {"c": np.True_}}
    found = plain(given)
    assert found == {1: [0.5, [[0, 1]]], "b": {"c": True}}
    assert json.loads(json.dumps(found)) == {"1": [0.5, [[0, 1]]], "b": {"c": True}}
    assert isinstance(given[1][1][0], np.ndarray)


def test_a_spec_of_a_file_that_cannot_be_built_here_keeps_its_values_and_gets_the_defaults():
    activation = "a_module_that_is_not_there:function"
    word, params = completed("layer", ["FCLayer", {"n_units": 3, "activation": activation}])
    assert (word, params["n_units"], params["activation"]) == ("FCLayer", 3, activation)
    assert (params["l1"], params["use_bias"], params["W"]) == (0.0, True, None)


def test_nothing_is_imported_to_complete_a_spec_of_a_file(tmp_path, monkeypatch):
    (tmp_path / "named_by_a_file.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    spec = ["named_by_a_file:Layer", {"n_units": 3}]
    assert completed("layer", spec) == spec
    assert completed_settings({"sgd_type": spec, "lr_rule": [7]})["sgd_type"] == spec
    assert "named_by_a_file" not in sys.modules


def test_a_part_that_a_test_registers_is_none_of_our_own(monkeypatch):
    monkeypatch.setattr(registry.table, "_PARTS", {kind: registry.names(kind) for kind in registry.kinds()})

    @register()
    class MineLoss(Part):
        kind = "loss"

    assert names("loss")["MineLoss"] is MineLoss and "MineLoss" not in own_names("loss")
    assert {"nll", "error"} <= own_names("loss").keys()
