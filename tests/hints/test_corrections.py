"""Values that are nearly right, with what to write."""

from __future__ import annotations

import pytest

from arignote.hints.corrections import correction_of, key_with_value


@pytest.mark.parametrize(
    ("expected", "got", "text"),
    [
        ("an integer >= 1", 64.0, ". Write 64"),
        ("an integer >= 1", 64.5, ""),
        ("a number > 0", "0.25", ". Write 0.25 without quotes"),
        ("a number > 0", "1e-3", ". Write 1e-3 without quotes"),
        ("a number in [0, 1)", "25%", ". Write 0.25"),
        ("a number > 0", "a lot", ""),
        ("true or false", "Yes", ". Write true"),
        ("true or false", "off", ". Write false"),
        ("a string", "None", ". Write null"),
        ("a mapping", [{"a": 1}], ". Leave out the dashes"),
        ("a mapping", [1], ""),
    ],
)
def test_a_value_is_answered_with_what_it_should_be(expected, got, text):
    assert correction_of(expected, got) == text


@pytest.mark.parametrize(
    ("word", "is_pair"), [("n_units:64", True), ("n_units = 64", True), ("n_unit:64", False), ("n_units", False)]
)
def test_a_key_that_holds_its_value_is_known_by_its_first_word(word, is_pair):
    assert (key_with_value(word, {"n_units"}) is not None) == is_pair
