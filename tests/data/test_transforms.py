"""Augmentation parts: pure, seeded, and exact where chance leaves no choice."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.data import transforms
from arignote.data.augment import Augmentation
from arignote.errors import ConfigError, DataError
from arignote.registry import build, dump, names

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


def augmented(spec, x, rng=0):
    rng = np.random.default_rng(rng) if isinstance(rng, int) else rng
    found, labels = build("augmentation", spec)(x, np.arange(len(x)), epoch=0, rng=rng)
    assert (labels == np.arange(len(x))).all()
    return found


def test_every_registered_augmentation_is_tested_here():
    assert set(names("augmentation")) == {spec[0] for spec in SPECS} | {"Mixup"}


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
    run = Augmentation(parts, seed=4, n_classes=12)
    x, y = run(images, np.arange(12), epoch=2, batch=5)
    again, _ = run(images, np.arange(12), epoch=2, batch=5)
    assert x.shape == images.shape and np.array_equal(x, again) and (y == np.arange(12)).all()


def test_mixup_mixes_rows_and_their_classes_alike(images):
    x, shares = Augmentation([build("augmentation", ["Mixup", {"alpha": 1.0}])], seed=4, n_classes=12)(
        images, np.arange(12), epoch=2, batch=5
    )
    assert shares.dtype == np.float32 and np.allclose(shares.sum(axis=1), 1)
    # Row i of class i alone: the shares say of which rows the features are made.
    np.testing.assert_allclose(x, np.einsum("ij,jchw->ichw", shares, images), rtol=1e-4, atol=1e-5)


def test_the_module_shows_what_every_augmentation_is():
    assert all(issubclass(part, transforms.Transform) for part in names("augmentation").values())
