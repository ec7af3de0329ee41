"""Augmentation parts: pure, seeded, and exact where chance leaves no choice."""

from __future__ import annotations

import numpy as np
import pytest
from own_parts import own_names
from scipy import ndimage, stats

from arignote.data import transforms
from arignote.data.augmentation import Augmenter
from arignote.errors import ConfigError, DataError
from arignote.registry import build, dump

SPECS = [
    ["Shift", {"max_shift": [2, 3]}],
    ["Shift", {"max_shift": 1, "fill": -1.0}],
    ["Flip", {"vertical": True}],
    ["QuarterTurns", {}],
    ["Rotate", {"max_degrees": 20}],
    ["Zoom", {"min": 0.8, "max": 1.25}],
    ["Crop", {"size": [9, 8], "pad": 2}],
    ["Noise", {"sigma": 0.1}],
    ["Cutout", {"size": 4, "value": 0.5}],
    ["Brightness", {"max_delta": 0.2, "factor": [0.5, 1.5]}],
]


@pytest.fixture
def images():
    x = np.random.default_rng(3).normal(size=(12, 2, 9, 9)).astype(np.float32)
    x.flags.writeable = False
    return x


class Chosen:
    """Stands for a Generator: gives the chosen numbers, whatever is asked."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def integers(self, *args, size):
        return np.broadcast_to(self.answers.pop(0), size)

    def uniform(self, low, high, size):
        return np.broadcast_to(self.answers.pop(0), size)

    def random(self, size):
        return np.broadcast_to(self.answers.pop(0), size)


def augmented(spec, x, rng=0):
    rng = np.random.default_rng(rng) if isinstance(rng, int) else rng
    found, labels = build("augmentation", spec)(x, np.arange(len(x)), epoch=0, rng=rng)
    assert (labels == np.arange(len(x))).all()
    return found


def test_every_registered_augmentation_is_tested_here():
    assert set(own_names("augmentation")) == {spec[0] for spec in SPECS} | {"Mixup"}


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_spec_is_given_back_whole(spec):
    part = build("augmentation", spec)
    assert build("augmentation", dump(part)) == part
    assert dump(part)[1].items() >= {key: value for key, value in spec[1].items() if type(value) is float}.items()


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("channels", [True, False])
def test_the_same_stream_gives_the_same_bits_another_one_others_and_the_input_stays(spec, channels, images):
    x = images if channels else images[:, 0]
    before = x.copy()
    first, again, other = augmented(spec, x), augmented(spec, x), augmented(spec, x, rng=1)
    assert first.dtype == np.float32 and first.tobytes() == again.tobytes()
    assert first.shape == ((*x.shape[:-1], 8) if spec[0] == "Crop" else x.shape)
    assert not np.array_equal(first, other)
    assert (x == before).all() and not np.shares_memory(first, x)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_images_without_a_channel_axis_are_images_of_one_channel(spec, images):
    assert np.array_equal(augmented(spec, images[:, :1])[:, 0], augmented(spec, images[:, 0]))


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_all_channels_of_an_image_are_changed_alike(spec, images):
    if spec[0] != "Noise":
        found = augmented(spec, np.repeat(images[:, :1], 2, axis=1))
        assert np.array_equal(found[:, 0], found[:, 1])


@pytest.mark.parametrize(
    "spec",
    [
        ["Shift", {"max_shift": 0}],
        ["Flip", {"vertical": True, "p": 0}],
        ["Flip", {"horizontal": False, "p": 1.0}],
        ["Rotate", {"max_degrees": 0}],
        ["Zoom", {"min": 1, "max": 1}],
        ["Crop", {"size": 9}],
        ["Noise", {"sigma": 0}],
        ["Brightness", {}],
    ],
    ids=str,
)
def test_without_room_for_chance_nothing_changes_and_the_result_is_a_copy(spec, images):
    found = augmented(spec, images)
    assert np.array_equal(found, images) and not np.shares_memory(found, images)


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


def test_noise_has_the_deviation_that_was_asked_for():
    noise = augmented(["Noise", {"sigma": 0.5}], np.zeros((100, 400), dtype=np.float32))
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 0.5) < 0.01


def test_a_cutout_is_a_window_of_one_value_about_its_centre(images):
    found = augmented(["Cutout", {"size": [3, 4], "value": 9.0}], images, Chosen(0, 5))
    assert (found[:, :, :2, 3:7] == 9).all()
    assert (found == 9).sum() == 12 * 2 * 2 * 4 and np.array_equal(found[:, :, 2:], images[:, :, 2:])


def test_brightness_scales_and_shifts_a_row_as_a_whole(images):
    found = augmented(["Brightness", {"max_delta": 1, "factor": [0, 2]}], images, Chosen(0.5, -0.25))
    np.testing.assert_allclose(found, 0.5 * images - 0.25, atol=1e-6)


@pytest.mark.parametrize("spec", [["Noise", {"sigma": 1}], ["Brightness", {"max_delta": 1}]], ids=str)
def test_noise_and_brightness_take_rows_of_any_shape(spec):
    for shape in [(4,), (4, 3), (4, 2, 2, 2, 2)]:
        assert augmented(spec, np.zeros(shape, dtype=np.float32)).shape == shape


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_batch_of_no_rows_stays_one(spec):
    assert len(augmented(spec, np.zeros((0, 1, 9, 9), dtype=np.float32))) == 0


@pytest.mark.parametrize(
    ("spec", "shape", "words"),
    [
        ("Flip", (5, 81), r"Flip needs images \(rows, channels, h, w\) or \(rows, h, w\); got .* \(5, 81\)"),
        (["Rotate", {"max_degrees": 5}], (5, 1, 2, 3, 4), r"Rotate needs images .* got .* \(5, 1, 2, 3, 4\)"),
        (["Noise", {"sigma": 1}], (), r"Noise needs rows"),
        (["Noise", {"sigma": 1}], (5, *[1] * 32), r"Noise needs rows"),
        ("QuarterTurns", (5, 1, 4, 6), r"QuarterTurns needs square images; got .* \(5, 1, 4, 6\)"),
        (["Crop", {"size": 8, "pad": 1}], (5, 1, 9, 5), r"Crop needs images of at least \(8, 8\) with \(1, 1\) added"),
        (["Cutout", {"size": 6}], (5, 1, 9, 5), r"Cutout needs images of at least \(6, 6\)"),
    ],
    ids=str,
)
def test_rows_of_another_shape_are_refused_with_the_expected_one(spec, shape, words):
    with pytest.raises(DataError, match=words):
        build("augmentation", spec)(np.zeros(shape), np.zeros(5), epoch=0, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (["Shift", {"max_shfit": 2}], "unknown parameter 'max_shfit'.*max_shift"),
        (["Shfit", {"max_shift": 2}], "unknown augmentation 'Shfit'.*Shift"),
        (["Shift", {}], "max_shift must be given"),
        (["Shift", {"max_shift": -1}], "max_shift must be an integer >= 0; got -1"),
        (["Shift", {"max_shift": [1, -1]}], "max_shift.* must be an integer >= 0; got -1"),
        (["Shift", {"max_shift": [-1, 1]}], "max_shift.* must be an integer >= 0; got -1"),
        (["Shift", {"max_shift": [1, 2, 3]}], "max_shift"),
        (["Shift", {"max_shift": True}], "max_shift must be an integer; got True"),
        (["Flip", {"p": 1.5}], "p must be a number <= 1"),
        (["Zoom", {"min": 2, "max": 1}], "min must be <= max"),
        (["Zoom", {"min": 0, "max": 1}], "min must be a number > 0"),
        (["Zoom", {"min": 1, "max": float("inf")}], "max must be"),
        (["Noise", {"sigma": float("nan")}], "sigma must be"),
        (["Brightness", {"factor": [2, 1]}], "low <= high"),
        (["Crop", {"size": 0}], "size must be an integer >= 1"),
    ],
    ids=str,
)
def test_a_part_that_cannot_work_is_refused_with_a_hint(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("augmentation", spec)


def test_the_parts_serve_as_functions_of_the_augmentation_of_a_run(images):
    parts = [build("augmentation", spec) for spec in SPECS if spec[0] != "Crop"]
    run = Augmenter(parts, seed=4, n_classes=12)
    x, y = run(images, np.arange(12), epoch=2, batch=5)
    again, _ = run(images, np.arange(12), epoch=2, batch=5)
    assert x.shape == images.shape and np.array_equal(x, again) and (y == np.arange(12)).all()


def test_mixup_mixes_rows_and_their_classes_alike(images):
    x, shares = Augmenter([build("augmentation", ["Mixup", {"alpha": 1.0}])], seed=4, n_classes=12)(
        images, np.arange(12), epoch=2, batch=5
    )
    assert shares.dtype == np.float32 and np.allclose(shares.sum(axis=1), 1)
    # Row i of class i alone: the shares say of which rows the features are made.
    np.testing.assert_allclose(x, np.einsum("ij,jchw->ichw", shares, images), rtol=1e-4, atol=1e-5)


def test_the_module_shows_what_every_augmentation_is():
    assert all(issubclass(part, transforms.Transform) for part in own_names("augmentation").values())


def drawn(spec, x, seed=0):
    """Return the result of one batch, drawn from a true generator."""
    return augmented(spec, np.asarray(x, dtype=np.float32), seed)


def assert_uniform(values, low, high):
    """Check values against the uniform distribution by the test of Kolmogorov and Smirnov."""
    assert low - 1e-5 <= values.min() and values.max() <= high + 1e-5
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-4


def assert_equally_often(values, expected):
    """Check that whole numbers are those expected, each as likely, by the chi-square test."""
    found, counts = np.unique(values, return_counts=True)
    assert found.tolist() == list(expected)
    assert len(counts) == 1 or stats.chisquare(counts).pvalue > 1e-4


def assert_independent(first, second):
    """Check that two numbers drawn for each row have nothing to do with each other."""
    assert abs(stats.spearmanr(first, second)[0]) < 5 / len(first) ** 0.5


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


def test_noise_is_normal_for_each_number_and_proportional_to_sigma():
    x = np.random.default_rng(4).normal(size=(200, 3, 5)).astype(np.float32)
    noise = drawn(["Noise", {"sigma": 0.5}], x) - x
    assert stats.kstest(noise.ravel(), stats.norm(0, 0.5).cdf).pvalue > 1e-4
    assert_independent(noise[1:].ravel(), noise[:-1].ravel())
    assert_independent(noise[..., 1:].ravel(), noise[..., :-1].ravel())
    np.testing.assert_allclose(drawn(["Noise", {"sigma": 2.0}], x) - x, 4 * noise, atol=1e-5)
    zero = np.zeros_like(x)
    np.testing.assert_allclose(drawn(["Noise", {"sigma": 0.5}], zero), noise, atol=1e-6)


def test_the_noise_of_different_batches_differs():
    part, x = build("augmentation", ["Noise", {"sigma": 1.0}]), np.zeros((1, 2), np.float32)
    found = [part(x=x, y=np.zeros(1), epoch=0, rng=np.random.default_rng(seed))[0] for seed in range(300)]
    assert len({noise.tobytes() for noise in found}) == 300


@pytest.mark.parametrize(("h", "w"), [(1, 1), (2, 3), (3, 2), (5, 6)])
@pytest.mark.parametrize("value", [None, 7.0])
def test_any_pixel_is_the_centre_of_a_cutout_equally_often(h, w, value):
    image = np.random.default_rng(1).normal(size=(2, 5, 6)).astype(np.float32)
    known = {}
    for i in range(5):
        for j in range(6):
            # From size // 2 before the centre on, as many pixels as the size, cut at the border.
            blank = image.copy()
            top, left = i - h // 2, j - w // 2
            blank[:, max(top, 0) : top + h, max(left, 0) : left + w] = 0.0 if value is None else value
            known[blank.tobytes()] = (i, j)
    assert len(known) == 30
    spec = ["Cutout", {"size": [h, w]} | ({} if value is None else {"value": value})]
    centres = np.array([known[row.tobytes()] for row in drawn(spec, np.repeat(image[None], 3000, axis=0))])
    assert_equally_often(centres[:, 0], range(5))
    assert_equally_often(centres[:, 1], range(6))
    assert_independent(centres[:, 0], centres[:, 1])


@pytest.mark.parametrize(
    ("words", "factors", "deltas"),
    [
        ({"max_delta": 0.25}, (1, 1), (-0.25, 0.25)),
        ({"factor": [0.5, 2]}, (0.5, 2), (0, 0)),
        ({"factor": 3, "max_delta": 1}, (3, 3), (-1, 1)),
        ({"max_delta": 2, "factor": [0, 4]}, (0, 4), (-2, 2)),
    ],
)
def test_factor_and_delta_of_brightness_are_uniform_and_drawn_for_each_row(words, factors, deltas):
    x = np.tile([0.0, 1.0, 2.0, -3.0], (2000, 1))
    found = drawn(["Brightness", words], x).astype(np.float64)
    delta, factor = found[:, 0], found[:, 1] - found[:, 0]
    np.testing.assert_allclose(found, factor[:, None] * x + delta[:, None], atol=1e-5)
    for values, (low, high) in ((factor, factors), (delta, deltas)):
        if low < high:
            assert_uniform(values, low, high)
            assert_independent(values[1:], values[:-1])
        else:
            np.testing.assert_allclose(values, low, atol=1e-6)
    if factors[0] < factors[1] and deltas[1]:
        assert_independent(factor, delta)


@pytest.mark.parametrize("alpha", [None, 0.5, 3.0])
def test_the_share_that_mixup_keeps_is_of_the_beta_distribution(alpha):
    n = 2000
    part = build("augmentation", ["Mixup", {} if alpha is None else {"alpha": alpha}])
    x = np.arange(n, dtype=np.float64)[:, None] * [1.0, -1.0]
    mixed, shares = part(x, np.arange(n), epoch=0, rng=np.random.default_rng(6), n_classes=n)
    assert mixed.dtype == shares.dtype == np.float32
    kept = shares[np.arange(n), np.arange(n)].astype(np.float64)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    # The other share is of one row, and the features are of the same two rows with the same shares.
    others = shares.copy()
    others[np.arange(n), np.arange(n)] = 0
    partner = others.argmax(axis=1)
    assert (np.count_nonzero(others, axis=1) <= 1).all()
    moved = kept < 1 - 1e-3
    np.testing.assert_allclose(
        mixed[moved], (kept[:, None] * x + (1 - kept[:, None]) * x[partner])[moved], rtol=1e-4, atol=1e-2
    )
    a = 0.2 if alpha is None else alpha
    # Tiny numbers of the distribution are rounded away in float32.
    assert stats.kstest(kept, stats.beta(a, a).cdf).statistic < 2.2 / n**0.5
    assert_independent(kept[1:], kept[:-1])


def test_the_partners_of_mixup_are_a_permutation():
    part = build("augmentation", ["Mixup", {"alpha": 5.0}])
    _, shares = part(np.zeros((50, 1)), np.arange(50), epoch=0, rng=np.random.default_rng(0), n_classes=50)
    # Each row is partner of one row: the columns that are not its own hold one entry, and those of a fixed point none.
    others = (shares > 0) & ~np.eye(50, dtype=bool)
    fixed = np.flatnonzero(shares.diagonal() == 1)
    assert all(others[row].sum() == (row not in fixed) for row in range(50))
    assert all(others[:, row].sum() == (row not in fixed) for row in range(50)) and len(fixed) < 10


def test_mixup_mixes_labels_that_are_shares_already():
    part = build("augmentation", ["Mixup", {"alpha": 1.0}])
    numbers = np.array([0, 2, 1, 2, 0])
    x = np.arange(5.0)[:, None]
    of_numbers = part(x=x, y=numbers, epoch=0, rng=np.random.default_rng(1), n_classes=3)
    of_shares = part(x, np.eye(3)[numbers], epoch=0, rng=np.random.default_rng(1))
    assert np.array_equal(of_numbers[0], of_shares[0]) and np.array_equal(of_numbers[1], of_shares[1])
    assert of_shares[1].dtype == np.float32


def test_mixup_does_not_guess_the_number_of_classes():
    with pytest.raises(IndexError):
        build("augmentation", "Mixup")(np.zeros((2, 1)), np.zeros(2, int), epoch=0, rng=np.random.default_rng(0))


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_numbers_of_any_kind_are_changed_as_float32(spec, images):
    whole = np.clip(images * 40 + 100, 0, 255).astype(np.uint8)
    found = augmented(spec, whole)
    assert found.dtype == np.float32 and np.array_equal(found, augmented(spec, whole.astype(np.float32)))


@pytest.mark.parametrize(
    ("spec", "shape"),
    [("Flip", (5, 4, 6)), ("Flip", (5, 1, 4, 6)), (["Noise", {"sigma": 1.0}], (5, *[1] * 31))],
    ids=str,
)
def test_the_shapes_that_are_accepted_stay(spec, shape):
    assert drawn(spec, np.zeros(shape)).shape == shape


@pytest.mark.parametrize(
    ("spec", "shape"), [(["Crop", {"size": [7, 6], "pad": 1}], (5, 4)), (["Cutout", {"size": [5, 4]}], (5, 4))]
)
def test_a_window_may_be_as_large_as_the_padded_image(spec, shape):
    assert len(drawn(spec, np.ones((3, 1, *shape)))) == 3
    with pytest.raises(DataError, match="needs images of at least"):
        drawn(spec, np.ones((3, 1, shape[0], shape[1] - 1)))
    with pytest.raises(DataError, match="needs images of at least"):
        drawn(spec, np.ones((3, 1, shape[0] - 1, shape[1])))


@pytest.mark.parametrize(
    "spec",
    [
        ["Zoom", {"min": 0.5, "max": 0.5}],
        ["Brightness", {"factor": [2, 2]}],
        ["Brightness", {"factor": 0}],
        ["Flip", {"p": 0.0}],
        ["Flip", {"p": 1.0}],
        ["Shift", {"max_shift": 0}],
        ["Crop", {"size": 1}],
        ["Rotate", {"max_degrees": 180}],
        ["Rotate", {"max_degrees": 0}],
        ["Noise", {"sigma": 0}],
    ],
    ids=str,
)
def test_bounds_are_within_what_a_part_accepts(spec):
    assert dump(build("augmentation", spec))[0] == spec[0]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (["Flip", {"p": -0.1}], "p must be a number >= 0"),
        (["Rotate", {"max_degrees": 181}], "max_degrees must be a number <= 180"),
        (["Rotate", {"max_degrees": -1}], "max_degrees must be a number >= 0"),
        (["Noise", {"sigma": -0.1}], "sigma must be a number >= 0"),
        (["Noise", {"sigma": float("inf")}], "sigma must be"),
        (["Brightness", {"max_delta": -1}], "max_delta must be a number >= 0"),
        (["Brightness", {"factor": [-1, 1]}], "must be a number >= 0"),
        (["Cutout", {"size": 0}], "size must be an integer >= 1"),
        (["Crop", {"size": 2, "pad": -1}], "pad must be an integer >= 0"),
        (["Mixup", {"alpha": 0}], "alpha must be a number > 0"),
    ],
    ids=str,
)
def test_numbers_outside_of_the_bounds_are_refused(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("augmentation", spec)
