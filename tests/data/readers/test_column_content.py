"""Advice on fields of a text table that are nearly numbers."""

from __future__ import annotations

import pytest

from arignote.data.readers.column_content import ColumnContent, remedy_of
from arignote.data.readers.dialect import Dialect

COMMAS, TABS = Dialect(",", True), Dialect("\t", True)


@pytest.mark.parametrize(
    ("value", "dialect", "words"),
    [
        ("3,14", TABS, "decimal mark is a comma"),
        # Between commas it is no decimal mark.
        ("3,14", COMMAS, ""),
        ("1 234.5", COMMAS, "without separators of thousands"),
        ("12'345", COMMAS, "without separators of thousands"),
        ("1234 5", COMMAS, ""),
        (" -- ", COMMAS, 'missing: ["--"]'),
        ("abc", COMMAS, ""),
        ("", COMMAS, ""),
    ],
)
def test_a_field_is_answered_with_what_it_may_stand_for(value, dialect, words):
    advice = remedy_of(value, dialect)
    assert (words in advice and advice.startswith(". ")) if words else advice == ""


def test_a_column_of_which_nothing_is_read_has_the_smallest_type():
    # Joined with that of each piece, it becomes that of the file.
    assert ColumnContent().dtype == bool and not ColumnContent().has_numbers
