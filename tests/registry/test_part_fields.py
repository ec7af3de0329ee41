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
        ("rules", ["object", "null"], [{}, {"fc1.l2": ["step", {"multiply_by": 0.5, "n_epochs": 2}]}, None]),
        (
            "preprocess",
            ["string", "array", "preprocess", "array", "object", "null"],
            ["Standardise", ["Standardise"], {"preprocess": "Standardise"}, [["Standardise"], ["MinMax"]], None],
        ),
        (
            "augmentation",
            ["string", "array", "augmentation", "array", "null"],
            ["Flip", ["Flip", {"p": 0.5}], {"augmentation": "Flip", "p": 0.5}, None],
        ),
    ],
)
def test_the_schema_of_a_setting_has_each_form_that_is_accepted(name, expected, values):
    assert forms(FitSettings, name) == expected
    for value in values:
        checked_settings({name: value})


TYPES = {"string": str, "number": float, "array": list, "object": dict, "null": type(None)}


def matches(value, schema):
    """Return whether a value is one of the forms of a schema: the keywords that those of parts have, no others."""
    assert schema.keys() <= {"type", "anyOf", "items", "prefixItems", "minItems", "maxItems", *ANNOTATIONS, *OBJECT}
    if "anyOf" in schema:
        return any(matches(value, form) for form in schema["anyOf"])
    if not isinstance(value, TYPES[schema["type"]]):
        return False
    if isinstance(value, dict):
        return all(matches(value.get(key), schema["properties"][key]) for key in schema.get("required", ()))
    if isinstance(value, list):
        first = schema.get("prefixItems", [schema.get("items")] * len(value))
        is_long_enough = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        return is_long_enough and all(matches(item, form) for item, form in zip(value, first, strict=False))
    return True


ANNOTATIONS, OBJECT = ("default", "description", "examples", "title"), ("properties", "required")
# A list of parts may be one part alone, in any of its forms.
ONE = ["Flip", ["Flip"], ["Flip", {"p": 0.5}], {"augmentation": "Flip", "p": 0.5}]
REFUSED = [5, True, {}, {"updater": "adam"}, {"Flip": {"p": 0.5}}, [5], [["Flip"], 5], [[5]], [["Flip", 5]]]


ACCEPTED = [(None, 0), ([], 0), (ONE, 4), *((one, 1) for one in ONE), *(([one], 1) for one in ONE)]


@pytest.mark.parametrize(("value", "n_parts"), ACCEPTED, ids=repr)
def test_an_augmentation_in_each_form_of_the_schema_is_accepted(value, n_parts):
    assert matches(value, FitSettings.model_json_schema()["properties"]["augmentation"])
    built = checked_settings({"augmentation": value}).augmentation
    assert [type(one).__name__ for one in built] == ["Flip"] * n_parts


@pytest.mark.parametrize("value", REFUSED, ids=repr)
def test_an_augmentation_in_no_form_of_the_schema_is_refused(value):
    assert not matches(value, FitSettings.model_json_schema()["properties"]["augmentation"])
    with pytest.raises(ConfigError, match="augmentation"):
        checked_settings({"augmentation": value})


def test_a_part_that_must_be_there_has_no_schema_of_null():
    with pytest.raises(ConfigError, match="sgd_type"):
        checked_settings({"sgd_type": None})


def test_initial_weights_may_be_a_number():
    assert forms(FCLayer, "W") == ["number", "string", "array", "initializer", "null"]
    assert FCLayer(n_units=2, W=0.5).W.value == 0.5
