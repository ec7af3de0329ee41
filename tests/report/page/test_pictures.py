"""Pictures: files of PNG are read back by Pillow, and grey values are worked out by hand."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest

from arignote.report.page.pictures import filters_of, png, shown

Image = pytest.importorskip("PIL.Image")


def pixels(uri):
    head, _, data = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (1, 1)])
def test_pillow_reads_what_is_written(shape):
    found = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert np.array_equal(pixels(png(found)), found)


def test_bytes_are_shown_as_they_are_and_numbers_from_black_to_white():
    images = np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2)
    assert pixels(shown(images)[0])[0, 1].tolist() == [1, 5, 9]
    # The second of two channels is not shown; both images have one scale.
    grey = np.array([[[[-1.0, 0.0]], [[9.0, 9.0]]], [[[0.5, 1.0]], [[9.0, 9.0]]]])
    assert [pixels(one).tolist() for one in shown(grey)] == [[[0, 128]], [[191, 255]]]
    assert pixels(shown(np.zeros((1, 1, 130, 65), np.uint8))[0]).shape == (44, 22)
    assert shown(grey[:0]) == [] and pixels(shown(np.full((1, 1, 2, 2), 0.3))[0]).tolist() == [[0, 0], [0, 0]]


def test_each_filter_is_scaled_around_its_zero():
    W = np.zeros((2, 2, 1, 3))
    W[0, 0, 0], W[1, 1, 0] = [-2, 0, 1], [0.5, 0.25, 0]
    found, n = filters_of(W)
    assert n == 4 and [one.tolist() for one in found] == [
        [[0, 128, 191]],
        [[128, 128, 128]],
        [[128, 128, 128]],
        [[255, 191, 128]],
    ]
    colours, n = filters_of(np.random.default_rng(0).normal(size=(70, 3, 5, 4)))
    assert (len(colours), n, colours[0].shape) == (64, 70, (5, 4, 3))
