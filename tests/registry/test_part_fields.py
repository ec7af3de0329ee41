"""JSON Schemas of fields that hold parts: each form that is accepted is in them, and nothing that is refused."""

from __future__ import annotations

import pytest

from arignote import ConfigError
from arignote.layers import FCLayer
from arignote.spec.settings import FitSettings, checked_settings


def forms(model, name):
    """Return the types of the forms of a field, objects with the key that they require."""
    schema = model.model_json_schema()["properties"][name]
    return [form["required"][0] if "required" in form else form["type"] for form in schema["anyOf"]]


@pytest.mark.parametrize(
    ("name", "expected", "values"),
    [
        ("sgd_type", ["string", "array", "updater"], ["adam", ["adam"], {"updater": "adam"}]),
        ("lr_rule", ["number", "string", "array", "rule", "null"], [0.1, "const", ["const"], {"rule": "const"}, None]),
        (
            "stop_rule",
            ["string", "array", "stop_rule", "rule", "null"],
            [["reached", {"value": 1.0}], {"stop_rule": "reached", "value": 1.0}, {"rule": "reached", "value": 1.0}],
        ),
        (
            "preprocess",
            ["string", "array", "array", "null"],
            ["Standardise", ["Standardise"], [{"preprocess": "Standardise"}], [["Standardise"], ["MinMax"]], None],
        ),
    ],
)
def test_the_schema_of_a_setting_has_each_form_that_is_accepted(name, expected, values):
    assert forms(FitSettings, name) == expected
    for value in values:
        checked_settings({name: value})


def test_a_part_that_must_be_there_has_no_schema_of_null():
    with pytest.raises(ConfigError, match="sgd_type"):
        checked_settings({"sgd_type": None})


def test_initial_weights_may_be_a_number():
    assert forms(FCLayer, "W") == ["number", "string", "array", "initializer", "null"]
    assert FCLayer(n_units=2, W=0.5).W.value == 0.5
