"""From stored rows to the input of a network."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.data.inputs import Conversion, Input, channels_of, of_channel

IMAGES = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("conversion", "stored", "expected"),
    [
        (Conversion("NHWC"), IMAGES.transpose(0, 2, 3, 1), IMAGES),
        (Conversion("NHW"), IMAGES[:, 0], IMAGES[:, :1]),
        (Conversion("NCHW"), IMAGES, IMAGES),
        (Conversion(image=(3, 4, 5)), IMAGES.reshape(2, 60), IMAGES),
        (Conversion(image=(1, 4, 5)), IMAGES[:, 0], IMAGES[:, :1]),
        (Conversion("NHW", preprocess=lambda x: x / 2), IMAGES[:, 0], IMAGES[:, :1] / 2),
    ],
    ids=["NHWC", "NHW", "NCHW", "flat", "without a channel axis", "preprocessed"],
)
def test_rows_are_converted_to_contiguous_numbers_of_float32_with_channels_first(conversion, stored, expected):
    found = conversion(stored)
    assert found.dtype == np.float32 and found.flags.c_contiguous and found.flags.writeable
    assert np.array_equal(found, expected)


def test_rows_that_may_not_be_written_are_copied_and_others_are_not():
    stored = np.ones((2, 3), np.float32)
    assert np.shares_memory(Conversion()(stored), stored)
    stored.flags.writeable = False
    assert not np.shares_memory(Conversion()(stored), stored) and Conversion()(stored).flags.writeable


@pytest.mark.parametrize(
    ("shape", "size", "fits"),
    [
        ((60,), (3, 4, 5), True),
        ((59,), (3, 4, 5), False),
        ((4, 5), (1, 4, 5), True),
        ((4, 5), (3, 4, 5), False),
        ((5, 4), (1, 4, 5), False),
        ((3, 4, 5), (3, 4, 5), False),
    ],
)
def test_images_are_flat_or_lack_a_channel_axis(shape, size, fits):
    assert Conversion().fits_image(size, shape) is fits


def test_a_setting_holds_for_all_channels_or_names_some():
    assert of_channel("NHWC", "a") == of_channel("NHWC", None) == "NHWC"
    assert of_channel({"a": "NHWC"}, "a") == "NHWC" and of_channel({"a": "NHWC"}, "b") is None


def test_the_channels_of_an_input_are_its_rows_and_which_of_their_steps_count():
    assert Input("a", lengths="n").channels == ["a", "n"] and Input(lengths=True).channels == [None]
    assert Input("a", offsets="at").channels == ["a", "at"] and Input("a", mask="m").channels == ["a", "m"]
    assert channels_of([Input("a", lengths="n"), Input("b", lengths="n")]) == ["a", "n", "b"]
    assert Input("a").field == "a" and Input().field == "x"


def test_one_number_per_row_is_an_axis_of_one():
    assert Conversion()(np.array([1, 2])).tolist() == [[1], [2]]


STEPS = [np.array([2, 3]), np.array([[1, 1, 0], [1, 1, 1]]) != 0]


@pytest.mark.parametrize("steps", STEPS, ids=["lengths", "mask"])
def test_steps_that_count_are_preprocessed_as_rows_and_padding_stays_zero(steps):
    seen = []

    def plus_one(x):
        seen.append(x)
        return x + 1

    rows = np.array([[1.0, 2.0, 0.0], [3.0, 4.0, 5.0]])
    found = Conversion(preprocess=plus_one)(rows, steps)
    assert found.tolist() == [[2, 3, 0], [4, 5, 6]] and found.dtype == np.float32
    assert seen[0].tolist() == [[1], [2], [3], [4], [5]]
    # An axis of the features of a step stays, and so does one that the function adds.
    assert Conversion(preprocess=plus_one)(rows[:, :, None], steps).tolist() == found[:, :, None].tolist()
    both = Conversion(preprocess=lambda x: np.concatenate([x, -x], axis=1))(rows, steps)
    assert both.tolist() == np.stack([rows, -rows], axis=2).tolist()


def test_tokens_stay_integers():
    found = Conversion(n_tokens=2**24 + 2)(np.array([[2.0**24 + 1, 0.0]]))
    assert found.dtype == np.int64 and found.tolist() == [[2**24 + 1, 0]]


@pytest.mark.parametrize("value", [5, -1, 0.5, np.nan])
def test_the_first_row_that_holds_no_token_is_found(value):
    tokens = np.array([[[1.0], [4.0]], [[0.0], [2.0]], [[3.0], [3.0]]])
    conversion = Conversion(n_tokens=5)
    assert conversion.first_wrong(tokens, lenient=False) is None
    tokens[1:, 1] = value
    assert conversion.first_wrong(tokens, lenient=True) == 1
    words = f"X row 1 holds {value:g}; tokens must be whole numbers in 0 .. 4, below n_tokens of the EmbeddingLayer"
    assert str(conversion.error("X row 1", tokens[1], ())) == words


def test_the_first_row_that_is_not_finite_is_found_unless_missing_values_may_be_there():
    rows = np.array([[1.0, 2.0], [3.0, np.nan], [np.inf, 4.0]])
    assert Conversion().first_wrong(rows, lenient=False) == 1 and Conversion().first_wrong(rows, lenient=True) is None
    assert Conversion().first_wrong(rows[:1], lenient=False) is None
    assert Conversion().first_wrong(np.array([[1], [2]]), lenient=False) is None
    assert str(Conversion().error("X row 1", rows[1], ("a", "b"))).startswith("X row 1 holds nan in column 'b'")
    image = np.array([[[0, 1, 2], [3, np.inf, np.nan]]])
    assert str(Conversion().error("X row 1", image, ())).startswith("X row 1 holds inf at [0, 1, 1]; clean")
