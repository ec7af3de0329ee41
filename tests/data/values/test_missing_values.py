"""Markers of missing values, and the report of numbers that are missing."""

from __future__ import annotations

import io
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from arignote.data.values.missing_values import (
    MISSING_MARKERS,
    count_missing,
    is_missing,
    is_missing_marker,
    missing_error,
)


def test_the_markers_are_those_of_pandas_and_a_question_mark():
    for marker in MISSING_MARKERS - {"?"}:
        assert pd.read_csv(io.StringIO(f"a,b\n1,{marker}\n"))["b"].isna().all(), marker
    words = ["none", "?", "missing", "-", "nil", "NAN", "n.a.", "na", "."]
    kept = [word for word in words if pd.read_csv(io.StringIO(f"a,b\n1,{word}\n"))["b"].notna().all()]
    assert [word for word in words if not is_missing_marker(word, exact=True)] == [word for word in kept if word != "?"]


@pytest.mark.parametrize(
    ("field", "given", "exact", "expected"),
    [
        ("NA", None, True, True),
        (" ? ", None, True, True),
        ("none", None, True, False),
        ("none", None, False, True),
        ("  ", None, True, True),
        ("no", None, False, False),
        ("NA", [], False, False),
        ("", [], True, True),
        ("-999", ["-999"], True, True),
        ("-9990", ["-999"], False, False),
    ],
)
def test_a_marker_is_recognised(field, given, exact, expected):
    assert is_missing_marker(field, given, exact=exact) is expected


def test_missing_numbers_are_counted_by_column():
    table = np.array([[1.0, np.nan, 3], [1, 2, np.nan], [1, np.nan, np.inf]])
    assert count_missing(table, ["a", "b", "c"]) == {"b": (0, 2), "c": (1, 1)}


def test_the_first_missing_number_and_all_columns_that_have_any_are_reported():
    message = str(missing_error("t.csv", {"c": (5, 1), "b": (2, 3)}))
    assert message.startswith(
        "t.csv row 2 holds nan in column 'b'; 4 numbers are missing, in the columns 'c', 'b'. Fill "
    )
    assert "(columns: '!c,!b')" in message and message.endswith("or pass allow_nonfinite=True")
    assert "numbers are missing" not in str(missing_error("t.csv", {"c": (5, 1)}))
    message = str(missing_error("t.csv", {n: (0, 1) for n in range(9)}))
    assert "in the columns 0, 1, 2, 3, 4 and 4 more. Fill" in message and "!0" not in message


@pytest.mark.parametrize(
    "value",
    [None, float("nan"), complex("nan"), np.float32("nan"), Decimal("nan"), np.datetime64("NaT"), pd.NA, pd.NaT],
)
def test_nothing_nan_and_those_of_pandas_are_missing(value):
    assert is_missing(value)


@pytest.mark.parametrize("value", [0, "", False, float("inf"), "nan", -1, [float("nan")], np.array([1.0, np.nan])])
def test_zero_empty_text_and_what_holds_several_values_are_not_missing(value):
    assert not is_missing(value)
