"""How much rows count: sample_weight times class_weight, one on average."""

from __future__ import annotations

import numpy as np
import pytest
from prepared_rows import X, Y, numbers, prepared
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from arignote import CheckpointError, DataError, NNClassifier


@pytest.mark.parametrize(
    ("sample_weight", "class_weight", "wanted"),
    [
        (np.arange(90), None, np.arange(90.0)),
        (None, "balanced", np.repeat([1 / 60, 1 / 20, 1 / 10], [60, 20, 10])),
        (None, {"b": 4, "c": 0.0}, np.repeat([1.0, 4, 0], [60, 20, 10])),
        (np.arange(90), {"a": 2.0}, np.arange(90) * np.repeat([2.0, 1, 1], [60, 20, 10])),
    ],
)
@pytest.mark.parametrize("valid", [None, np.arange(0, 90, 3), 0.2])
def test_weights_are_those_of_the_training_rows_and_one_on_average(sample_weight, class_weight, wanted, valid):
    found = prepared(sample_weight=sample_weight, settings={"class_weight": class_weight}, valid=valid)
    rows = numbers(found.subsets["train"][0])
    weights = found.weights
    assert weights.dtype == np.float32 and len(weights) == len(rows) and weights.mean() == pytest.approx(1, abs=1e-6)
    if class_weight == "balanced":
        sums = [weights[Y[rows] == label].sum() for label in "abc"]
        assert np.allclose(sums, sums[0], rtol=1e-5)
    else:
        assert np.allclose(weights, wanted[rows] / wanted[rows].mean(), rtol=1e-5)


def test_without_weights_there_are_none():
    assert prepared().weights is None and "weights" not in prepared().fingerprint()


def test_class_weights_are_named_by_labels_of_any_kind():
    labels = np.repeat([3, 7, 9], [60, 20, 10])
    for named in ({7: 2.0}, {"7": 2.0}):
        weights = prepared(y=labels, settings={"class_weight": named}).weights
        assert weights[60] == pytest.approx(2 * weights[0])


def test_weights_that_are_no_numbers_are_reported():
    with pytest.raises(DataError, match=r"sample_weight must be numbers; row 0 is 'a'"):
        prepared(sample_weight=["a"] * 90)


def test_a_run_is_not_resumed_with_other_weights(tmp_path):
    def fit(n_epochs, weights):
        classifier = NNClassifier([["ClassificationOutputLayer"]], rng=1, checkpoint=str(tmp_path / "run"))
        return classifier.fit(X, Y, sample_weight=weights, n_epochs=n_epochs, batch_size=30)

    fit(1, np.arange(90))
    assert fit(2, 2 * np.arange(90)).n_epochs_ == 2
    with pytest.raises(CheckpointError, match="weights"):
        fit(3, np.arange(90)[::-1])


@pytest.mark.parametrize("counts", [(60, 20, 10), (30, 30, 30), (88, 1, 1)])
@pytest.mark.parametrize("valid", [None, np.arange(0, 30)])
def test_balanced_class_weights_are_those_of_scikit_learn(counts, valid):
    labels = np.random.default_rng(0).permutation(np.repeat(["a", "b", "c"], counts))
    labels[30:33] = ["a", "b", "c"]
    found = prepared(y=labels, settings={"class_weight": "balanced"}, valid=valid)
    # Of the training rows alone; their mean is 1.
    train = labels if valid is None else labels[30:]
    np.testing.assert_allclose(found.weights, compute_sample_weight("balanced", train), rtol=1e-6)
    classes = np.array(["a", "b", "c"])
    by_class = dict(zip(classes, compute_class_weight("balanced", classes=classes, y=train), strict=True))
    np.testing.assert_allclose(found.weights, [by_class[label] for label in train], rtol=1e-6)


def test_sample_weights_are_multiplied_by_class_weights_and_divided_by_their_mean():
    own = np.random.default_rng(1).random(90) + 0.1
    for class_weight in ("balanced", {"a": 3.0, "c": 0.5}):
        found = prepared(sample_weight=own, settings={"class_weight": class_weight})
        product = own * compute_sample_weight(
            class_weight if class_weight == "balanced" else {"a": 3.0, "b": 1.0, "c": 0.5}, Y
        )
        np.testing.assert_allclose(found.weights, product / product.mean(), rtol=1e-6)


def test_weights_by_hand():
    # Rows of class a, a, a, b: balanced 4 / (2 * 3) = 2/3 and 4 / (2 * 1) = 2.
    x, labels = np.zeros((4, 1)), np.array(["a", "a", "a", "b"])
    found = prepared(x, labels, settings={"class_weight": "balanced", "batch_size": 1}).weights
    np.testing.assert_allclose(found, [2 / 3, 2 / 3, 2 / 3, 2], rtol=1e-6)
    # 1, 2, 3, 4 by sample, b counts twice: 1, 2, 3, 8 with a mean of 3.5.
    given = {"sample_weight": [1, 2, 3, 4], "settings": {"class_weight": {"b": 2}, "batch_size": 1}}
    np.testing.assert_allclose(prepared(x, labels, **given).weights, np.array([1, 2, 3, 8]) / 3.5, rtol=1e-6)


def test_a_class_that_no_training_row_has_does_not_divide_by_zero():
    labels = np.repeat([0, 1, 2], [60, 20, 10])
    found = prepared(y=labels, settings={"class_weight": "balanced"}, valid=np.arange(80, 90))
    # 80 rows of two classes: 80 / (2 * 60) and 80 / (2 * 20).
    np.testing.assert_allclose(found.weights, np.repeat([2 / 3, 2], [60, 20]), rtol=1e-6)


def test_weights_of_some_rows_may_be_zero():
    found = prepared(sample_weight=np.arange(90) % 2)
    assert found.weights.tolist() == [0.0, 2.0] * 45


def test_sample_weights_follow_the_training_rows():
    # A weight for each row that identifies the row.
    own = 1.0 + np.arange(90)
    for given in ({"valid": 0.2, "test": 0.1}, {"valid": [3, 50]}, {"test": 0.3, "groups": np.arange(90) // 4}):
        found = prepared(sample_weight=own, **given)
        index = found.subsets["train"][0].index
        np.testing.assert_allclose(found.weights, (1 + index) / (1 + index).mean(), rtol=1e-6)
        assert found.weights.dtype == np.float32
