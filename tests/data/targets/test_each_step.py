"""A value of another target for each step of a sequence."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import DataError
from arignote.data.targets import Classes, EachStep, Numbers, Targets, counted

WORDS = [["a", "c"], ["b", "a", "a"], ["c"]]
COUNTS = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0]], bool)
OF_CLASSES, OF_NUMBERS = EachStep(of=Classes()), EachStep(of=Numbers())
PADDED = np.array([["a", "c", "?"], ["b", "a", "a"], ["c", "?", "?"]])


def test_lists_are_padded_and_what_a_class_is_follows_from_the_steps_that_have_one():
    y = OF_CLASSES.check(WORDS, "X")
    assert y.shape == (3,) and np.array_equal(y["counts"], COUNTS)
    state = OF_CLASSES.learn(y, None, "X")
    assert state["of"]["values"] == ["a", "b", "c"] and state["of"]["target"] == "classes"
    encoded = OF_CLASSES.encode(y, state, "X")
    assert encoded.tolist() == [[0, 2, -1], [1, 0, 0], [2, -1, -1]] and encoded.dtype == np.int64
    assert np.array_equal(counted(encoded), COUNTS)
    assert OF_CLASSES.size(state) == 3 and OF_CLASSES.classes(state).tolist() == ["a", "b", "c"]


def test_what_stands_in_the_padding_is_ignored():
    y = OF_CLASSES.check(PADDED, "X", COUNTS)
    again = OF_CLASSES.check(WORDS, "X", COUNTS)
    assert np.array_equal(y["values"][COUNTS], again["values"][COUNTS]) and np.array_equal(y["counts"], again["counts"])
    numbers = np.where(COUNTS, 1.5, np.nan)
    assert OF_NUMBERS.check(numbers, "X", COUNTS)["values"].tolist() == np.where(COUNTS, 1.5, 0).tolist()
    # Values that were checked before are as they are.
    assert OF_CLASSES.check(y, "X", COUNTS) is y


def test_a_mask_with_holes_leaves_steps_at_their_places():
    holes = np.array([[0, 1, 1], [1, 0, 1]], bool)
    y = OF_NUMBERS.check([[9, 1, 2], [3, 9, 4]], "X", holes)
    state = {"of": {"target": "numbers", "n_axes": 1, "mean": [1.0], "scale": [2.0]}}
    encoded = OF_NUMBERS.encode(y, state, "X")
    np.testing.assert_array_equal(encoded[:, :, 0], [[np.nan, 0, 0.5], [1, np.nan, 1.5]])
    assert np.array_equal(counted(encoded), holes) and encoded.dtype == np.float32


def test_numbers_are_scaled_by_the_steps_of_the_training_rows():
    y = OF_NUMBERS.check([[1.0, 3.0], [100.0], [5.0, 7.0, 9.0]], "X")
    state = OF_NUMBERS.learn(y, np.array([2, 0]), "X")
    # Of 1, 3, 5, 7, 9.
    assert state["of"]["mean"] == [5.0] and state["of"]["scale"] == [pytest.approx(8**0.5)]
    found = OF_NUMBERS.decode(OF_NUMBERS.encode(y, state, "X"), state)
    assert found.shape == (3, 3) and found[0, :2] == pytest.approx([1, 3]) and found[1, 0] == pytest.approx(100)
    assert OF_NUMBERS.units(state).tolist() == [pytest.approx(8**0.5)]
    assert OF_NUMBERS.learn(y, None, "X", state) == state


def test_several_numbers_per_step():
    y = OF_NUMBERS.check([[[1, 2], [3, 4]], [[5, 6]]], "X")
    state = OF_NUMBERS.learn(y, None, "X")
    assert OF_NUMBERS.size(state) == 2 and state["of"]["mean"] == [3.0, 4.0]
    assert OF_NUMBERS.decode(OF_NUMBERS.encode(y, state, "X"), state).shape == (2, 2, 2)
    like = OF_NUMBERS.like(y, state)
    assert like["values"].tolist() == [[[1, 2], [3, 4]], [[5, 6], [0, 0]]]
    assert like["counts"].tolist() == [[True, True], [True, False]]


def test_the_most_probable_class_of_each_step_is_predicted():
    state = OF_CLASSES.learn(OF_CLASSES.check([["a", "b"]], "X"), None, "X")
    predicted = np.array([[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]])
    assert OF_CLASSES.decode(predicted, state).tolist() == [["a", "b", "a"]]


@pytest.mark.parametrize(
    ("y", "counts", "words"),
    [
        (["a", "b"], None, r"y of X must have a value for each step, \(rows, steps\)"),
        (7, None, "a value for each step"),
        ([["a"], []], None, "y of X row 1 must have a value for each of 0 steps; got 0"),
        ([["a", "b"], ["a"]], COUNTS[:2], "y of X row 1 must have a value for each of 3 steps; got 1"),
        (WORDS[:2], COUNTS, "X has 3 rows, its labels 2; the numbers must be equal"),
        ([["a", "b"], ["b", None]], None, "label of X row 1 step 1 is missing"),
    ],
)
def test_values_that_do_not_fit_the_steps_are_refused_by_row(y, counts, words):
    with pytest.raises(DataError, match=words):
        OF_CLASSES.check(y, "X", counts)


def test_classes_that_were_not_learned_are_refused():
    state = OF_CLASSES.learn(OF_CLASSES.check(WORDS, "X"), None, "X")
    with pytest.raises(DataError, match="label 'd' of X row 1 step 1"):
        OF_CLASSES.encode(OF_CLASSES.check([["a", "c", "a"], ["a", "d"]], "X"), state, "X")
    # With holes in a mask, too.
    holes = np.array([[0, 1, 0, 1]], bool)
    with pytest.raises(DataError, match="y of X row 0 step 3 is missing"):
        OF_NUMBERS.check([[1.0, 2.0, 3.0, np.nan]], "X", holes)


def test_what_an_augmentation_returns_must_be_encoded():
    state = OF_CLASSES.learn(OF_CLASSES.check(WORDS, "X"), None, "X")
    assert OF_CLASSES.is_encoded(np.array([[0, 2, -1]]), state)
    assert not OF_CLASSES.is_encoded(np.array([[0, 3, -1]]), state)
    # A number for each step, not for each row; and one step at least has a class.
    assert not OF_CLASSES.is_encoded(np.array([0, 2, 1]), state)
    assert not OF_CLASSES.is_encoded(np.array([[[0], [2]]]), state)
    assert not OF_CLASSES.is_encoded(np.array([[-1, -1]]), state)
    assert "for each step class numbers in 0 .. 2" in OF_CLASSES.encoded_form(state)
    assert OF_CLASSES.keywords(state) == {"n_classes": 3}


def test_numbers_that_an_augmentation_returns_have_an_axis_of_outputs():
    state = {"of": {"target": "numbers", "n_axes": 1, "mean": [1.0], "scale": [2.0]}}
    encoded = np.array([[[0.5], [np.nan]], [[1.5], [2.5]]], np.float32)
    assert OF_NUMBERS.is_encoded(encoded, state)
    assert counted(encoded).tolist() == [[True, False], [True, True]]
    assert not OF_NUMBERS.is_encoded(encoded[:, :, 0], state)
    assert not OF_NUMBERS.is_encoded(np.repeat(encoded, 2, axis=2), state)
    assert not OF_NUMBERS.is_encoded(np.full((2, 2, 1), np.nan, np.float32), state)
    # A step of several numbers has a value unless all are missing.
    assert counted(np.array([[[np.nan, 1.0], [np.nan, np.nan]]])).tolist() == [[True, False]]


def test_classes_have_the_form_of_those_of_the_run_that_is_resumed():
    y = OF_CLASSES.check([[10, 7], [7]], "X")
    stored = {"of": OF_CLASSES.learn(OF_CLASSES.check([["10", "7"]], "X"), None, "X")["of"]}
    found = OF_CLASSES.like(y, stored)
    assert found["values"][0].tolist() == ["10", "7"] and found["values"][1, 0] == "7"
    assert np.array_equal(found["counts"], y["counts"])
    assert OF_CLASSES.encode(found, stored, "X").tolist() == [[stored["of"]["values"].index("10"), 1], [1, -1]]


def test_the_state_of_a_file_is_checked_as_that_of_a_step():
    with pytest.raises((KeyError, TypeError, ValueError)):
        OF_NUMBERS.check_state({"of": {"n_axes": 3, "mean": [1.0], "scale": [1.0]}})


def test_beside_another_output_values_are_fields_of_fields():
    targets = Targets({"steps": OF_CLASSES, "size": Numbers()}, "steps")
    y = targets.check({"steps": WORDS, "size": [1.0, 2.0, 3.0]}, "X")
    assert targets.has_steps and y[[2, 0]]["size"].tolist() == [3.0, 1.0]
    state = targets.learn(y, None, "X", None)
    assert state["steps"]["target"] == "steps" and targets.sizes(state) == {"steps": 3, "size": 1}
    assert targets.encode(y, state, "X")["steps"].tolist() == [[0, 2, -1], [1, 0, 0], [2, -1, -1]]
    again = targets.check(y, "X")["steps"]
    assert all(np.array_equal(again[field], y["steps"][field]) for field in ("values", "counts"))
