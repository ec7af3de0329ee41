"""Augmentations that move pixels: where each comes from, and what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from augmented import Chosen, assert_equally_often, assert_independent, assert_uniform, augmented, drawn
from scipy import ndimage


def test_a_shift_moves_the_image_by_what_was_drawn_and_fills_the_edges(images):
    # The window starts at row 3, column 0 of an image padded by 2 and 1: up by 1, right by 1.
    found = augmented(["Shift", {"max_shift": [2, 1], "fill": 7.0}], images, Chosen(3, 0))
    assert np.array_equal(found[:, :, :-1, 1:], images[:, :, 1:, :-1])
    assert (found[:, :, -1] == 7).all() and (found[..., 0] == 7).all()


def test_shifts_reach_all_places_and_no_further():
    x = np.zeros((2000, 7, 7), dtype=np.float32)
    x[:, 3, 3] = 1
    places = augmented(["Shift", {"max_shift": [1, 2]}], x).sum(axis=0)
    assert (places > 0).sum() == 15 and (places[2:5, 1:6] > 90).all() and places.sum() == 2000


def test_a_sure_flip_is_the_mirror_image(images):
    assert np.array_equal(augmented(["Flip", {"p": 1.0}], images), images[..., ::-1])
    up = {"horizontal": False, "vertical": True, "p": 1.0}
    assert np.array_equal(augmented(["Flip", up], images), images[..., ::-1, :])


def test_each_image_is_flipped_whole_or_not_at_all(images):
    found = augmented("Flip", images)
    kept = (found == images).all(axis=(1, 2, 3))
    assert 0 < kept.sum() < 12 and np.array_equal(found[~kept], images[~kept][..., ::-1])


def test_quarter_turns_are_those_of_rot90(images):
    found = augmented("QuarterTurns", images, Chosen(np.arange(12) % 4))
    assert all(np.array_equal(found[i], np.rot90(images[i], i % 4, axes=(1, 2))) for i in range(12))


@pytest.mark.parametrize(("degrees", "turns"), [(90.0, 1), (180.0, 2), (-90.0, 3)])
def test_a_rotation_by_right_angles_is_a_quarter_turn(degrees, turns, images):
    found = augmented(["Rotate", {"max_degrees": 180}], images, Chosen(degrees))
    np.testing.assert_allclose(found, np.rot90(images, turns, axes=(2, 3)), atol=1e-5)


def test_a_rotation_leaves_the_centre_and_fills_the_corners():
    x = np.ones((5, 9, 9), dtype=np.float32)
    found = augmented(["Rotate", {"max_degrees": 45, "fill": 3.0}], x, Chosen(45.0))
    assert (found[:, 4, 4] == 1).all() and (found[:, [0, 0, -1, -1], [0, -1, 0, -1]] == 3).all()


def test_a_zoom_by_two_reads_every_half_pixel_from_the_centre():
    x = np.broadcast_to(np.arange(9, dtype=np.float32), (3, 9, 9))
    found = augmented(["Zoom", {"min": 0.5, "max": 2}], x, Chosen(2.0))
    np.testing.assert_allclose(found[0, 0], 2 + np.arange(9) / 2)


def test_a_zoom_below_one_shrinks_and_fills_the_rim():
    x = np.ones((3, 9, 9), dtype=np.float32)
    found = augmented(["Zoom", {"min": 0.5, "max": 0.5, "fill": -1.0}], x)
    assert (found[:, 2:7, 2:7] == 1).all() and (found[:, 0] == -1).all()


def test_a_crop_is_a_window_of_the_padded_image(images):
    found = augmented(["Crop", {"size": [4, 12], "pad": [0, 2], "fill": 5.0}], images, Chosen(3, 1))
    padded = np.pad(images, ((0, 0), (0, 0), (0, 0), (2, 2)), constant_values=5)
    assert np.array_equal(found, padded[:, :, 3:7, 1:13])


@pytest.mark.parametrize(("dy", "dx"), [(1, 2), (2, 0), (0, 1)])
@pytest.mark.parametrize("fill", [None, -3.5])
def test_every_shift_within_the_bounds_is_equally_likely_and_drawn_for_each_row(dy, dx, fill):
    image = np.random.default_rng(1).normal(size=(2, 5, 6)).astype(np.float32)
    spec = ["Shift", {"max_shift": [dy, dx]} | ({} if fill is None else {"fill": fill})]
    found = drawn(spec, np.repeat(image[None], 3000, axis=0))
    known = {}
    for a in range(-3, 4):
        for b in range(-3, 4):
            # out[i, j] = x[i - a, j - b], by SciPy.
            moved = ndimage.shift(image, (0, a, b), order=0, cval=0.0 if fill is None else fill)
            known[moved.tobytes()] = (a, b)
    shifts = np.array([known[row.tobytes()] for row in found])
    assert_equally_often(shifts[:, 0], range(-dy, dy + 1))
    assert_equally_often(shifts[:, 1], range(-dx, dx + 1))
    if dy and dx:
        assert_independent(shifts[:, 0], shifts[:, 1])
        assert_independent(shifts[1:, 0], shifts[:-1, 0])


@pytest.mark.parametrize(
    ("size", "pad", "fill"),
    [((3, 4), (0, 0), None), ((4, 4), (1, 2), 5.0), ((6, 3), (1, 0), None), ((5, 6), (1, 1), 0.5)],
)
def test_every_window_of_the_padded_image_is_equally_likely(size, pad, fill):
    image = np.random.default_rng(1).normal(size=(2, 5, 6)).astype(np.float32)
    words = {"size": list(size)} | ({"pad": list(pad)} if any(pad) else {}) | ({} if fill is None else {"fill": fill})
    found = drawn(["Crop", words], np.repeat(image[None], 3000, axis=0))
    assert found.shape == (3000, 2, *size)
    padded = np.pad(image, ((0, 0), (pad[0],) * 2, (pad[1],) * 2), constant_values=0.0 if fill is None else fill)
    n_places = [padded.shape[1] - size[0] + 1, padded.shape[2] - size[1] + 1]
    known = {
        padded[:, top : top + size[0], left : left + size[1]].tobytes(): (top, left)
        for top in range(n_places[0])
        for left in range(n_places[1])
    }
    places = np.array([known[row.tobytes()] for row in found])
    assert_equally_often(places[:, 0], range(n_places[0]))
    assert_equally_often(places[:, 1], range(n_places[1]))


@pytest.mark.parametrize(
    ("words", "horizontal", "vertical"),
    [
        ({}, 0.5, 0.0),
        ({"vertical": True}, 0.5, 0.5),
        ({"vertical": True, "p": 0.2}, 0.2, 0.2),
        ({"horizontal": False, "vertical": True, "p": 0.9}, 0.0, 0.9),
        ({"p": 1.0}, 1.0, 0.0),
    ],
)
def test_each_image_is_mirrored_by_the_chance_of_each_axis(words, horizontal, vertical):
    image = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)
    known = {
        image[:, :: -1 if up else 1, :: -1 if across else 1].tobytes(): (up, across)
        for up in (False, True)
        for across in (False, True)
    }
    found = drawn(["Flip", words], np.repeat(image[None], 4000, axis=0))
    up, across = np.array([known[row.tobytes()] for row in found]).T
    # Binomial: five standard deviations.
    for flips, chance in ((up, vertical), (across, horizontal)):
        assert abs(flips.mean() - chance) <= 5 * (chance * (1 - chance) / 4000) ** 0.5
    if 0 < horizontal < 1 and vertical:
        assert_independent(up, across)


def test_a_chance_of_0_flips_nothing_even_where_the_least_number_is_drawn(images):
    assert np.array_equal(augmented(["Flip", {"vertical": True, "p": 0}], images, Chosen(0.0, 0.0)), images)


def test_each_quarter_turn_is_equally_likely():
    image = np.random.default_rng(1).normal(size=(2, 3, 3)).astype(np.float32)
    known = {np.rot90(image, k, axes=(1, 2)).tobytes(): k for k in range(4)}
    found = drawn("QuarterTurns", np.repeat(image[None], 4000, axis=0))
    assert_equally_often([known[row.tobytes()] for row in found], range(4))


@pytest.mark.parametrize("fill", [None, 2.0])
@pytest.mark.parametrize("degrees", [-170.0, -33.0, 10.0, 45.0, 117.0])
def test_a_rotation_is_that_of_scipy(degrees, fill, images):
    found = augmented(
        ["Rotate", {"max_degrees": 180} | ({} if fill is None else {"fill": fill})], images, Chosen(degrees)
    )
    # SciPy turns from the first axis to the second one, which is clockwise as an image is shown: axes (3, 2) turn back.
    reference = ndimage.rotate(
        images, degrees, axes=(3, 2), reshape=False, order=1, mode="grid-constant", cval=0.0 if fill is None else fill
    )
    np.testing.assert_allclose(found, reference, atol=1e-5)


@pytest.mark.parametrize("max_degrees", [30, 180])
def test_the_angles_of_a_rotation_are_uniform_within_the_bounds(max_degrees):
    # Of a ramp x[i, j] = i, out(p) = x(R p) has the cosine and the sine of the angle as its differences at the centre.
    ramp = np.repeat(np.arange(5.0)[:, None], 5, axis=1)
    found = drawn(["Rotate", {"max_degrees": max_degrees}], np.repeat(ramp[None], 2000, axis=0)).astype(np.float64)
    angles = np.degrees(np.arctan2(found[:, 2, 3] - found[:, 2, 2], found[:, 3, 2] - found[:, 2, 2]))
    assert_uniform(angles, -max_degrees, max_degrees)
    assert_independent(angles[1:], angles[:-1])


def bilinear(image, rows, columns, fill):
    """Return the values of an image between its pixels, the formula written out; `fill` outside."""
    padded = np.pad(image, 2, constant_values=fill)
    rows, columns = np.clip(rows, -1.5, image.shape[0] + 0.5) + 2, np.clip(columns, -1.5, image.shape[1] + 0.5) + 2
    i, j = np.floor(rows).astype(int), np.floor(columns).astype(int)
    a, b = rows - i, columns - j
    return (
        (1 - a) * (1 - b) * padded[i, j]
        + (1 - a) * b * padded[i, j + 1]
        + a * (1 - b) * padded[i + 1, j]
        + a * b * padded[i + 1, j + 1]
    )


@pytest.mark.parametrize("fill", [None, -1.0])
@pytest.mark.parametrize("factor", [0.4, 0.9, 1.3, 2.5])
@pytest.mark.parametrize("shape", [(5, 5), (4, 7)])
def test_a_zoom_reads_the_image_at_p_over_z_from_the_centre(factor, shape, fill):
    x = np.random.default_rng(2).normal(size=(3, 2, *shape)).astype(np.float32)
    found = augmented(["Zoom", {"min": 0.1, "max": 3} | ({} if fill is None else {"fill": fill})], x, Chosen(factor))
    centre = (np.array(shape) - 1) / 2
    rows, columns = np.meshgrid(
        *((np.arange(n) - c) / factor + c for n, c in zip(shape, centre, strict=True)), indexing="ij"
    )
    for image, target in zip(x.reshape(6, *shape), found.reshape(6, *shape), strict=True):
        np.testing.assert_allclose(target, bilinear(image, rows, columns, 0.0 if fill is None else fill), atol=1e-5)


@pytest.mark.parametrize("degrees", [20.0, -75.0])
def test_a_rotation_of_an_oblong_image_reads_it_at_r_p_from_the_centre(degrees):
    x = np.random.default_rng(2).normal(size=(2, 1, 4, 7)).astype(np.float32)
    found = augmented(["Rotate", {"max_degrees": 90, "fill": 0.5}], x, Chosen(degrees))
    i, j = np.meshgrid(np.arange(4) - 1.5, np.arange(7) - 3.0, indexing="ij")
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    # R = [[cos, sin], [-sin, cos]] acts on (row, column).
    for image, target in zip(x[:, 0], found[:, 0], strict=True):
        np.testing.assert_allclose(target, bilinear(image, c * i + s * j + 1.5, c * j - s * i + 3.0, 0.5), atol=1e-5)


@pytest.mark.parametrize(("low", "high"), [(0.5, 2.0), (1.0, 1.1), (2.0, 3.0)])
def test_the_factors_of_a_zoom_are_uniform_within_the_bounds(low, high):
    # Two ramps, x[i, j] = i and x[i, j] = j: their differences at the centre are 1 / z along the two axes.
    ramps = np.stack(np.meshgrid(np.arange(7.0), np.arange(7.0), indexing="ij"))
    found = drawn(["Zoom", {"min": low, "max": high}], np.repeat(ramps[None], 2000, axis=0)).astype(np.float64)
    factors = 1 / (found[:, 0, 4, 3] - found[:, 0, 3, 3])
    np.testing.assert_allclose(1 / (found[:, 1, 3, 4] - found[:, 1, 3, 3]), factors, rtol=1e-4)
    assert_uniform(factors, low, high)
    assert_independent(factors[1:], factors[:-1])
