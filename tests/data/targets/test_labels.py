"""Labels: what they may be, the classes they have, and their numbers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import LabelEncoder

from arignote import DataError
from arignote.data.targets.label_checks import check_labels
from arignote.data.targets.labels import (
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


def test_whole_numbers_are_text_beside_classes_that_are_text():
    classes = np.array(["1", "10", "a"])
    assert like_classes(np.array([10, 1]), classes).tolist() == ["10", "1"]
    assert encode_labels(np.array([10, 1]), classes, "t").tolist() == [1, 0]
    for labels in (np.array([1.0]), np.array(["1"]), np.array([True])):
        assert like_classes(labels, classes) is labels
    assert like_classes(np.array([1]), np.array([0, 1])).dtype.kind == "i"
