"""Augmentation parts: pure, seeded, and exact where chance leaves no choice."""

from __future__ import annotations

import numpy as np
import pytest
from augmented import Chosen, assert_equally_often, assert_independent, assert_uniform, augmented, drawn
from made_up import augmenter
from own_parts import own_names
from scipy import stats

from arignote.data import transforms
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
    run = augmenter(parts, seed=4, n_classes=12)
    x, y = run(images, np.arange(12), epoch=2, batch=5)
    again, _ = run(images, np.arange(12), epoch=2, batch=5)
    assert x.shape == images.shape and np.array_equal(x, again) and (y == np.arange(12)).all()


def test_mixup_mixes_rows_and_their_classes_alike(images):
    x, shares = augmenter([build("augmentation", ["Mixup", {"alpha": 1.0}])], seed=4, n_classes=12)(
        images, np.arange(12), epoch=2, batch=5
    )
    assert shares.dtype == np.float32 and np.allclose(shares.sum(axis=1), 1)
    # Row i of class i alone: the shares say of which rows the features are made.
    np.testing.assert_allclose(x, np.einsum("ij,jchw->ichw", shares, images), rtol=1e-4, atol=1e-5)


def test_the_module_shows_what_every_augmentation_is():
    assert all(issubclass(part, transforms.Transform) for part in own_names("augmentation").values())


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
    with pytest.raises(DataError, match="Mixup needs one output, of classes, flags or numbers"):
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
