"""Rows of the table of synonyms, and to which parts they apply."""

from __future__ import annotations

from arignote.hints.advice import OWN, Replacement
from arignote.hints.synonyms.table import Row, fit, part, rows, top


def test_a_row_applies_where_the_part_has_its_parameters():
    (row,) = rows("layer", ("width hidden", [Replacement("n_units"), fit("n_epochs")]))
    assert row.applies(["n_units", "W"]) and not row.applies(["n_output_maps"])
    assert Row("layer", "p", row.advice, only="dropout_p").applies(["n_units", "dropout_p"])
    assert not Row("layer", "p", row.advice, only="dropout_p").applies(["n_units"])


def test_targets_are_settings_keys_of_the_top_and_whole_parts():
    assert (fit("shuffle", False).key, fit("shuffle").value) == ("fit.shuffle", OWN)
    assert top("rng", 1).at_top and part("relu").value == ["relu"]
    assert part("linear", n_epochs="N").value == ["linear", {"n_epochs": "N"}] and part("relu").key == ""


def test_a_line_without_a_text_says_what_to_write():
    (row,) = rows("fit", ("lr", fit("lr_rule")))
    assert (row.place, row.words, row.advice.text, row.only) == ("fit", "lr", "Write {}", "")
