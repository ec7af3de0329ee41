"""JSON Schemas of fields that hold parts: each form that is accepted is in them, and nothing that is refused."""

from __future__ import annotations

import jsonschema_rs
import pytest

from arignote import ConfigError
from arignote.layers import FCLayer
from arignote.spec.part_schemas import Definitions
from arignote.spec.settings import FitSettings, checked_settings


def matches(value, model, name):
    """Return whether a value matches the schema of a field."""
    definitions = Definitions()
    schema = definitions.resolved(model.model_json_schema()["properties"][name])
    return jsonschema_rs.is_valid(schema | {"$defs": definitions.schemas}, value)


STEP = ["step", {"multiply_by": 0.5, "n_epochs": 2}]


@pytest.mark.parametrize(
    ("name", "values", "refused"),
    [
        ("sgd_type", ["adam", ["adam"], ["adam", None], {"updater": "adam", "beta1": 0.5}], [None, {"rule": "adam"}]),
        ("lr_rule", [0.1, "const", ["const"], {"rule": "const"}, None], [-0.1, True, {"lr_rule": "const"}]),
        (
            "stop_rule",
            [["reached", {"value": 1.0}], {"stop_rule": "reached", "value": 1.0}, {"rule": "reached", "value": 1.0}],
            ["reached", 3, {"rule": "reached"}],
        ),
        (
            "rules",
            [{}, {"fc1.l2": STEP}, {"fc1": {"l2": STEP, "l1": 0.1}}, None],
            [[], 0.1, {"fc1": {"l2": {"l2": []}}}],
        ),
        (
            "preprocess",
            ["Standardise", ["Standardise"], [["Standardise"], "MinMax"], {"a": "MinMax", "b": [["MinMax"]]}, None],
            [0, {"a": 0}, [["Standardise", {"low": 0}]]],
        ),
        ("average", ["ema", {"kind": "ema", "decay": 0.9}, {"average": "ema"}], [{"rule": "ema"}, {"kind": "emma"}]),
        ("windows", [{"length": 3}, ["windows", {"length": 3}]], [{"step": 3}, 3, {"length": 3, "steps": 3}]),
    ],
)
def test_the_schema_of_a_setting_has_each_form_that_is_accepted_and_no_other(name, values, refused):
    for value in values:
        checked_settings({name: value})
        assert matches(value, FitSettings, name), value
    for value in refused:
        with pytest.raises(ConfigError):
            checked_settings({name: value})
        assert not matches(value, FitSettings, name), value


# A list of parts may be one part alone, in any of its forms.
ONE = ["Flip", ["Flip"], ["Flip", {"p": 0.5}], {"augmentation": "Flip", "p": 0.5}]
REFUSED = [5, True, {}, {"updater": "adam"}, {"Flip": {"p": 0.5}}, [5], [["Flip"], 5], [[5]], [["Flip", 5]]]


ACCEPTED = [(None, 0), ([], 0), (ONE, 4), *((one, 1) for one in ONE), *(([one], 1) for one in ONE)]


@pytest.mark.parametrize(("value", "n_parts"), ACCEPTED, ids=repr)
def test_an_augmentation_in_each_form_of_the_schema_is_accepted(value, n_parts):
    assert matches(value, FitSettings, "augmentation")
    built = checked_settings({"augmentation": value}).augmentation
    assert [type(one).__name__ for one in built] == ["Flip"] * n_parts


@pytest.mark.parametrize("value", REFUSED, ids=repr)
def test_an_augmentation_in_no_form_of_the_schema_is_refused(value):
    assert not matches(value, FitSettings, "augmentation")
    with pytest.raises(ConfigError, match="augmentation"):
        checked_settings({"augmentation": value})


def test_initial_weights_may_be_a_number_but_no_switch():
    for value in (0.5, 1, "normal", ["normal", {"std": 1}], {"initializer": "he"}, None):
        assert matches(value, FCLayer, "W") and FCLayer(n_units=2, W=value)
    with pytest.raises(ConfigError, match="W"):
        FCLayer(n_units=2, W=True)
    assert not matches(True, FCLayer, "W") and FCLayer(n_units=2, W=0.5).W.value == 0.5
