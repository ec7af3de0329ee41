"""Advice in the notation in which the user writes."""

from __future__ import annotations

import pytest

from arignote.hints.advice import Advice, Replacement

SETTING = Advice("Write {}", (Replacement("fit.lr_rule", {"rule": "linear", "n_epochs": "N"}),))


@pytest.mark.parametrize(
    ("notation", "path", "text"),
    [
        ("python", (), 'Write lr_rule={"rule": "linear", "n_epochs": N}'),
        ("yaml", (), "Write fit.lr_rule: {rule: linear, n_epochs: N}"),
        # Beside the word that is complained of, in the section itself.
        ("yaml", ("fit", "lr_rul"), "Write lr_rule: {rule: linear, n_epochs: N}"),
        ("json", (), 'Write "fit": {"lr_rule": {"rule": "linear", "n_epochs": N}}'),
        ("set", (), "Write --set 'fit.lr_rule={rule: linear, n_epochs: N}'"),
    ],
)
def test_a_setting_is_written_in_each_notation(notation, path, text):
    assert SETTING.text_in(notation, path) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "Write dropout_p: 0.5"), ("yes", 'Write dropout_p: "yes"'), ([1, 2], "Write dropout_p: [1, 2]")],
)
def test_the_value_of_the_user_is_kept_where_it_is_plain_and_short(value, text):
    assert Advice("Write {}", (Replacement("dropout_p"),)).about(value).text_in("yaml") == text


def test_a_long_or_nested_value_is_not_repeated():
    advice = Advice("Write {}", (Replacement("dropout_p"),))
    assert advice.about({"a": 1}) is advice and advice.about("x" * 41).text_in("yaml") == "Write dropout_p"


def test_a_key_of_the_top_of_a_config_is_an_argument_of_the_constructor():
    advice = Advice("Write {}", (Replacement("rng", 1, at_top=True),))
    assert advice.text_in("python") == "Write NNClassifier(..., rng=1)"
    assert advice.text_in("yaml", ("fit", "seed")) == "Write rng: 1 (at the top of the config)"
