"""Preprocessing parts: scikit-learn is the reference, chunks do not matter, nothing divides by zero."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from arignote.data.preprocess import Pipeline, Preprocess
from arignote.errors import ConfigError, DataError
from arignote.registry import build, dump, names

SPECS = [
    ["Scale", {"divide_by": 255.0}],
    ["Standardise", {}],
    ["Standardise", {"per": "channel", "epsilon": 0.001}],
    ["Standardise", {"per": "all"}],
    ["MinMax", {"low": -1.0}],
    ["Whiten", {}],
    ["Whiten", {"method": "pca", "n_components": 5}],
]


@pytest.fixture
def rows():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(300, 8)) @ rng.normal(size=(8, 8)) * np.arange(1, 9) + 10 * np.arange(8)
    return x.astype(np.float32)


@pytest.fixture
def images(rows):
    return rows.reshape(75, 2, 4, 4)


def cut(x, size):
    return (x[at : at + size] for at in range(0, len(x), size))


def prepared(spec, x, size=64):
    part = build("preprocess", spec)
    fitted = part.fit(cut(x, size))
    assert all(array.dtype == np.float32 for array in fitted.values())
    found = part.apply(fitted, x)
    assert found.dtype == np.float32 and len(found) == len(x)
    return found


def test_every_registered_preprocessing_is_tested_here():
    assert set(names("preprocess")) == {spec[0] for spec in SPECS}
    assert all(issubclass(part, Preprocess) for part in names("preprocess").values())


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_spec_is_given_back_whole(spec):
    part = build("preprocess", spec)
    assert build("preprocess", dump(part)) == part and dump(part)[1].items() >= spec[1].items()


def test_scale_divides_without_reading_a_row(rows):
    def unread():
        raise AssertionError("read")
        yield

    part = build("preprocess", ["Scale", {"divide_by": 4, "subtract": 1}])
    assert part.fit(unread()) == {} and np.array_equal(part.apply({}, rows), (rows - 1) / 4)
    assert part.apply({}, np.array([[0, 255]], dtype=np.uint8)).tolist() == [[-0.25, 63.5]]


def test_standardise_agrees_with_scikit_learn_and_lets_constants_be_zero(rows):
    rows[:, 3], rows[:, 4] = 0.1, 1e6
    found = prepared("Standardise", rows)
    np.testing.assert_allclose(found, StandardScaler().fit_transform(rows.astype(np.float64)), atol=2e-5)
    assert (found[:, 3:5] == 0).all()


def test_a_constant_whose_running_mean_is_rounded_still_is_one():
    x = np.full((1000, 1), 0.1)
    part = build("preprocess", "Standardise")
    assert part.fit(cut(x, 7))["scale"] == 1


def test_epsilon_keeps_what_hardly_varies_small():
    x = np.array([[0.0], [2e-4]])
    assert np.allclose(prepared(["Standardise", {"epsilon": 1.0}], x), [[-1e-4], [1e-4]])


def test_standardise_per_channel_and_all_leave_the_shape(images):
    by_channel, by_all = prepared(["Standardise", {"per": "channel"}], images), prepared(SPECS[3], images)
    np.testing.assert_allclose(by_channel.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(by_channel.std(axis=(0, 2, 3)), 1, atol=1e-5)
    np.testing.assert_allclose(by_all, (images - images.mean()) / images.std(), atol=1e-5)
    assert by_channel.shape == images.shape


def test_images_without_a_channel_axis_have_one_channel(images):
    x = images[:, 0]
    assert np.array_equal(
        prepared(["Standardise", {"per": "channel"}], x), prepared(["Standardise", {"per": "all"}], x)
    )


def test_min_max_agrees_with_scikit_learn_and_lets_constants_be_low(rows):
    rows[:, 3] = 7
    reference = MinMaxScaler((-1, 3)).fit_transform(rows.astype(np.float64))
    found = prepared(["MinMax", {"low": -1, "high": 3}], rows)
    np.testing.assert_allclose(found, reference, atol=1e-5)
    assert (found[:, 3] == -1).all() and found.min() == -1 and found.max() == 3


def test_pca_agrees_with_scikit_learn(rows):
    reference = PCA(5, whiten=True, svd_solver="full").fit_transform(rows.astype(np.float64))
    found = prepared(["Whiten", {"method": "pca", "n_components": 5, "epsilon": 0}], rows)
    np.testing.assert_allclose(found, reference, atol=1e-3)


def test_zca_gives_identity_covariance_by_a_symmetric_matrix_and_leaves_the_shape(images):
    part = build("preprocess", ["Whiten", {"epsilon": 0}])
    x = np.random.default_rng(0).normal(size=(400, 2, 3, 3)) * np.arange(1, 4) + images[0, 0, 0, 0]
    x[:, 1] += x[:, 0]
    fitted = part.fit(cut(x, 90))
    found = part.apply(fitted, x)
    assert found.shape == x.shape
    np.testing.assert_allclose(np.cov(found.reshape(400, 18).T), np.eye(18), atol=1e-4)
    np.testing.assert_allclose(fitted["W"], fitted["W"].T, atol=1e-6)


@pytest.mark.parametrize("method", ["zca", "pca"])
def test_directions_without_variance_come_out_as_zero(method, rows):
    rows[:, 3], rows[:, 4] = 5, rows[:, 0]
    found = prepared(["Whiten", {"method": method, "epsilon": 0}], rows)
    variances = np.linalg.eigvalsh(np.cov(found.T.astype(np.float64)))
    np.testing.assert_allclose(variances, [0, 0, 1, 1, 1, 1, 1, 1], atol=1e-3)


def test_rows_that_are_all_alike_come_out_as_zero():
    for spec in ("Standardise", "MinMax", "Whiten"):
        assert (prepared(spec, np.full((6, 3), 0.3, dtype=np.float32)) == 0).all()


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_the_size_of_the_chunks_does_not_matter_and_the_same_chunks_give_the_same_bits(spec, images):
    part = build("preprocess", spec)
    whole = part.fit([images])
    for size in (1, 7, 75):
        again = part.fit(cut(images, size))
        for name, array in part.fit(cut(images, size)).items():
            assert array.tobytes() == again[name].tobytes()
            # W is made from an inverse square root, so that rounding counts for more in it.
            if name == "W":
                np.testing.assert_allclose(array, whole[name], atol=1e-4 * np.abs(whole[name]).max())
            else:
                np.testing.assert_allclose(array, whole[name], rtol=1e-6)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_apply_leaves_its_input_as_it_is(spec, images):
    before = images.copy()
    images.flags.writeable = False
    assert not np.shares_memory(prepared(spec, images), images)
    assert np.array_equal(images, before)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_rows_may_be_of_other_types_and_none_at_all(spec, images):
    part = build("preprocess", spec)
    whole = np.clip(images, 0, 100).astype(np.uint8)
    fitted = part.fit([whole])
    for dtype in (np.uint8, np.int64, np.float16, np.float64):
        found = part.apply(fitted, whole.astype(dtype))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, part.apply(fitted, whole.astype(np.float32)), atol=1e-3)
    assert part.apply(fitted, whole[:0]).shape == (0, *found.shape[1:])


def test_large_means_do_not_cost_the_variance():
    x = np.random.default_rng(1).normal(size=(4000, 1)) + 1e7
    scale = build("preprocess", "Standardise").fit(cut(x, 100))["scale"]
    np.testing.assert_allclose(scale, x.std(), rtol=1e-6)


@pytest.mark.parametrize("spec", SPECS[1:], ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_refused_with_their_number(spec, value, images):
    images[70, 1, 2, 3] = value
    with pytest.raises(DataError, match=f"training row 70 holds {value}"):
        prepared(spec, images)


@pytest.mark.parametrize("spec", SPECS[1:], ids=str)
def test_chunks_that_cannot_be_learned_from_are_refused(spec):
    part = build("preprocess", spec)
    with pytest.raises(DataError, match="no training rows"):
        part.fit([np.zeros((0, 1, 3, 3))])
    with pytest.raises(DataError, match=r"one shape; got \(1, 3, 3\), from row 4 \(1, 3, 2\)"):
        part.fit([np.ones((4, 1, 3, 3)), np.ones((4, 1, 3, 2))])
    with pytest.raises(DataError, match="must be numbers"):
        part.fit([np.array([["a"]])])


@pytest.mark.parametrize("spec", SPECS[1:], ids=str)
def test_new_rows_of_another_shape_are_refused(spec, images):
    part = build("preprocess", spec)
    fitted = part.fit([images])
    with pytest.raises(DataError, match=r"has learned for|needs images"):
        part.apply(fitted, images[:, :1] if "all" not in spec[1].values() else images[0])


def test_whiten_says_what_it_cannot_do(rows):
    with pytest.raises(DataError, match="1 to 4096 features; got 4097"):
        build("preprocess", "Whiten").fit([np.zeros((2, 4097))])
    with pytest.raises(DataError, match="9 to 4096 features; got 8"):
        build("preprocess", ["Whiten", {"method": "pca", "n_components": 9}]).fit([rows])
    with pytest.raises(DataError, match="at least 2 training rows"):
        build("preprocess", "Whiten").fit([rows[:1]])


def test_per_channel_refuses_rows_that_are_no_images(rows):
    with pytest.raises(DataError, match=r"needs images .*; got shape \(64, 8\)"):
        prepared(["Standardise", {"per": "channel"}], rows)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (["Standardise", {"epsilom": 0}], "unknown parameter 'epsilom'.*epsilon"),
        (["Standardize", {}], "unknown preprocess 'Standardize'.*Standardise"),
        (["Standardise", {"per": "row"}], "per must be 'feature', 'channel' or 'all'"),
        (["Scale", {"divide_by": 0}], "divide_by must be a number > 0"),
        (["Scale", {}], "divide_by must be given"),
        (["MinMax", {"low": 1}], "low must be < high"),
        (["Whiten", {"n_components": 3}], "goes with method"),
        (["Whiten", {"epsilon": -1}], "epsilon must be a number >= 0"),
    ],
    ids=str,
)
def test_a_part_that_cannot_work_is_refused_with_a_hint(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("preprocess", spec)


def test_a_pipeline_fits_each_part_on_what_the_former_ones_give(rows):
    pipeline = Pipeline([["Scale", {"divide_by": 10}], "Standardise", ["Whiten", {"method": "pca", "epsilon": 0}]])
    passes = []

    def chunks():
        passes.append(1)
        return cut(rows, 50)

    fitted = pipeline.fit(chunks)
    assert sorted(fitted) == ["1.mean", "1.scale", "2.W", "2.mean"]
    standard = StandardScaler().fit_transform(rows.astype(np.float64))
    reference = PCA(whiten=True, svd_solver="full").fit_transform(standard)
    np.testing.assert_allclose(pipeline.apply(fitted, rows), reference, atol=1e-3)


def test_the_parts_of_a_long_pipeline_are_not_mixed_up(rows):
    pipeline = Pipeline([["Scale", {"divide_by": 2.0}]] * 11 + ["Standardise"])
    fitted = pipeline.fit(lambda: cut(rows, 50))
    assert sorted(fitted) == ["11.mean", "11.scale"]
    np.testing.assert_allclose(pipeline.apply(fitted, rows).std(axis=0), 1, atol=1e-4)


def test_a_pipeline_of_no_parts_gives_the_rows_as_float32():
    pipeline = Pipeline([])
    assert pipeline.fit(lambda: iter([])) == {}
    assert pipeline.apply({}, np.array([[1, 2]])).dtype == np.float32
