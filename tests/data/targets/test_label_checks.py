"""Values that are no labels, and labels that are no classes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from arignote import ArignoteWarning, DataError
from arignote.data.targets.label_checks import check_classes, check_labels


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([[1, 0], [0, 1]], r"labels of valid are one-hot, of shape \(2, 2\); give y\.argmax"),
        ([[1, 2], [3, 4]], r"labels of valid must have the shape \(rows,\); got \(2, 2\)"),
        ([0.0, np.nan], "label of valid row 1 is missing"),
        (
            [0.0, 1.5],
            r"y of valid looks like a regression target: 2 distinct values in 2 rows \(such as 1\.5\); .* not cont",
        ),
        ([[1, 1, 0], [0, 1, 0]], r"valid, of shape \(2, 3\), look like several labels per row \(row 0 has 2\)"),
        ([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]], r"look like several labels per row \(row 0 has 2\)"),
        ([[1, 0], [0, 0]], r"one-hot rows of which some have no class, such as row 1"),
        (np.array(["a", None], dtype=object), "label of valid row 1 is missing"),
        (np.array(["a", np.nan], dtype=object), "label of valid row 1 is missing"),
    ],
)
def test_values_that_are_no_labels_are_an_error(labels, words):
    with pytest.raises(DataError, match=words):
        check_labels(labels, "valid")


@pytest.mark.parametrize(
    ("labels", "row"),
    [
        (np.ma.array([0, 1, 0, 1], mask=[False, False, True, True]), 2),
        (np.ma.array([[0], [1]], mask=[[False], [True]]), 1),
        (np.ma.array([0, 1], mask=[True, False]), 0),
    ],
)
def test_a_masked_label_is_named_with_its_row(labels, row):
    with pytest.raises(DataError, match=f"label of test row {row} is masked"):
        check_labels(labels, "test")


def test_a_mask_that_hides_nothing_is_accepted():
    assert check_labels(np.ma.array([0, 1, 0], mask=[False] * 3), "test").tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0.0, 1.0, np.inf, np.nan], "label of valid row 2 is not finite"),
        ([0.0, 1.0, -np.inf], "label of valid row 2 is not finite"),
        ([0.0, 1.0, 2.25], r"3 distinct values in 3 rows \(such as 2\.25\); classes must be whole numbers or text"),
        ([-0.5, 1.0], r"regression target.*\(such as -0\.5\)"),
        (np.array(["a", "b", pd.NA, None], dtype=object), "label of valid row 2 is missing"),
        (np.array(["a", pd.NaT, "b"], dtype=object), "label of valid row 1 is missing"),
        (np.array([[True, True], [False, True]]), r"several labels per row \(row 0 has 2\)"),
        (np.eye(3)[[0, 2]].astype(bool), r"one-hot, of shape \(2, 3\)"),
        (np.eye(3, dtype=np.uint8), r"one-hot, of shape \(3, 3\)"),
        (np.array([["a", "b"]]), r"must have the shape \(rows,\); got \(1, 2\)"),
        (np.zeros((2, 1, 1)), r"must have the shape \(rows,\); got \(2, 1, 1\)"),
        (np.array(3), r"must have the shape \(rows,\); got \(\)"),
    ],
    ids=str,
)
def test_a_wrong_label_is_reported_with_its_row_or_shape(labels, words):
    with pytest.raises(DataError, match=words):
        check_labels(labels, "valid")


def test_only_where_classes_are_words_a_missing_one_may_be_the_name_of_a_class():
    for labels, hint in (
        ([1, None], ""),
        (["a", None], "; if NA or ? is the name of a class of a text table: csv: {missing: []}"),
        ([1, "a", None], "; if NA or ? is the name of a class of a text table: csv: {missing: []}"),
    ):
        with pytest.raises(DataError) as refused:
            check_labels(np.array(labels, dtype=object), "valid")
        assert (
            str(refused.value)
            == f"label of valid row {len(labels) - 1} is missing. Leave rows without a label out{hint}"
        )


def test_a_column_of_zeros_and_ones_is_no_one_hot_array():
    assert check_labels(np.array([[0], [1], [1]]), "train").tolist() == [0, 1, 1]


def test_objects_that_are_all_strings_become_text_and_others_stay():
    assert check_labels(np.array(["a", "bc"], dtype=object), "train").dtype == np.dtype("U2")
    assert check_labels(np.array([1, 2], dtype=object), "train").dtype == object


def test_very_many_distinct_floats_are_no_classes():
    with pytest.raises(
        DataError, match=r"y of t looks like a regression target: 60 distinct values in 100 rows; classes"
    ):
        check_classes(np.arange(100.0) % 60, None, "t")
    # 20 are classes, as below.
    with pytest.raises(DataError, match="21 distinct values in 21 rows; classes must come in several rows each"):
        check_classes(np.arange(21.0), None, "t")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.arange(2999), "y of t looks like a regression target: 2,999 distinct values in 2,999 rows"),
        (np.arange(2999).astype(str), "y of t looks like names of rows: 2,999 distinct values in 2,999 rows"),
    ],
)
def test_very_many_distinct_whole_numbers_and_words_are_reported(labels, words):
    with pytest.warns(ArignoteWarning, match=words):
        check_classes(labels, None, "t")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["cat", "dog", "Cat", "cat"], "'Cat' and 'cat'"),
        (["big cat", "big  cat", " big cat ", "BIG CAT"], "' big cat ' and 'BIG CAT' and 'big  cat' and 'big cat'"),
        (["b", "B", "a", "A"], "'A' and 'a', 'B' and 'b'"),
        # Casefold of sharp s is ss.
        (["stra\u00dfe", "Strasse"], "'Strasse' and 'stra\u00dfe'"),
        ([*"abcABC"], "'A' and 'a', 'B' and 'b', 'C' and 'c'"),
        ([*"abcdABCD"], "'A' and 'a', 'B' and 'b', 'C' and 'c' (1 more)"),
        ([*"abcdeABCDEz"], "'A' and 'a', 'B' and 'b', 'C' and 'c' (2 more)"),
    ],
    ids=str,
)
def test_words_that_differ_in_spaces_or_capitals_only_are_reported(labels, names):
    with pytest.warns(ArignoteWarning) as warned:
        check_classes(np.array(labels), None, "t")
    assert [str(one.message) for one in warned] == [
        f"labels of t: {names} are classes of their own, but differ in spaces or capitals only"
    ]


@pytest.mark.parametrize("labels", [["cat", "dog", "cat"], ["big cat", "bigcat"], ["a", "\u00e4"], [1, 2]], ids=str)
def test_words_that_differ_otherwise_are_not_reported(labels):
    check_classes(np.array(labels), None, "t")


@pytest.mark.parametrize(
    ("labels", "n_classes"),
    [(np.arange(20.0), None), (np.arange(300.0) % 100, None), (np.arange(2999), 2999), (np.arange(99.0), 99)],
)
def test_many_classes_are_classes_where_they_are_few_come_again_or_are_meant(labels, n_classes):
    check_classes(labels, n_classes, "t")
