"""What of several parameters one must have, and parameters in the forms of a spec, as JSON Schemas."""

from __future__ import annotations

import jsonschema_rs

from arignote.registry import one_of_required, with_params


def test_one_parameter_at_least_must_be_given():
    schema = one_of_required("n_epochs", "n_updates")
    assert jsonschema_rs.is_valid(schema, {"n_epochs": 3, "n_updates": None})
    assert not jsonschema_rs.is_valid(schema, {"n_epoch": 3})


def test_parameters_match_in_a_list_and_in_a_mapping_and_a_name_alone_has_none():
    schema = with_params({"properties": {"p": {"minimum": 0}}})
    for spec in (["Flip", {"p": -1}], {"augmentation": "Flip", "p": -1}):
        assert not jsonschema_rs.is_valid(schema, spec)
    for spec in (["Flip", {"p": 0}], {"augmentation": "Flip", "p": 0}, ["Flip"], "Flip"):
        assert jsonschema_rs.is_valid(schema, spec)
