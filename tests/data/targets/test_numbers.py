"""Numbers: what they may be, and their scale."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from arignote import DataError
from arignote.data.targets import Numbers

RNG = np.random.default_rng(4)
Y = RNG.normal(size=(20, 3)) * [1.0, 50.0, 1e-3] + [7.0, -2000.0, 0.0]
NAN = np.nan


@pytest.mark.parametrize("y", [Y, Y.astype(np.float32), (Y * 100).astype(np.int64)], ids=["f8", "f4", "i8"])
def test_numbers_are_scaled_as_scikit_learn_does_and_back(y):
    state = Numbers().learn(Numbers().check(y, "y"), None, "y")
    scaler = StandardScaler().fit(y.astype(np.float64))
    assert state["n_axes"] == 2
    assert state["mean"] == pytest.approx(scaler.mean_.tolist()) and state["scale"] == pytest.approx(scaler.scale_)
    encoded = Numbers().encode(y, state, "y")
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded, scaler.transform(y), rtol=1e-4, atol=1e-5)
    decoded = Numbers().decode(encoded, state)
    assert decoded.dtype == np.float64
    np.testing.assert_allclose(decoded, scaler.inverse_transform(encoded.astype(np.float64)), rtol=1e-12)
    assert Numbers().size(state) == 3 and Numbers().units(state).tolist() == state["scale"]


def test_mean_and_scale_are_those_of_the_training_rows():
    y = np.array([1.0, 100.0, 3.0, -100.0])
    state = Numbers().learn(y, np.array([0, 2]), "y")
    assert state == {"n_axes": 1, "mean": [2.0], "scale": [1.0]}
    assert Numbers().encode(y, state, "y").tolist() == [[-1.0], [98.0], [1.0], [-102.0]]
    assert Numbers().decode(np.array([[-1.0], [0.5]], np.float32), state).tolist() == [1.0, 2.5]


def test_predictions_have_the_axes_of_y():
    for y, shape in ((Y[:, 0], (20,)), (Y[:, :1], (20, 1)), (Y, (20, 3))):
        state = Numbers().learn(Numbers().check(y, "y"), None, "y")
        Numbers().check_state(state)
        found = Numbers().decode(Numbers().encode(y, state, "y"), state)
        assert found.shape == shape and found == pytest.approx(y, rel=1e-4)


def test_unscaled_numbers_stay_as_they_are():
    state = Numbers(scale_target=False).learn(Y, None, "y")
    assert state == {"n_axes": 2, "mean": [0.0] * 3, "scale": [1.0] * 3}
    assert np.array_equal(Numbers().encode(Y, state, "y"), Y.astype(np.float32))


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7e8, 1e100])
def test_the_scale_of_equal_numbers_is_one(value):
    y = np.column_stack([np.full(7, value), np.arange(7.0)])
    state = Numbers().learn(y, None, "y")
    assert state["scale"] == [1.0, 2.0] and state["mean"] == pytest.approx([value, 3.0])


def test_a_spread_of_ten_roundings_is_none():
    eps = np.finfo(np.float64).eps
    assert Numbers().learn(1.0 + eps * np.array([-10.0, 10.0]), None, "y")["scale"] == [1.0]
    # Of -10 and 11 the mean is rounded to 0, and the root of their mean square is 10.5.
    found = Numbers().learn(1.0 + eps * np.array([-10.0, 11.0]), None, "y")
    assert found["scale"] == pytest.approx([eps * np.sqrt((10**2 + 11**2) / 2)])


def test_small_and_large_spreads_are_learned():
    for spread in (1e-9, 1e9):
        y = 5.0 + spread * np.array([-1.0, 1.0])
        assert Numbers().learn(y, None, "y")["scale"] == pytest.approx([spread], rel=1e-6)


def test_missing_values_do_not_count_for_their_column():
    y = np.array([[1.0, NAN], [NAN, NAN], [3.0, 5.0], [NAN, 9.0]])
    target = Numbers(missing_targets=True)
    assert target.check(y, "y") is y
    state = target.learn(y, None, "y")
    assert state == {"n_axes": 2, "mean": [2.0, 7.0], "scale": [1.0, 2.0]}
    np.testing.assert_array_equal(target.encode(y, state, "y"), [[-1, NAN], [NAN, NAN], [1, -1], [NAN, 1]])
    assert target.present_mask(y).tolist() == [True, False, True, True]
    assert target.present_mask(y[:, 0]).tolist() == [True, False, True, False]
    assert target.present_mask(y[[0, 2]]) is None and target.present_mask(np.array([1, 2])) is None
    with pytest.raises(DataError, match=r"^y of t column 1 is missing in every training row$"):
        target.learn(y, np.array([0, 1]), "t")


@pytest.mark.parametrize(
    "y",
    [
        np.array([1.0, None, 3.0], dtype=object),
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1.0, NAN, 3.0]),
        np.ma.array([1, 2, 3], mask=[False, True, False]),
    ],
    ids=["None", "NA", "NaN", "masked"],
)
def test_every_mark_of_a_missing_value_is_read(y):
    found = Numbers(missing_targets=True).check(y, "y")
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [1.0, NAN, 3.0])
    with pytest.raises(DataError) as refused:
        Numbers().check(y, "train")
    assert str(refused.value) == (
        "y of train row 1 is missing; leave the row out, or set missing_targets=True, and it does not count"
    )


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([1.0, np.inf], "y of t row 1 is inf; numbers must be finite"),
        ([[1.0, 2.0], [3.0, -np.inf]], "y of t row 1 column 1 is -inf; numbers must be finite"),
        ([[1.0, 2.0], [3.0, 4.0], [NAN, 2.0]], "y of t row 2 column 0 is missing; leave the row out"),
        (["1.5", "2"], "y of t must be numbers; got '1.5'. If these are classes, use ClassificationOutputLayer"),
        (np.array(["1.5", "2"], dtype=object), "y of t must be numbers; got '1.5'."),
        (np.array([1.5, "two", "3"], dtype=object), "y of t must be numbers; got 'two'."),
        (np.array([1j, None], dtype=object), "y of t must be numbers; got 1j."),
        (np.array([[1], [2, 3]], dtype=object), "y of t must be numbers; got [1]"),
        ([1j], "y of t must be numbers; got complex128"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "y of t must be numbers; got datetime64[D]"),
        ([[1.0], [2.0, 3.0]], "y of t must be numbers (rows,) or (rows, columns); its rows differ in length"),
        (np.zeros((2, 2, 2)), "y of t must have the shape (rows,) or (rows, columns); got (2, 2, 2)"),
        ([], "y of t must have the shape (rows,) or (rows, columns); got (0,)"),
        (np.zeros((3, 0)), "got (3, 0)"),
        (3.0, "got ()"),
    ],
    ids=str,
)
def test_what_is_no_number_is_refused_with_its_row(y, words):
    with pytest.raises(DataError, match=re.escape(words)):
        Numbers().check(y, "t")


def test_an_infinite_number_is_refused_even_where_values_may_be_missing():
    with pytest.raises(DataError, match=r"^y of t row 1 column 1 is inf; numbers must be finite$"):
        Numbers(missing_targets=True).check([[1.0, NAN], [NAN, np.inf]], "t")


def test_numbers_that_float32_cannot_hold_are_refused():
    with pytest.raises(DataError, match=r"^y of t is too large to be scaled; divide it$"):
        Numbers().learn(np.array([1e300, -1e300]), None, "t")
    state = Numbers(scale_target=False).learn(np.array([1.0, 1e300]), None, "y")
    with pytest.raises(DataError, match=r"^y of t row 1 is too large for float32; scale it$"):
        Numbers().encode(np.array([1.0, 1e300]), state, "t")
    with pytest.raises(DataError, match="row 2"):
        Numbers().encode(np.array([1.0, NAN, -3.5e38]), state, "t")
    largest = float(np.finfo(np.float32).max)
    assert Numbers().encode(np.array([largest, -largest]), state, "t").ravel().tolist() == [largest, -largest]


def test_the_number_of_columns_is_that_of_the_layer_and_of_the_training_rows():
    with pytest.raises(DataError, match=r"^y of t has 3 columns, the output layer n_outputs=2$"):
        Numbers(n_outputs=2).learn(Y, None, "t")
    with pytest.raises(DataError, match=r"^y of t has 1 columns, the output layer n_outputs=2$"):
        Numbers(n_outputs=2).learn(Y[:, 0], None, "t")
    state = Numbers(n_outputs=3).learn(Y, None, "t")
    with pytest.raises(DataError, match=r"^y of valid has 2 columns, that of the training data 3$"):
        Numbers().encode(Y[:, :2], state, "valid")


def test_a_resumed_run_keeps_its_scale_unless_y_has_another_form():
    stored = {"target": "numbers", "n_axes": 2, "mean": [1.0, 2.0, 3.0], "scale": [4.0, 5.0, 6.0]}
    assert Numbers().learn(Y, None, "y", stored) == stored
    for y in (Y[:, :2], Y[:, 0]):
        assert Numbers().learn(y, None, "y", stored) == Numbers().learn(y, None, "y")


def test_what_an_augmentation_returns_must_be_a_number_for_each_column():
    state = Numbers().learn(Y, None, "y")
    assert Numbers().is_encoded(np.zeros((4, 3), np.float32), state)
    assert not Numbers().is_encoded(np.zeros(3, np.float32), state)
    assert not Numbers().is_encoded(np.zeros((4, 3), dtype=object), state)
    assert Numbers().encoded_form(state) == "numbers (rows, 3)" and Numbers().keywords(state) == {}
    strata = Numbers().strata(Y)
    assert strata.dtype == np.int64 and strata.tolist() == [0] * 20
    with pytest.raises(DataError, match="the target is numbers, which has no classes"):
        Numbers().classes(state)


GOOD = {"n_axes": 2, "mean": [0.0, 1.0], "scale": [1.0, 2.0]}


@pytest.mark.parametrize(
    "change",
    [
        {"mean": [0.0]},
        {"scale": [1.0]},
        {"mean": [], "scale": []},
        {"mean": [0.0, NAN]},
        {"mean": [0.0, np.inf]},
        {"mean": [0.0, "1"]},
        {"mean": [0.0, None]},
        {"scale": [1.0, 0.0]},
        {"scale": [1.0, -2.0]},
        {"scale": [1.0, NAN]},
        {"scale": [1.0, True]},
        {"mean": 1.0},
        {"n_axes": 1},
        {"n_axes": 3},
        {"n_axes": 0},
        {"n_axes": "2"},
        {"n_axes": True},
    ],
    ids=str,
)
def test_the_state_of_a_forged_file_is_refused(change):
    Numbers().check_state(GOOD)
    with pytest.raises((KeyError, TypeError, ValueError)):
        Numbers().check_state(GOOD | change)
    for name in GOOD:
        with pytest.raises(KeyError):
            Numbers().check_state({key: value for key, value in GOOD.items() if key != name})


def test_what_is_learned_is_a_state():
    for y in (Y, Y[:, :1], Y[:, 0], np.zeros(3)):
        Numbers().check_state(Numbers().learn(y, None, "y"))
