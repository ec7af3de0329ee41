"""Labels: what they may be, the classes they have, and their numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import LabelEncoder

from arignote import ArignoteWarning, DataError
from arignote.data.targets.labels import (
    check_classes,
    check_labels,
    encode_labels,
    find_classes,
    like_classes,
    weights_of_classes,
)


@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [
        ([3, 1, 3], [1, 3], [1, 0, 1]),
        ([2.0, 0.0, 2.0], [0.0, 2.0], [1, 0, 1]),
        ([True, False, True], [False, True], [1, 0, 1]),
        (["b", "a", "b"], ["a", "b"], [1, 0, 1]),
        (np.array(["b", "aa", "b"], dtype=object), ["aa", "b"], [1, 0, 1]),
        ([[5], [4], [5]], [4, 5], [1, 0, 1]),
    ],
    ids=["numbers", "whole floats", "truths", "words", "objects", "a column"],
)
def test_classes_are_in_order_and_labels_are_their_positions(labels, classes, numbers):
    found = check_labels(labels, "train")
    stored = find_classes(found, None)
    assert stored.tolist() == classes
    encoded = encode_labels(found, stored, "train")
    assert encoded.dtype == np.int64 and encoded.tolist() == numbers


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
    ("labels", "n_classes", "expected"),
    [
        ([0, 2, 2], 4, [0, 1, 2, 3]),
        ([0, 1], 2, [0, 1]),
        ([0, 1], 1, [0, 1]),
        ([5, 7], 2, [5, 7]),
        (["a", "b", "c"], 3, ["a", "b", "c"]),
    ],
)
def test_n_classes_makes_numbers_a_range_where_some_are_not_seen(labels, n_classes, expected):
    assert find_classes(np.asarray(labels), n_classes).tolist() == expected


@pytest.mark.parametrize(
    ("labels", "n_classes", "words"),
    [
        ([0, 4, 5], 4, r"labels reach from 0 to 5; with n_classes=4 they must lie in 0 \.\. 3"),
        ([-1, 1], 3, "labels reach from -1 to 1"),
        ([0, 1, 2], 2, "labels have 3 classes, the output layer n_classes=2"),
        ([0, 1, 2], 1, "labels have 3 classes, the output layer n_classes=1"),
        (["a", "b"], 3, "labels have 2 classes, the output layer n_classes=3"),
        ([4, 4], None, r"labels have one class only \(\[4\]\)"),
        ([2, 2], 4, r"labels have one class only \(\[2\]\)"),
        (np.array(["a", 1], dtype=object), None, "labels are of several types"),
        (np.array([1j, 2j]), None, r"labels must be numbers or text; got complex128"),
    ],
)
def test_impossible_classes_are_reported(labels, n_classes, words):
    with pytest.raises(DataError, match=words):
        find_classes(np.asarray(labels), n_classes)


@pytest.mark.parametrize(("label", "classes"), [(3, [0, 1, 2]), (1, [0, 2]), ("b", ["a", "c"]), ("b", [0, 1])])
def test_a_label_of_no_class_is_named_with_its_row(label, classes):
    with pytest.raises(DataError, match=r"label .* of test row 0 is none of the classes"):
        encode_labels(np.array([label]), np.array(classes), "test")


@pytest.mark.parametrize(
    "labels",
    [
        np.array([3, 1, 3, 7, 1]),
        np.array([-2, 5, -2, 0], np.int8),
        np.array([2.0, -1.0, 2.0, 9.0]),
        np.array(["pear", "fig", "apple", "fig"]),
        np.array([True, False, True]),
        np.array(["b", "a", "ccc"], dtype=object),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_classes_and_numbers_are_those_of_scikit_learn(labels):
    encoder = LabelEncoder()
    numbers = encoder.fit_transform(labels)
    classes = find_classes(check_labels(labels, "train"), None)
    assert classes.tolist() == encoder.classes_.tolist()
    assert encode_labels(labels, classes, "train").tolist() == numbers.tolist()


def test_the_classes_of_text_are_as_wide_as_the_longest_of_them():
    assert find_classes(np.array(["a", "bcd"], dtype="U40"), None).dtype == np.dtype("U3")


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
        (["a", None], ". If NA or ? is the name of a class of a text table: csv: {missing: []}"),
        ([1, "a", None], ". If NA or ? is the name of a class of a text table: csv: {missing: []}"),
    ):
        with pytest.raises(DataError) as refused:
            check_labels(np.array(labels, dtype=object), "valid")
        assert str(refused.value) == f"label of valid row {len(labels) - 1} is missing{hint}"


def test_a_column_of_zeros_and_ones_is_no_one_hot_array():
    assert check_labels(np.array([[0], [1], [1]]), "train").tolist() == [0, 1, 1]


def test_objects_that_are_all_strings_become_text_and_others_stay():
    assert check_labels(np.array(["a", "bc"], dtype=object), "train").dtype == np.dtype("U2")
    assert check_labels(np.array([1, 2], dtype=object), "train").dtype == object


@pytest.mark.parametrize(
    ("labels", "n_classes", "expected"),
    [
        ([0, 3], 4, [0, 1, 2, 3]),
        ([1, 3], 4, [0, 1, 2, 3]),
        ([0, 1, 2], 3, [0, 1, 2]),
        ([1, 2, 3], 3, [1, 2, 3]),
        ([0, 1], 1, [0, 1]),
        ([3, 8], 1, [3, 8]),
        ([-1, 4], 2, [-1, 4]),
        ([0.0, 2.0], 3, [0, 1, 2]),
        (["a", "b"], 1, ["a", "b"]),
        ([3, 8], None, [3, 8]),
        ([0, 9], None, [0, 9]),
    ],
)
def test_the_classes_of_an_output_layer(labels, n_classes, expected):
    found = find_classes(np.asarray(labels), n_classes)
    assert found.tolist() == expected


@pytest.mark.parametrize("n_classes", [3, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_the_classes_of_an_output_layer_are_integers_where_they_are_a_range(dtype, n_classes):
    assert find_classes(np.array([0, 1, 2], dtype), n_classes).dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "n_classes", "words"),
    [
        ([0, 4], 4, r"labels reach from 0 to 4; with n_classes=4 they must lie in 0 \.\. 3"),
        ([-1, 3], 4, "labels reach from -1 to 3"),
        ([5, 5, 5], 1, r"labels reach from 5 to 5; with n_classes=2 they must lie in 0 \.\. 1"),
        ([1, 1], 1, r"labels have one class only \(\[1\]\)"),
        ([0, 1, 2, 3], 3, "labels have 4 classes, the output layer n_classes=3"),
        (["a", "b", "c"], 2, "labels have 3 classes, the output layer n_classes=2"),
        (["a", "b", "c"], 1, "labels have 3 classes, the output layer n_classes=1"),
    ],
)
def test_classes_that_an_output_layer_cannot_have(labels, n_classes, words):
    with pytest.raises(DataError, match=words):
        find_classes(np.asarray(labels), n_classes)


@pytest.mark.parametrize(
    ("labels", "classes", "label", "row"),
    [
        ([0, 2, 5, 9], [0, 2, 4], "5", 2),
        ([0, 2, -1], [0, 2, 4], "-1", 2),
        ([0, 3, 2], [0, 2, 4], "3", 1),
        (["a", "z", "b"], ["a", "b"], "'z'", 1),
        (["aa", "a"], ["a", "b"], "'aa'", 0),
    ],
)
def test_the_first_label_of_no_class_is_named(labels, classes, label, row):
    with pytest.raises(DataError, match=rf"label {label} of test row {row} is none of the classes \[{classes[0]!r}, "):
        encode_labels(np.array(labels), np.array(classes), "test")


@pytest.mark.parametrize(
    ("labels", "classes", "label", "row"),
    [([1, 0, "a", 7], [0, 1], "'a'", 2), (["b", "a", 1], ["a", "b"], "1", 2), ([0, [1]], [0, 1], r"\[1\]", 1)],
)
def test_the_first_label_of_no_class_is_named_where_labels_cannot_be_compared(labels, classes, label, row):
    with pytest.raises(DataError, match=f"label {label} of test row {row} is none of the classes"):
        encode_labels(np.array(labels, dtype=object), np.array(classes), "test")


def test_no_more_than_twenty_classes_are_listed():
    classes = np.arange(30)
    for call in (
        lambda: encode_labels(np.array([99]), classes, "test"),
        lambda: weights_of_classes({99: 1.0}, classes),
    ):
        with pytest.raises(DataError, match=r"\[0, 1, 2, .*, 18, 19\]"):
            call()


@pytest.mark.parametrize(
    ("given", "classes", "expected"),
    [
        ({}, ["a", "b"], [1.0, 1.0]),
        ({"b": 3}, ["a", "b", "c"], [1.0, 3.0, 1.0]),
        ({"b": 0, "a": 0.5}, ["a", "b", "c"], [0.5, 0.0, 1.0]),
        ({2: 4.0, 0: 2.0}, [0, 1, 2], [2.0, 1.0, 4.0]),
        ({"2": 4.0}, [0, 1, 2], [1.0, 1.0, 4.0]),
        ({2.0: 4.0}, [0, 1, 2], [1.0, 1.0, 4.0]),
        ({2: 4.0}, [0.0, 1.0, 2.0], [1.0, 1.0, 4.0]),
        ({"-1": 4.0}, [-1.0, 1.0], [4.0, 1.0]),
        ({"True": 4.0}, [False, True], [1.0, 4.0]),
    ],
)
def test_the_weights_of_classes_are_those_given_and_else_one(given, classes, expected):
    found = weights_of_classes(given, np.array(classes))
    assert found.dtype == np.float64 and found.tolist() == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"d": 1.0, "c": 1.0, "e": 1.0}, r"names the class 'd'; the classes are \['a', 'b', 'c'\]"),
        ({"a": -0.001}, "class_weight of 'a' must be a finite number >= 0; got -0.001"),
        ({"b": np.inf}, "class_weight of 'b' must be a finite number >= 0; got inf"),
        ({"c": np.nan}, "class_weight of 'c' must be a finite number >= 0; got nan"),
    ],
)
def test_weights_of_classes_that_cannot_be_are_reported(given, words):
    with pytest.raises(DataError, match=words):
        weights_of_classes(given, np.array(["a", "b", "c"]))


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


def test_whole_numbers_are_text_beside_classes_that_are_text():
    classes = np.array(["1", "10", "a"])
    assert like_classes(np.array([10, 1]), classes).tolist() == ["10", "1"]
    assert encode_labels(np.array([10, 1]), classes, "t").tolist() == [1, 0]
    for labels in (np.array([1.0]), np.array(["1"]), np.array([True])):
        assert like_classes(labels, classes) is labels
    assert like_classes(np.array([1]), np.array([0, 1])).dtype.kind == "i"
