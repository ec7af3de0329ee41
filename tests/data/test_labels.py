"""Labels: what they may be, the classes they have, and their numbers."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import DataError
from arignote.data.labels import check_labels, encode_labels, find_classes


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
    known = find_classes(found, None)
    assert known.tolist() == classes
    encoded = encode_labels(found, known, "train")
    assert encoded.dtype == np.int64 and encoded.tolist() == numbers


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([[1, 0], [0, 1]], r"labels of valid are one-hot, of shape \(2, 2\); give y\.argmax"),
        ([[1, 2], [3, 4]], r"labels of valid must have the shape \(rows,\); got \(2, 2\)"),
        ([0.0, np.nan], "label of valid row 1 is not finite"),
        ([0.0, 1.5], r"labels of valid are continuous numbers \(such as 0\.0\)"),
        (np.array(["a", None], dtype=object), "label of valid row 1 is missing"),
        (np.array(["a", np.nan], dtype=object), "label of valid row 1 is missing"),
    ],
)
def test_what_is_no_label_is_told(labels, words):
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
def test_classes_that_cannot_be_are_told(labels, n_classes, words):
    with pytest.raises(DataError, match=words):
        find_classes(np.asarray(labels), n_classes)


@pytest.mark.parametrize(("label", "classes"), [(3, [0, 1, 2]), (1, [0, 2]), ("b", ["a", "c"]), ("b", [0, 1])])
def test_a_label_of_no_class_is_named_with_its_row(label, classes):
    with pytest.raises(DataError, match=r"label .* of test row 0 is none of the classes"):
        encode_labels(np.array([label]), np.array(classes), "test")
