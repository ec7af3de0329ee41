"""Targets of several outputs: one structured array of values, and what each output has learned by its name."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import ArignoteWarning, DataError
from arignote.data.epoch.augmentation import Augmenter
from arignote.data.targets import Classes, Flags, Numbers, Ranks, Targets, misnamed
from arignote.data.transforms import Mixup

KIND = ["cat", "dog", "cat", "eel", "dog", "cat"]
SIZE = np.array([[2.0, 10.0], [4.0, np.nan], [6.0, 30.0], [np.nan, np.nan], [8.0, 50.0], [4.0, 30.0]])
TAGS = [["wild"], [], ["wild", "small"], ["small"], [], ["small"]]
Y = {"kind": KIND, "size": SIZE, "tags": TAGS}


def targets(**by_output):
    by_output = by_output or {"kind": Classes(), "size": Numbers(missing_targets=True), "tags": Flags()}
    return Targets(by_output, next(iter(by_output)))


@pytest.fixture
def checked():
    return targets().check(Y, "X")


@pytest.fixture
def state(checked):
    return targets().learn(checked, None, "X", None)


def test_checked_values_are_one_array_with_a_field_for_each_output_in_the_order_of_the_layers(checked):
    assert checked.shape == (6,) and checked.dtype.names == ("kind", "size", "tags")
    assert checked["kind"].tolist() == KIND and checked["tags"].tolist() == [tuple(sorted(tags)) for tags in TAGS]
    np.testing.assert_array_equal(checked["size"], SIZE)
    reordered = targets().check(dict(reversed(Y.items())), "X")
    assert reordered.dtype == checked.dtype
    taken = checked[[3, 0]]
    assert taken["kind"].tolist() == ["eel", "cat"] and taken["tags"].tolist() == [("small",), ("wild",)]


def test_checked_values_are_accepted_again(checked):
    again = targets().check(checked, "X")
    assert again.dtype == checked.dtype
    for name in checked.dtype.names:
        np.testing.assert_array_equal(again[name], checked[name])


def test_a_mapping_may_hold_the_values_of_a_single_output_too():
    single = targets(kind=Classes())
    assert single.check({"kind": KIND}, "X").tolist() == single.check(KIND, "X").tolist() == KIND
    with pytest.raises(DataError, match=r"y of X must be a mapping .* \{'kind': ...\}; 'kind' is missing"):
        single.check({"sort": KIND}, "X")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (KIND, "{'kind': ..., 'size': ..., 'tags': ...}; got list"),
        (SIZE, "got ndarray"),
        (None, "got NoneType"),
        ({"kind": KIND, "tags": TAGS}, "'size' is missing"),
        (Y | {"sort": KIND}, "there is no output 'sort'"),
        (Y | {"size": SIZE[:5]}, "as many rows for each output; 'kind' has 6, 'size' has 5, 'tags' has 6"),
        (Y | {"kind": [*KIND[:5], None]}, "label of X, 'kind' row 5 is missing"),
        (Y | {"size": SIZE * np.inf}, "y of X, 'size' row 0 column 0 is inf; numbers must be finite"),
    ],
)
def test_other_values_are_refused_with_the_output_and_the_row(y, message):
    with pytest.raises(DataError) as error:
        targets().check(y, "X")
    assert message in str(error.value)


def test_misnamed_says_first_what_is_missing():
    assert misnamed({"a": 1, "b": 2}, ["a", "b"]) == ""
    assert misnamed({"a": 1, "c": 2}, ["a", "b"]) == "'b' is missing"
    assert misnamed({"a": 1, "b": 2, "c": 3}, ["a", "b"]) == "there is no output 'c'"
    assert misnamed("a", ["a"]) == "got str"


def test_each_output_learns_from_the_training_rows_under_its_name(checked):
    learned = targets().learn(checked, np.array([0, 2, 5]), "X", None)
    assert list(learned) == ["kind", "size", "tags"]
    # Labels of all rows, of which some are held out; the mean and the scale of the training rows alone.
    assert learned["kind"]["target"] == "classes" and learned["kind"]["values"] == ["cat", "dog", "eel"]
    assert learned["tags"] == {"target": "flags", "dtype": "<U5", "values": ["small", "wild"], "form": "lists"}
    numbers = SIZE[[0, 2, 5]]
    np.testing.assert_allclose(learned["size"]["mean"], numbers.mean(axis=0))
    np.testing.assert_allclose(learned["size"]["scale"], numbers.std(axis=0))
    assert targets().sizes(learned) == {"kind": 3, "size": 2, "tags": 2}
    assert {name: units.tolist() for name, units in targets().units(learned).items()} == {
        "kind": [1, 1, 1],
        "size": learned["size"]["scale"],
        "tags": [1, 1],
    }


def test_what_a_run_has_learned_is_used_unless_another_target_learned_it(checked, state):
    stored = state | {"size": state["size"] | {"mean": [1.0, 1.0], "scale": [2.0, 2.0]}}
    assert targets().learn(checked, None, "X", stored) == stored
    other = {"kind": state["kind"], "size": {"target": "classes", "dtype": "<i8", "values": [1, 2]}}
    assert targets().learn(checked, None, "X", other) == state


@pytest.mark.parametrize("single", [True, False])
def test_only_a_new_run_reports_what_is_suspicious(single, recwarn):
    found = targets(number=Classes()) if single else targets(number=Classes(), size=Numbers())
    y = found.check({"number": range(40)} if single else {"number": range(40), "size": np.arange(40.0)}, "X")
    # Known, though it has learned nothing.
    assert found.learn(y, None, "X", {})["number"]["values"] == list(range(40))
    assert not recwarn.list
    with pytest.warns(ArignoteWarning, match="looks like a regression target: 40 distinct values"):
        found.learn(y, None, "X", None)


def test_encoded_values_are_those_of_each_target(checked, state):
    encoded = targets().encode(checked, state, "X")
    assert encoded.dtype.names == checked.dtype.names
    assert encoded["kind"].dtype == np.int64 and encoded["kind"].tolist() == [0, 1, 0, 2, 1, 0]
    assert encoded["size"].dtype == np.float32
    expected = (SIZE - np.nanmean(SIZE, axis=0)) / np.nanstd(SIZE, axis=0)
    np.testing.assert_allclose(encoded["size"], expected, rtol=1e-6)
    assert encoded["tags"].tolist() == [[0, 1], [0, 0], [1, 1], [1, 0], [0, 0], [1, 0]]
    with pytest.raises(DataError, match="label 'cow' of valid, 'kind' row 1"):
        targets().encode(targets().check(Y | {"kind": ["cat", "cow", *KIND[2:]]}, "valid"), state, "valid")


def test_predictions_are_decoded_by_name_and_outputs_may_be_left_out(state):
    predicted = {
        "size": np.array([[0.0, 1.0], [1.0, 0.0]], np.float32),
        "kind": np.array([[0.2, 0.7, 0.1], [0.5, 0.0, 0.5]], np.float32),
    }
    decoded = targets().decode(predicted, state)
    assert list(decoded) == ["size", "kind"] and decoded["kind"].tolist() == ["dog", "cat"]
    mean, scale = np.nanmean(SIZE, axis=0), np.nanstd(SIZE, axis=0)
    np.testing.assert_allclose(decoded["size"], [[mean[0], mean[1] + scale[1]], [mean[0] + scale[0], mean[1]]])


def test_text_labels_of_a_run_are_used_as_text_in_the_output_that_has_them():
    two = targets(number=Classes(), size=Numbers())
    y = two.check({"number": [3, 4, 3], "size": [1.0, 2.0, 3.0]}, "X")
    stored = {"number": {"target": "classes", "dtype": "<U1", "values": ["3", "4"]}, "size": {"target": "ranks"}}
    found = two.like(y, stored)
    assert found["number"].tolist() == ["3", "4", "3"] and found["size"].tolist() == [1.0, 2.0, 3.0]
    # Of an output that the run does not have, values stay as they are.
    assert two.like(y, {})["number"].tolist() == [3, 4, 3]
    assert targets(number=Classes()).like(np.array([3, 4]), {}).tolist() == [3, 4]


def test_strata_are_those_of_the_main_output(checked):
    assert targets().strata(checked).tolist() == KIND
    of_ranks = Targets({"kind": Classes(), "rank": Ranks()}, "rank")
    y = of_ranks.check({"kind": KIND, "rank": [1, 1, 2, 2, 3, 3]}, "X")
    assert of_ranks.strata(y).tolist() == [1, 1, 2, 2, 3, 3]


def test_a_row_is_there_if_any_output_has_a_value(checked):
    assert targets().present_mask(checked) is None
    numbers = targets(a=Numbers(missing_targets=True), b=Numbers(missing_targets=True))
    y = numbers.check({"a": [1.0, np.nan, np.nan, 4.0], "b": [np.nan, 2.0, np.nan, 4.0]}, "X")
    assert numbers.present_mask(y).tolist() == [True, True, False, True]
    y = numbers.check({"a": [1.0, np.nan], "b": [1.0, 2.0]}, "X")
    assert numbers.present_mask(y) is None


def test_augmentation_passes_structured_targets_and_compares_missing_values_as_equal(checked, state, recwarn):
    y = targets().encode(checked, state, "X")
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    swaps = Augmenter([lambda x, y, rng: (x[::-1], y[::-1])], 0, targets(), state)
    # It is called twice on the first batch of an epoch: no warning that the results differ.
    assert swaps.tried(x, y).shape[1:] == (2,)
    found_x, found_y = swaps(x, y, 1, 0)
    assert not recwarn.list
    np.testing.assert_array_equal(found_x, x[::-1])
    for name in y.dtype.names:
        np.testing.assert_array_equal(found_y[name], y[name][::-1])


def test_augmentation_that_draws_from_elsewhere_is_reported_for_structured_targets_too(checked, state):
    y = targets().encode(checked, state, "X")
    own = np.random.default_rng(1)

    def noise(x, y, rng):
        y["size"] += own.normal(size=y["size"].shape)
        return x, y

    with pytest.warns(UserWarning, match="gives different results for the same rng"):
        Augmenter([noise], 0, targets(), state).tried(np.zeros((6, 2), np.float32), y)


def test_augmentation_must_return_all_outputs(checked, state):
    y = targets().encode(checked, state, "X")
    only_kind = Augmenter([lambda x, y: (x, y["kind"])], 0, targets(), state)
    message = "a structured array of 'kind': class numbers in 0 .. 2, .*; 'size': numbers \\(rows, 2\\); 'tags': "
    with pytest.raises(DataError, match=message):
        only_kind(np.zeros((6, 2), np.float32), y, 0, 0)


def test_mixup_is_refused_with_several_outputs(checked, state):
    y = targets().encode(checked, state, "X")
    with pytest.raises(DataError, match="Mixup needs one output"):
        Augmenter([Mixup()], 0, targets(), state)(np.zeros((6, 2), np.float32), y, 0, 0)
