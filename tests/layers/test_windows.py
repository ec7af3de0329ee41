"""Windows over images and series: how many there are, what they leave out, and how maps lie in an example."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.layers.base import ShapeError
from arignote.layers.windows import Geometry, Images, Series, Volumes, edge_notes, image, images_or_volumes, windows

BETWEEN = "stride {} is larger than the window {}: {} between windows are left out"


@pytest.mark.parametrize(
    ("n_pixels", "window", "stride", "expected"),
    [
        ((7, 6), (3, 2), (1, 1), (5, 5)),
        ((7, 6), (7, 6), (1, 1), (1, 1)),
        ((7, 6), (3, 2), (2, 3), (3, 2)),
        ((7, 6), (1, 1), (7, 6), (1, 1)),
        ((7, 6), (1, 1), (6, 5), (2, 2)),
    ],
)
def test_windows_are_counted_by_axis(n_pixels, window, stride, expected):
    assert windows("filter_shape", n_pixels, window, stride) == expected


@pytest.mark.parametrize("window", [(8, 1), (1, 7), (8, 7)])
def test_a_window_larger_than_its_map_along_one_axis_is_refused(window):
    with pytest.raises(ShapeError, match=rf"^pool_shape \[{window[0]}, {window[1]}\] is larger than its map \[7, 6\]$"):
        windows("pool_shape", (7, 6), window, (1, 1))


@pytest.mark.parametrize(
    ("window", "stride", "notes"),
    [
        ((3, 2), (1, 1), []),
        # Rows 0-2, 2-4, 4-6 of 7; columns 0-1, 3-4 of 6.
        ((3, 2), (2, 3), ["stride 3 leaves the last 1 of 6 columns out", BETWEEN.format(3, 2, "columns")]),
        ((3, 2), (3, 2), ["stride 3 leaves the last 1 of 7 rows out"]),
        ((2, 2), (3, 2), ["stride 3 leaves the last 2 of 7 rows out", BETWEEN.format(3, 2, "rows")]),
        ((2, 3), (2, 2), ["stride 2 leaves the last 1 of 7 rows out", "stride 2 leaves the last 1 of 6 columns out"]),
        ((1, 1), (2, 1), [BETWEEN.format(2, 1, "rows")]),
        ((1, 1), (1, 5), [BETWEEN.format(5, 1, "columns")]),
        ((7, 6), (9, 9), [BETWEEN.format(9, 7, "rows"), BETWEEN.format(9, 6, "columns")]),
        # Windows that do not fit are an error of output_shape.
        ((8, 6), (2, 1), []),
    ],
)
def test_pixels_that_no_window_sees_are_counted_by_axis(window, stride, notes):
    assert edge_notes((7, 6), window, stride) == notes


@pytest.mark.parametrize("shape", [(12,), (3, 4), (1, 2, 3, 4)])
def test_rows_that_are_not_images_are_refused_with_a_hint(shape):
    with pytest.raises(ShapeError, match=r"^needs images \(channels, height, width\); got \(.*\)\. Put \["):
        image(shape)
    assert image((3, 4, 5)) == (3, 4, 5)


def test_windows_of_series_are_counted_in_steps():
    assert windows("filter_length", (9,), (3,), (2,)) == (4,)
    assert windows("filter_length", (9,), (9,), (5,)) == (1,)
    with pytest.raises(ShapeError, match=r"^pool_length 10 is larger than its series of 9 steps$"):
        windows("pool_length", (9,), (10,), (1,))
    # Steps 0-2 and 4-6 of 9.
    left_out = "stride 4 leaves the last 2 of 9 steps out"
    assert edge_notes((9,), (3,), (4,)) == [left_out, BETWEEN.format(4, 3, "steps")]


def test_a_filter_sees_what_its_dilation_spans_of_a_padded_map():
    geometry = Geometry((3, 2), (1, 1), (1, 0), (2, 3), 1)
    assert geometry.padded_and_seen((7, 6)) == ((9, 6), (5, 4))
    assert Geometry((4,), (1,), (2,), (3,), 1).padded_and_seen((8,)) == ((12,), (10,))


@pytest.mark.parametrize("axes", ["NCL", "NLC"])
def test_series_lie_in_examples_as_their_axes_say(axes):
    layout, values = Series(axes), np.arange(24.0).reshape(2, 3, 4)
    x = torch.from_numpy(values if axes == "NCL" else values.transpose(0, 2, 1).copy())
    shape = tuple(x.shape[1:])
    assert layout.maps(shape) == (3, 4) and layout.example((3, 4)) == shape and layout.n_axes == 1
    np.testing.assert_array_equal(layout.to_maps(x), values)
    np.testing.assert_array_equal(layout.to_examples(torch.from_numpy(values)), x)
    # One number for each step is one channel.
    assert layout.maps((5,)) == (1, 5)
    assert layout.to_maps(torch.zeros(2, 5)).shape == (2, 1, 5)
    order = r"\(channels, steps\)" if axes == "NCL" else r"\(steps, channels\)"
    with pytest.raises(ShapeError, match=rf"^needs series {order} or \(steps,\); got \(1, 8, 8\)$"):
        layout.maps((1, 8, 8))


def test_images_lie_in_examples_as_they_are():
    x = torch.zeros(2, 3, 4, 5)
    assert Images().maps((3, 4, 5)) == Images().example((3, 4, 5)) == (3, 4, 5) and Images().n_axes == 2
    assert Images().to_maps(x) is x and Images().to_examples(x) is x
    with pytest.raises(ShapeError, match=r"or use the layers of series \(channels, steps\), such as Conv1DLayer$"):
        image((3, 4))


def test_volumes_lie_in_examples_as_they_are():
    x = torch.zeros(2, 3, 4, 5, 6)
    assert Volumes().maps((3, 4, 5, 6)) == Volumes().example((3, 4, 5, 6)) == (3, 4, 5, 6) and Volumes().n_axes == 3
    assert Volumes().to_maps(x) is x and Volumes().to_examples(x) is x
    assert images_or_volumes((3, 4, 5, 6)) == Volumes() and images_or_volumes((3, 4, 5)) == Images()
    assert windows("filter_shape", (7, 6, 9), (3, 2, 4), (2, 3, 1)) == (3, 2, 6)
    assert edge_notes((7, 6, 9), (3, 2, 4), (1, 1, 3)) == ["stride 3 leaves the last 2 of 9 columns out"]
    assert edge_notes((8, 6, 9), (3, 2, 4), (2, 1, 1)) == ["stride 2 leaves the last 1 of 8 slices out"]
