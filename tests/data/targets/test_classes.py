"""Classes and ranks: one label per row, without an order or in one."""

from __future__ import annotations

import re

import numpy as np
import pytest

from arignote import ArignoteWarning, ConfigError, DataError
from arignote.data.targets import Classes, Ranks


def learned(target, y, stored=None):
    return target.learn(target.check(y, "y"), None, "y", stored)


@pytest.mark.parametrize(
    ("y", "state", "encoded"),
    [
        (["no", "yes", "no"], {"dtype": "<U3", "values": ["no", "yes"]}, [0, 1, 0]),
        ([7, 3, 7], {"dtype": "<i8", "values": [3, 7]}, [1, 0, 1]),
        ([2.0, 1.0, 4.0], {"dtype": "<f8", "values": [1.0, 2.0, 4.0]}, [1, 0, 2]),
        (np.array([True, False]), {"dtype": "|b1", "values": [False, True]}, [1, 0]),
        (np.array(["bb", "a"], dtype=object), {"dtype": "<U2", "values": ["a", "bb"]}, [1, 0]),
    ],
    ids=["text", "numbers", "whole floats", "truths", "objects"],
)
def test_labels_become_their_position_in_order_and_back(y, state, encoded):
    target = Classes()
    found = learned(target, y)
    assert found == state and target.size(found) == len(state["values"])
    numbers = target.encode(target.check(y, "y"), found, "y")
    assert numbers.dtype == np.int64 and numbers.tolist() == encoded
    again = target.decode(np.eye(len(state["values"]))[numbers], found)
    assert again.tolist() == list(y) and again.dtype == np.dtype(state["dtype"])
    assert target.classes(found).tolist() == state["values"]
    assert target.units(found).tolist() == [1.0] * len(state["values"])


def test_ranks_that_are_numbers_are_in_their_order():
    state = learned(Ranks(), [7, 3, 12, 3])
    assert state == {"dtype": "<i8", "values": [3, 7, 12]} and Ranks().size(state) == 3
    assert Ranks().encode(np.array([7, 3, 12]), state, "y").tolist() == [1, 0, 2]
    assert Ranks().classes(state).tolist() == [3, 7, 12]


def test_the_first_of_equally_probable_classes_is_predicted():
    state = learned(Classes(), ["a", "b", "c"])
    p = np.array([[0.4, 0.4, 0.2], [0.1, 0.45, 0.45], [0.2, 0.2, 0.6]])
    assert Classes().decode(p, state).tolist() == ["a", "b", "c"]


def test_whole_numbers_below_n_classes_may_be_absent():
    assert learned(Classes(n_classes=5), [3, 1])["values"] == [0, 1, 2, 3, 4]
    assert learned(Ranks(n_classes=5), [3, 1])["values"] == [0, 1, 2, 3, 4]
    for target in (Classes(n_classes=3), Ranks(n_classes=3)):
        with pytest.raises(DataError, match="labels reach from 1 to 3; with n_classes=3 they must lie in 0"):
            learned(target, [3, 1])
        with pytest.raises(DataError, match="labels have 4 classes, the output layer n_classes=3"):
            learned(target, [3, 1, 2, 7])


def test_strata_are_the_labels_and_all_rows_have_one():
    for target in (Classes(), Ranks()):
        y = target.check([3, 1, 3], "y")
        assert target.strata(y).tolist() == [3, 1, 3] and target.present_mask(y) is None
        assert not target.from_input


def test_numbers_are_text_if_the_run_has_learned_text():
    state = {"dtype": "<U2", "values": ["10", "9"]}
    assert Classes().like(np.array([9, 10]), state).tolist() == ["9", "10"]
    assert Classes().encode(np.array([9, 10]), state, "y").tolist() == [1, 0]
    assert Classes().like(np.array([9, 10]), {"dtype": "<i8", "values": [9, 10]}).tolist() == [9, 10]


@pytest.mark.parametrize("target", [Classes(), Ranks()], ids=["classes", "ranks"])
def test_a_label_that_was_not_learned_is_named_with_its_row(target):
    state = learned(target, [1, 2, 4])
    with pytest.raises(DataError, match=r"^label 3 of valid row 1 is none of the classes \[1, 2, 4\]$"):
        target.encode(np.array([4, 3, 9]), state, "valid")


def test_what_is_no_label_is_refused_with_its_row():
    for target in (Classes(), Ranks()):
        with pytest.raises(DataError, match=r"^label of train row 2 is missing$"):
            target.check([0.0, 1.0, np.nan], "train")
        with pytest.raises(DataError, match=r"RegressionOutputLayer \(NNRegressor\)"):
            target.check([0.0, 1.5], "train")


def test_only_a_new_run_reports_labels_that_look_like_a_regression_target():
    y = np.arange(40)
    for target in (Classes(), Ranks()):
        with pytest.warns(ArignoteWarning, match="y of y looks like a regression target: 40 distinct values"):
            learned(target, y)
        state = learned(target, y, stored={"dtype": "<i8", "values": [0]})
        assert state["values"] == list(range(40))


@pytest.mark.parametrize(
    ("y", "good"),
    [
        (np.array([0, 2]), True),
        (np.array([0, 3]), False),
        (np.array([-1, 2]), False),
        (np.array([0.0, 1.0]), False),
        (np.full((2, 3), 1 / 3, dtype=np.float32), True),
        (np.full((2, 4), 1 / 4), False),
    ],
    ids=["numbers", "out of range", "negative", "floats", "shares", "shares of too many"],
)
def test_what_an_augmentation_returns_must_be_class_numbers_or_shares(y, good):
    state = learned(Classes(), [5, 6, 7])
    assert Classes().is_encoded(y, state) is good
    assert Classes().encoded_form(state) == "class numbers in 0 .. 2, or shares of the classes (rows, 3)"
    assert Classes().keywords(state) == {"n_classes": 3}


def test_ranks_are_in_the_order_in_which_they_are_written():
    target = Ranks(ranks=["low", "middle", "high"])
    state = learned(target, ["high", "low"])
    assert state == {"dtype": "<U6", "values": ["low", "middle", "high"]}
    y = target.check(["high", "low", "middle", "low"], "y")
    assert target.encode(y, state, "y").tolist() == [2, 0, 1, 0]
    assert target.decode(np.eye(3)[[2, 0, 1]], state).tolist() == ["high", "low", "middle"]
    with pytest.raises(DataError, match=re.escape("label 'lower' of test row 1 is none of the classes")):
        target.encode(np.array(["low", "lower"]), state, "test")


def test_a_rank_that_is_not_declared_is_named_with_its_row_among_all_rows():
    with pytest.raises(DataError, match=re.escape("label 'lower' of X row 2 is none of the classes")):
        Ranks(ranks=["low", "high"]).learn(np.array(["low", "high", "lower"]), np.array([1, 2]), "X")


@pytest.mark.parametrize("order", [[3, 1, 2], [30, 20, 10], [1, 2, 0]])
def test_ranks_that_are_numbers_may_have_another_order_than_theirs(order):
    target = Ranks(ranks=order)
    state = learned(target, sorted(order))
    # The rank of a label is its position in the list.
    assert target.encode(np.array([order[2], order[0], order[1]]), state, "y").tolist() == [2, 0, 1]
    assert target.decode(np.eye(3), state).tolist() == order


def test_text_has_no_order_and_the_message_writes_it_down():
    with pytest.raises(DataError) as refused:
        learned(Ranks(), ["low", "high", "low"])
    assert str(refused.value) == (
        "ranks of y are text, which has no order: write it, [\"OrdinalOutputLayer\", {\"ranks\": ['high', 'low']}], "
        "the lowest first"
    )


def test_there_are_two_ranks_or_more():
    with pytest.raises(ConfigError, match="n_classes must"):
        Ranks(n_classes=1)


FORGED = [
    {},
    {"dtype": "<i8"},
    {"values": [0, 1]},
    {"dtype": "<i8", "values": []},
    {"dtype": "<i8", "values": "01"},
    {"dtype": "<U1", "values": "ab"},
    {"dtype": "<U1", "values": {"a": 0}},
    {"dtype": "<i8", "values": ["a"]},
    {"dtype": "<i8", "values": [None]},
    {"dtype": "<i8", "values": [[1, 2]]},
    {"dtype": "|i1", "values": [300]},
    {"dtype": "<u8", "values": [-1]},
    {"dtype": "<U1000000000", "values": ["a"]},
    # One character more than the longest label has.
    {"dtype": "<U2", "values": ["a", ""]},
    {"dtype": "<U5", "values": ["abcd", "a"]},
    {"dtype": "(1000000000,)<i8", "values": [1]},
    {"dtype": "<M8[s]", "values": [1]},
    {"dtype": "nothing", "values": [1]},
]


@pytest.mark.parametrize("state", FORGED, ids=str)
def test_the_state_of_a_forged_file_is_refused(state):
    for target in (Classes(), Ranks()):
        with pytest.raises((KeyError, TypeError, ValueError)):
            target.check_state(state)


def test_what_is_learned_is_a_state():
    for y in (["a", "b"], [3, 9], [1.0, 2.0], np.array([True, False]), np.array([1, 300], dtype=np.uint16)):
        Classes().check_state(learned(Classes(), y))
