"""Flags: several labels per row, as a matrix or as lists."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import MultiLabelBinarizer

from arignote import DataError
from arignote.data.targets import Flags

LISTS = [["red", "blue"], [], ["green"], ("red", "red"), {"blue"}]
MATRIX = np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0]])


def learned(y, **params):
    return Flags(**params).learn(Flags().check(y, "y"), None, "y")


def test_lists_of_labels_are_encoded_as_scikit_learn_does():
    y = Flags().check(LISTS, "y")
    state = Flags().learn(y, None, "y")
    assert state == {"dtype": "<U5", "values": ["blue", "green", "red"], "form": "lists"}
    found = Flags().encode(y, state, "y")
    expected = MultiLabelBinarizer().fit(LISTS)
    assert expected.classes_.tolist() == state["values"]
    assert found.dtype == np.float32 and found.tolist() == expected.transform(LISTS).tolist()
    again = Flags().decode(np.where(found > 0, 0.9, 0.1), state)
    assert again.tolist() == [("blue", "red"), (), ("green",), ("red",), ("blue",)]


def test_a_column_of_a_frame_may_hold_lists():
    assert Flags().check(pd.Series([["b", "a"], []]), "y").tolist() == [("a", "b"), ()]


def test_lists_of_equal_length_are_no_matrix_of_labels():
    y = Flags().check([[1, 2], [3, 1], [2, 3]], "y")
    assert y.shape == (3,) and y.tolist() == [(1, 2), (1, 3), (2, 3)]
    state = Flags().learn(y, None, "y")
    assert state == {"dtype": "<i8", "values": [1, 2, 3], "form": "lists"}
    assert Flags().encode(y, state, "y").tolist() == [[1, 1, 0], [1, 0, 1], [0, 1, 1]]
    assert Flags().check([{0}, {1}, {0}], "y").tolist() == [(0,), (1,), (0,)]


@pytest.mark.parametrize(
    "y",
    [
        MATRIX,
        MATRIX.astype(bool),
        MATRIX.astype(np.float64),
        MATRIX.tolist(),
        list(MATRIX),
        MATRIX.astype(object),
        pd.DataFrame(MATRIX).astype({0: bool}),
    ],
    ids=["int", "bool", "float", "lists", "list of arrays", "objects", "frame"],
)
def test_a_matrix_of_zeros_and_ones_has_a_label_for_each_column(y):
    checked = Flags().check(y, "y")
    state = Flags().learn(checked, None, "y")
    assert state == {"dtype": "<i8", "values": [0, 1, 2], "form": "matrix"}
    encoded = Flags().encode(checked, state, "y")
    assert encoded.dtype == np.float32 and encoded.flags.c_contiguous and encoded.tolist() == MATRIX.tolist()
    assert Flags().size(state) == 3 and Flags().classes(state).tolist() == [0, 1, 2]
    assert Flags().units(state).tolist() == [1.0] * 3 and Flags().present_mask(checked) is None


def test_a_sparse_matrix_is_a_matrix():
    from scipy.sparse import csr_matrix

    assert Flags().check(csr_matrix(MATRIX), "y").tolist() == MATRIX.tolist()


def test_a_label_of_probability_above_one_half_is_predicted():
    p = np.array([[0.5, 0.50001, 0.4], [0.9, 0.0, 1.0]])
    found = Flags().decode(p, learned(MATRIX))
    assert found.dtype == np.int64 and found.tolist() == [[0, 1, 0], [1, 0, 1]]
    assert Flags().decode(p, learned([["b"], ["a", "c"]])).tolist() == [("b",), ("a", "c")]


def test_each_combination_of_labels_is_a_stratum():
    for y in (Flags().check([["a"], ["a", "b"], [], ["b", "a"], ["a"]], "y"), np.array([[1, 0], [1, 1], [0, 0]])):
        strata = Flags().strata(y)
        assert strata.dtype.kind == "i" and len(set(strata.tolist())) == 3
        if len(y) == 5:
            assert strata[0] == strata[4] != strata[1] == strata[3]


def test_labels_of_several_types_have_strata_until_they_are_refused():
    y = Flags().check([["a", 1], ["a"], [1]], "y")
    assert len(set(Flags().strata(y).tolist())) == 3
    with pytest.raises(DataError, match="labels of y are of several types; make them all strings or all numbers"):
        Flags().learn(y, None, "y")


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0, 1], "labels of t must be an indicator matrix (rows, labels) of 0 and 1, or a list of the labels of each "),
        (np.zeros((2, 2, 2)), "got float64 of shape (2, 2, 2)"),
        (np.array([["a", "b"]]), "got <U1 of shape (1, 2)"),
        (np.array([[0, 1], [1, 2]]), "labels of t row 1 must be 0 and 1; got [1, 2]"),
        (np.array([[0.0, 1.0], [1.0, np.nan], [3.0, 0.0]]), "labels of t row 1 must be 0 and 1; got [1.0, nan]"),
        ([["a"], ["b", None]], "labels of t row 1 must be numbers or text, none of them missing; got ['b', None]"),
        ([["a"], [np.nan, "b"]], "labels of t row 1 must be numbers or text"),
        ([["a"], [pd.NA]], "labels of t row 1 must be numbers or text"),
        ([["a"], None], "labels of t row 1 must be a list, which is empty if none applies; got None"),
        (["a", ["b"]], "labels of t row 0 must be a list, which is empty if none applies; got 'a'"),
        ([[["a"]], [["b"]]], "labels of t row 0 must be numbers or text"),
    ],
    ids=str,
)
def test_what_is_no_flags_is_refused_with_its_row(y, words):
    with pytest.raises(DataError, match=re.escape(words)):
        Flags().check(y, "t")


def test_labels_that_cannot_be_learned_are_reported():
    with pytest.raises(DataError, match=r"^no row of y has a label$"):
        learned([[], []])
    with pytest.raises(DataError, match="labels of y are of several types"):
        learned([["a"], [1]])
    with pytest.raises(DataError, match=r"^y has 3 labels, the output layer n_classes=2$"):
        learned(MATRIX, n_classes=2)
    assert learned(MATRIX, n_classes=3)["values"] == [0, 1, 2]


def test_other_labels_than_those_that_were_learned_are_named():
    state = learned([["a"], ["b"]])
    with pytest.raises(DataError, match=r"^label 'c' of test row 1 is none of \['a', 'b'\]$"):
        Flags().encode(Flags().check([["a"], ["b", "c"]], "test"), state, "test")
    with pytest.raises(DataError, match="labels of test have 2 columns, those of the training data 3"):
        Flags().encode(MATRIX[:, :2], learned(MATRIX), "test")


def test_what_an_augmentation_returns_must_be_a_number_for_each_label():
    state = learned(MATRIX)
    assert Flags().is_encoded(np.zeros((2, 3), dtype=np.float32), state)
    assert not Flags().is_encoded(np.zeros((2, 2), dtype=np.float32), state)
    assert not Flags().is_encoded(np.zeros(3, dtype=np.float32), state)
    assert Flags().encoded_form(state) == "flags between 0 and 1, (rows, 3)"


@pytest.mark.parametrize(
    "state",
    [
        {"dtype": "<i8", "values": [0, 1]},
        {"dtype": "<i8", "values": [0, 1], "form": "other"},
        {"dtype": "<i8", "values": [0, 1], "form": ["lists"]},
        {"dtype": "<i8", "values": [], "form": "matrix"},
        {"dtype": "<U1", "values": "ab", "form": "lists"},
        {"dtype": "<i8", "form": "lists"},
    ],
    ids=str,
)
def test_the_state_of_a_forged_file_is_refused(state):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Flags().check_state(state)


def test_what_is_learned_is_a_state():
    for y in (LISTS, MATRIX, [[1, 5], [2]]):
        Flags().check_state(learned(y))
