"""Preprocessing parts: scikit-learn is the reference, chunks do not matter, nothing divides by zero."""

from __future__ import annotations

import numpy as np
import pytest
from own_parts import own_names
from scipy.linalg import fractional_matrix_power
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from arignote.data.preprocess import Preprocess
from arignote.errors import ConfigError, DataError
from arignote.registry import build, dump

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
    # Those of tables are tested in test_table_steps.py.
    assert set(own_names("preprocess")) == {spec[0] for spec in SPECS} | {"OneHot", "Impute"}
    assert all(issubclass(part, Preprocess) for part in own_names("preprocess").values())


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
    with pytest.raises(DataError, match=r"was fitted to|needs images"):
        part.apply(fitted, images[:, :1] if "all" not in spec[1].values() else images[0])


def test_whiten_reports_what_it_cannot_do(rows):
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


SIZES = [1, 3, 17, 300]


def learned(spec, chunks):
    return build("preprocess", spec).fit(chunks)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("per", "axes"),
    [("feature", (0,)), ("channel", (0, 2, 3)), ("all", (0, 1, 2, 3))],
    ids=["feature", "channel", "all"],
)
def test_standardise_learns_mean_and_deviation_of_numpy_in_float64(per, axes, size):
    # Means far from 0 and unlike from chunk to chunk: what float32, or a sum of squares, would lose.
    x = np.random.default_rng(2).normal(size=(300, 2, 3, 4)) + 1000 * np.arange(300).reshape(-1, 1, 1, 1) + 1e6
    found = learned(["Standardise", {"per": per}], cut(x, size))
    mean, deviation = x.mean(axis=axes, keepdims=True)[0], x.std(axis=axes, ddof=0, keepdims=True)[0]
    assert found["mean"].shape == found["scale"].shape == mean.shape
    np.testing.assert_allclose(found["mean"], mean, rtol=1e-7)
    np.testing.assert_allclose(found["scale"], deviation, rtol=1e-7)


def test_chunks_of_unequal_sizes_are_weighted_by_their_rows():
    # Rows 0; 3, 6; 3: mean 3, sum of squares about it 9 + 0 + 9 + 0.
    found = learned("Standardise", [np.array([[0.0]]), np.array([[3.0], [6.0]]), np.zeros((0, 1)), np.array([[3.0]])])
    assert found["mean"].tolist() == [3.0] and found["scale"].tolist() == [np.float32(4.5**0.5)]


@pytest.mark.parametrize("per", ["feature", "all"])
def test_epsilon_is_added_to_the_variance_and_not_to_the_deviation(per):
    # Variance over n of 0, 2, 4, 6: 5.
    found = learned(["Standardise", {"per": per, "epsilon": 4.0}], [np.array([[0.0], [2.0], [4.0], [6.0]])])
    assert found["scale"].ravel().tolist() == [3.0] and found["mean"].ravel().tolist() == [3.0]


def test_standardise_adds_no_epsilon_by_default():
    assert learned("Standardise", [np.array([[-1e-4], [1e-4]])])["scale"].tolist() == [np.float32(1e-4)]


@pytest.mark.parametrize("n_rows", [2, 10, 1000])
def test_a_feature_is_constant_where_scikit_learn_takes_it_for_one(n_rows):
    # Half of the rows lie `gap` above the other half; the bound of the deviation is n * |mean| * eps.
    eps = np.finfo(np.float64).eps
    gaps = np.array([0, 1, 2, 4, 8, 12, 16, 24, 64, 1000, 1800, 2200, 4000, 10**6, 10**9]) * eps
    for offset in (0.0, 1.0, -1.0, 64.0):
        upper = np.arange(n_rows)[:, None] % 2
        x = offset + upper * gaps * max(abs(offset), 1e-3)
        reference = StandardScaler().fit(x).scale_
        found = learned("Standardise", [x])["scale"]
        # So near to the bound the mean itself is rounded by some eps.
        np.testing.assert_allclose(found, reference, rtol=1e-3)
        assert (found == 1).sum() == (reference == 1).sum()


def test_deviations_that_float32_cannot_hold_do_not_divide_by_zero():
    x = np.array([[0.0, 1e-50], [0.0, 3e-50]])
    for spec in ("Standardise", "MinMax"):
        part = build("preprocess", spec)
        fitted = part.fit([x])
        assert fitted["scale" if spec == "Standardise" else "range"].tolist() == [1, 1]
        assert part.apply(fitted, x).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("spec", "x", "expected"),
    [
        (["Scale", {"divide_by": 4.0}], [[8.0, -2.0]], [[2.0, -0.5]]),
        (["Scale", {"divide_by": 0.5, "subtract": 3.0}], [[8.0, -2.0]], [[10.0, -10.0]]),
        (["Scale", {"divide_by": 255, "subtract": 127.5}], [[0, 255]], [[-0.5, 0.5]]),
    ],
)
def test_scale_subtracts_first_and_then_divides(spec, x, expected):
    assert prepared(spec, np.array(x)).tolist() == expected


def test_min_max_reaches_from_0_to_1_by_default_and_does_not_clip():
    part = build("preprocess", "MinMax")
    fitted = part.fit([np.array([[4.0, 1.0]]), np.array([[2.0, 1.0], [6.0, 1.0]])])
    assert fitted["minimum"].tolist() == [2, 1] and fitted["range"].tolist() == [4, 1]
    assert part.apply(fitted, np.array([[2.0, 1.0], [6.0, 1.0], [8.0, 2.0], [0.0, 0.0]])).tolist() == [
        [0, 0],
        [1, 0],
        [1.5, 1],
        [-0.5, -1],
    ]


@pytest.mark.parametrize("size", SIZES)
def test_min_max_is_that_of_scikit_learn_whatever_the_chunks(rows, size):
    found = learned(["MinMax", {"low": -2, "high": 5}], cut(rows, size))
    reference = MinMaxScaler((-2, 5)).fit(rows)
    assert np.array_equal(found["minimum"], reference.data_min_) and found["minimum"].shape == (8,)
    np.testing.assert_allclose(found["range"], reference.data_range_, rtol=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("epsilon", [None, 0.0, 0.5])
def test_zca_is_the_inverse_root_of_the_covariance(epsilon, size):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5)) + 100
    spec = ["Whiten", {} if epsilon is None else {"epsilon": epsilon}]
    found = learned(spec, cut(x, size))
    # (C + epsilon I)^-1/2 with C over n - 1 (Kessy et al. 2018, equation 1); 1e-5 by default.
    covariance = np.cov(x.T, ddof=1)
    wanted = fractional_matrix_power(covariance + (1e-5 if epsilon is None else epsilon) * np.eye(5), -0.5)
    np.testing.assert_allclose(found["W"], wanted, rtol=1e-5, atol=1e-6 * abs(wanted).max())
    np.testing.assert_allclose(found["mean"], x.mean(axis=0), rtol=1e-7)
    new = rng.normal(size=(3, 5)) + 100
    np.testing.assert_allclose(
        build("preprocess", spec).apply(found, new), (new - x.mean(axis=0)) @ wanted, rtol=1e-3, atol=1e-3
    )


def test_a_small_variance_shows_the_default_epsilon():
    # Variances over n - 1 of 1 and 9e-5: the second direction is divided by sqrt(1e-4), not by sqrt(9e-5).
    x = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]) * np.sqrt(3 / 4) * [1.0, np.sqrt(9e-5)]
    for method in ("zca", "pca"):
        w = learned(["Whiten", {"method": method}], [x])["W"]
        np.testing.assert_allclose(w, np.diag([1 / np.sqrt(1.00001), 100.0]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n_components", [None, 1, 3, 8])
def test_pca_is_that_of_scikit_learn_with_epsilon_added_to_the_variances(rows, n_components, size):
    x = rows.astype(np.float64)
    reference = PCA(n_components, svd_solver="full").fit(x)
    found = learned(["Whiten", {"method": "pca", "n_components": n_components, "epsilon": 2.0}], cut(rows, size))
    wanted = reference.components_.T / np.sqrt(reference.explained_variance_ + 2.0)
    assert found["W"].shape == (8, n_components or 8) and found["W"].flags.c_contiguous
    np.testing.assert_allclose(found["W"], wanted, rtol=1e-4, atol=1e-4 * abs(wanted).max())


def test_the_largest_entry_of_each_component_is_positive():
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=(50, 4)) * [1, 2, 3, 4]
        w = learned(["Whiten", {"method": "pca", "epsilon": 0}], [x])["W"]
        assert (w[abs(w).argmax(axis=0), np.arange(4)] > 0).all()


def test_a_direction_is_without_variance_at_the_bound_of_matrix_rank():
    # Variances below largest * n_features * eps (NumPy's matrix_rank) count as 0; eps = 2.2e-16, and 3 features.
    signs = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * np.sqrt(3 / 4)
    for variance, is_kept in ((1e-13, True), (1e-15, True), (4e-16, False), (1e-17, False)):
        w = learned(["Whiten", {"method": "pca", "epsilon": 0}], [signs * np.sqrt([1.0, 0.5, variance])])["W"]
        assert (w[:, 2] != 0).any() == is_kept
        np.testing.assert_allclose(w[:2, :2], np.diag([1, np.sqrt(2)]), rtol=1e-5, atol=1e-6)


def test_two_rows_are_enough_to_whiten_and_one_is_not():
    w = learned(["Whiten", {"epsilon": 0}], [np.array([[1.0], [3.0]])])["W"]
    # Variance over n - 1: 2.
    np.testing.assert_allclose(w, [[1 / np.sqrt(2)]], rtol=1e-6)


def test_whiten_takes_4096_features_and_as_many_as_it_keeps():
    part = build("preprocess", "Whiten")
    assert next(part._flat([np.zeros((1, 64, 64))])).shape == (1, 4096)
    assert learned(["Whiten", {"method": "pca", "n_components": 2}], [np.eye(2)])["W"].shape == (2, 2)


def test_the_number_of_a_row_that_is_not_finite_counts_all_chunks():
    chunks = [np.zeros((3, 2)), np.zeros((0, 2)), np.array([[0, 0], [0, 0], [0, np.inf], [np.nan, 0]])]
    for spec in SPECS[1:2] + SPECS[4:6]:
        with pytest.raises(DataError, match="training row 5 holds inf"):
            learned(spec, chunks)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint16, np.float16, np.float32])
def test_numbers_of_every_kind_are_learned_from(dtype):
    x = np.array([[0, 1], [1, 1], [1, 0], [1, 1]]).astype(dtype)
    found = learned("Standardise", [x])
    np.testing.assert_allclose(found["mean"], [0.75, 0.75])
    np.testing.assert_allclose(found["scale"], np.sqrt([3 / 16, 3 / 16]), rtol=1e-7)


@pytest.mark.parametrize("x", [np.array([1j, 2j]), np.array(["a"]), np.array(3.0), np.array([[None]])], ids=str)
def test_values_that_are_not_rows_of_numbers_are_refused(x):
    for spec in SPECS[1:2] + SPECS[4:6]:
        with pytest.raises(DataError, match=r"rows must be numbers \(rows, \.\.\.\); got .* of shape"):
            learned(spec, [x])


def test_images_of_one_channel_learn_one_number_per_channel():
    x = np.arange(24.0).reshape(2, 3, 4)
    found = learned(["Standardise", {"per": "channel"}], [x])
    assert found["mean"].shape == (1, 1) and found["mean"].item() == 11.5
    with pytest.raises(DataError, match=r"needs images .*; got shape \(2, 1, 3, 4, 1\)"):
        learned(["Standardise", {"per": "channel"}], [x.reshape(2, 1, 3, 4, 1)])


def test_rows_may_be_single_numbers():
    # Rows 1, 3 and 8: mean 4, variance (9 + 1 + 16) / 3.
    found = learned("Standardise", [np.array([1.0, 3.0]), np.array([8.0])])
    assert found["mean"].shape == () and found["mean"] == 4
    np.testing.assert_allclose(found["scale"], np.sqrt(26 / 3), rtol=1e-7)


@pytest.mark.parametrize("value", [0.0, 0.3])
@pytest.mark.parametrize("epsilon", [0.0, 4.0])
def test_a_constant_feature_is_divided_by_1_and_whitened_to_0_whatever_epsilon_is(value, epsilon):
    x = np.full((6, 2), value)
    assert learned(["Standardise", {"epsilon": epsilon}], [x])["scale"].tolist() == [1, 1]
    for method in ("zca", "pca"):
        assert learned(["Whiten", {"method": method, "epsilon": epsilon}], [x])["W"].tolist() == [[0, 0], [0, 0]]
