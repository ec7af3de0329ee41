"""From stored rows to the input of a network."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.data.inputs import Conversion, of_channel

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
