"""Augmentation: which random numbers, keywords and labels each function receives, and which results are accepted."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from made_up import augmenter

from arignote import ArignoteWarning, DataError
from arignote.data.epoch.augmentation import augmented_to
from arignote.streams import stream

X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y = np.array([0, 2, 1, 2])


def drawing(x, y, rng):
    return x + rng.random(x.shape), y


@pytest.mark.parametrize("seed", [0, 9])
def test_each_batch_of_each_epoch_has_the_random_numbers_of_its_own_stream(seed):
    run = augmenter([drawing], seed, 3)
    noise = {}
    for epoch in range(3):
        for batch in range(3):
            noise[epoch, batch] = run(X, Y, epoch, batch)[0] - X
            expected = stream(seed, "augment", epoch, batch).random(X.shape)
            np.testing.assert_allclose(noise[epoch, batch], expected, atol=1e-6)
    assert len({found.tobytes() for found in noise.values()}) == 9


@pytest.mark.parametrize("draw", [np.random.random, random.random], ids=["numpy", "python"])
def test_a_draw_from_a_global_generator_is_reported_in_whatever_batch_it_comes(draw):
    """In another batch than the first of an epoch, which alone is augmented twice and compared."""

    def now_and_then(x, y, epoch, rng):
        # Of three calls the second draws: batch 5, as no batch here is number 0.
        calls.append(epoch)
        return (x + draw() if len(calls) == 2 else x), y

    calls, run = [], augmenter([now_and_then], 5, 3)
    run(X, Y, 1, 4)
    with pytest.warns(
        ArignoteWarning, match="^augmentation draws from a global random generator: a resumed run will no"
    ):
        run(X, Y, 1, 5)
    run(X, Y, 1, 6)
    assert calls == [1, 1, 1]


def test_the_functions_of_one_batch_share_its_generator_and_are_applied_in_order():
    rng = stream(5, "augment", 1, 2)
    first, second = rng.random(X.shape), rng.random(X.shape)

    def doubled(x, y):
        return 2 * x, y

    found, _ = augmenter([drawing, doubled, drawing], 5, 3)(X, Y, 1, 2)
    np.testing.assert_allclose(found, 2 * (X + first) + second, rtol=1e-6)


def test_a_function_receives_only_the_keywords_that_it_accepts():
    received = []

    def all_three(x, y, *, epoch, rng, n_classes):
        received.append((epoch, rng.random(), n_classes))
        return x, y

    def epoch_only(x, y, epoch):
        received.append(epoch)
        return x, y

    def number_only(x, y, n_classes):
        received.append(n_classes)
        return x, y

    def any_keyword(x, y, **more):
        received.append(sorted(more))
        return x, y

    def none(x, y):
        received.append(None)
        return x, y

    augmenter([all_three, epoch_only, number_only, any_keyword, none], 8, 7)(X, Y, 4, 6)
    assert received == [(4, stream(8, "augment", 4, 6).random(), 7), 4, 7, ["epoch", "rng"], None]


def test_a_callable_without_a_signature_receives_features_and_labels_alone():
    class Compiled:
        """Like a function of an extension module: `inspect.signature` raises ValueError."""

        @property
        def __signature__(self):
            raise ValueError("no signature found")

        def __call__(self, x, y):
            return x, y

    found, labels = augmenter([Compiled()], 0, 3)(X, Y, 0, 0)
    assert np.array_equal(found, X) and np.array_equal(labels, Y)


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        ([0, 2, 1, 2], np.int64),
        (np.array([0, 2, 1, 2], np.uint8), np.int64),
        (np.full((4, 3), 1 / 3), np.float32),
        (np.eye(3, dtype=np.int64)[[0, 2, 1, 2]], np.float32),
        (np.eye(3, dtype=np.float64)[:, [0, 2, 1]].T.repeat([2, 1, 1], axis=0), np.float32),
    ],
)
def test_labels_are_returned_as_int64_numbers_or_float32_shares(labels, dtype):
    x, y = augmenter([lambda x, y: (x.T.astype(np.float64).T, labels)], 0, 3)(X, Y, 0, 0)
    assert x.dtype == np.float32 and x.flags.c_contiguous and np.array_equal(x, X)
    assert y.dtype == dtype and y.flags.c_contiguous
    np.testing.assert_allclose(y, labels, rtol=1e-7)


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 2, 3],
        [-1, 0, 1, 2],
        [0.0, 1.0, 2.0, 2.0],
        np.eye(4),
        np.zeros((4, 3, 1)),
        np.zeros((4, 3), complex),
        np.zeros((4, 3), bool),
    ],
    ids=lambda labels: str(np.asarray(labels).dtype) + str(np.asarray(labels).shape),
)
def test_labels_outside_of_the_classes_or_of_another_kind_are_refused(labels):
    with pytest.raises(DataError, match=r"epoch 2, batch 5: y must be class numbers in 0 \.\. 2"):
        augmenter([lambda x, y: (x, labels)], 0, 3)(X, Y, 1, 5)


def test_labels_that_are_refused_are_described_by_the_first_of_them():
    with pytest.raises(DataError, match=r"got float64 of shape \(4,\), such as 0.25$"):
        augmenter([lambda x, y: (x, [0.25, 1.0, 2.0, 0.0])], 0, 3)(X, Y, 1, 5)


@pytest.mark.parametrize(("n_x", "n_y"), [(3, 4), (4, 3), (3, 3)])
def test_another_number_of_rows_is_refused(n_x, n_y):
    with pytest.raises(DataError, match=rf"epoch 1, batch 0: must return 4 rows; got {n_x} and {n_y}"):
        augmenter([lambda x, y: (x[:n_x], y[:n_y])], 0, 3)(X, Y, 0, 0)


@pytest.mark.parametrize("result", [(X,), (X, Y, Y), [X], X])
def test_a_result_other_than_a_pair_is_refused(result):
    with pytest.raises(DataError, match=r"must return features and labels, \(x, y\)"):
        augmenter([lambda x, y: result], 0, 3)(X, Y, 0, 0)


def test_a_pair_may_be_a_list():
    assert np.array_equal(augmenter([lambda x, y: [x, y]], 0, 3)(X, Y, 0, 0)[0], X)


def test_a_trial_reports_the_shape_of_an_example_and_leaves_the_batch_unchanged():
    received = []

    def spoil(x, y, rng, epoch):
        received.append((x.tolist(), y.tolist(), rng.random(), epoch))
        x[:], y[:] = 0, 0
        return x[:, :2, None], y

    x, y = X.copy(), Y.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert augmenter([spoil], 3, 3).tried(x, y).shape[1:] == (2, 1)
    assert np.array_equal(x, X) and np.array_equal(y, Y)
    # Twice the batch that epoch 0 begins with.
    assert received == [(X.tolist(), Y.tolist(), stream(3, "augment", 0, 0).random(), 0)] * 2


def test_a_trial_accepts_nan_and_warns_of_features_or_labels_that_differ():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augmenter([lambda x, y: (x * np.nan, y)], 0, 3).tried(X, Y)
    elsewhere = np.random.default_rng(0)
    for differing in (
        lambda x, y: (x + elsewhere.random(x.shape), y),
        lambda x, y: (x, elsewhere.permutation(np.arange(4)) % 3),
    ):
        with pytest.warns(ArignoteWarning, match="different results for the same rng"):
            augmenter([differing], 0, 3).tried(X, Y)


def test_the_error_of_another_shape_names_both_shapes():
    assert "changes the shape of an example from (5,) to (3, 4)" in str(augmented_to((3, 4), (5,)))
