"""NNClassifier with several labels per row, and with ranks; its numbers are those of scikit-learn."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    hamming_loss,
    hinge_loss,
    log_loss,
    roc_auc_score,
    top_k_accuracy_score,
)
from sklearn.model_selection import cross_val_score

from arignote import CheckpointError, ConfigError, DataError, NNClassifier

RNG = np.random.default_rng(9)
N = 90
X = RNG.normal(size=(N, 4)).astype(np.float32)
SCORE = X @ np.array([1.0, -2.0, 0.5, 0.0]) + 0.1 * RNG.normal(size=N)
MATRIX = np.column_stack([SCORE > 0, X[:, 0] > 0.3, X[:, 1] > 0.8]).astype(np.int64)
LISTS = [[word for word, is_set in zip(["blue", "green", "red"], row, strict=True) if is_set] for row in MATRIX]
RANKS = np.array(["low", "middle", "high", "top"])[np.digitize(SCORE, [-2, 0, 2])]
ORDER = ["low", "middle", "high", "top"]
HIDDEN = ["FCLayer", {"n_units": 8, "activation": "tanh"}]
SEVERAL = [HIDDEN, ["MultilabelOutputLayer"]]
ORDINAL = [HIDDEN, ["OrdinalOutputLayer", {"ranks": ORDER}]]
FAST = {"n_epochs": 25, "batch_size": 16, "sgd_type": "adam", "lr_rule": 0.03}


def made(layers, **params):
    return NNClassifier(layers, rng=1, **FAST | params)


@pytest.mark.parametrize("y", [MATRIX, MATRIX.astype(bool), pd.DataFrame(MATRIX)], ids=["int", "bool", "frame"])
def test_a_matrix_of_labels_is_learned_and_predicted(y):
    fitted = made(SEVERAL).fit(X, y)
    p, predicted = fitted.predict_proba(X), fitted.predict(X)
    assert p.shape == (N, 3) and p.dtype == np.float32 and ((p > 0) & (p < 1)).all()
    assert predicted.dtype == np.int64 and np.array_equal(predicted, p > 0.5)
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.score(X, y) == pytest.approx(accuracy_score(MATRIX, predicted)) and fitted.score(X, y) > 0.8
    weights = np.linspace(0, 1, N)
    expected = accuracy_score(MATRIX, predicted, sample_weight=weights)
    assert fitted.score(X, y, sample_weight=weights) == pytest.approx(expected)


def test_probabilities_are_those_of_the_weights_in_numpy():
    fitted = made(SEVERAL, restore_best=False).fit(X, MATRIX)
    w = fitted.params
    z = np.tanh(X.astype(np.float64) @ w["fc1.W"] + w["fc1.b"]) @ w["output.W"] + w["output.b"]
    np.testing.assert_allclose(fitted.predict_proba(X), 1 / (1 + np.exp(-z)), rtol=1e-4, atol=1e-6)


def test_lists_of_labels_are_learned_as_their_matrix_and_predicted_as_tuples():
    of_lists, of_matrix = made(SEVERAL).fit(X, LISTS), made(SEVERAL).fit(X, MATRIX)
    assert np.array_equal(of_lists.predict_proba(X), of_matrix.predict_proba(X))
    assert of_lists.classes_.tolist() == ["blue", "green", "red"]
    words = of_lists.predict(X)
    assert words.shape == (N,) and words.dtype == object
    for row, labels in zip(of_matrix.predict(X), words, strict=True):
        assert labels == tuple(np.array(["blue", "green", "red"])[row == 1])
    assert of_lists.score(X, LISTS) == of_matrix.score(X, MATRIX)
    assert of_lists.evaluate(X, LISTS) == of_matrix.evaluate(X, MATRIX)


def test_what_a_validation_and_evaluate_report_is_what_scikit_learn_computes():
    held_out = np.arange(0, N, 3)
    fitted = made(SEVERAL, restore_best=False).fit(X, MATRIX, valid=held_out)
    p, true = fitted.predict_proba(X[held_out]), MATRIX[held_out]
    expected = {
        "binary_cross_entropy": log_loss(true.ravel(), p.ravel().astype(np.float64)),
        "flag_error": hamming_loss(true, (p > 0.5).astype(int)),
    }
    row = fitted.history_[-1]
    assert {name: row[f"valid_{name}"] for name in expected} == pytest.approx(expected, rel=1e-4)
    assert fitted.evaluate(X, MATRIX, part="valid") == pytest.approx(expected, rel=1e-4)
    metrics = fitted.evaluate(X[held_out], true, ["accuracy", "f1_macro", "f1_micro", "roc_auc"])
    predicted = (p > 0.5).astype(int)
    assert metrics["accuracy"] == accuracy_score(true, predicted)
    assert metrics["f1_macro"] == pytest.approx(f1_score(true, predicted, average="macro"))
    assert metrics["f1_micro"] == pytest.approx(f1_score(true, predicted, average="micro"))
    assert metrics["roc_auc"] == pytest.approx(roc_auc_score(true, p))


def test_a_run_of_several_labels_is_loaded(tmp_path):
    stem = str(tmp_path / "run")
    for y in (MATRIX, LISTS):
        fitted = made(SEVERAL, n_epochs=2, checkpoint=stem, resume="fresh").fit(X, y)
        loaded = NNClassifier.load(stem)
        assert loaded.predict(X).tolist() == fitted.predict(X).tolist()
        assert loaded.state_.targets == fitted.state_.targets and loaded.score(X, y) == fitted.score(X, y)
    with pytest.raises(CheckpointError, match=r"targets.output.form: 'lists' then, 'matrix' now"):
        made(SEVERAL, n_epochs=2, checkpoint=stem).fit(X, MATRIX)


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda c: c.fit(X, SCORE > 0), DataError, "must be an indicator matrix (rows, labels) of 0 and 1"),
        (lambda c: c.fit(X, MATRIX + 1), DataError, "labels of X row 1 must be 0 and 1"),
        (lambda c: c.fit(X, MATRIX[1:]), DataError, "X has 90 rows, its labels 89"),
        (
            lambda c: c.fit(X, MATRIX, class_weight="balanced"),
            ConfigError,
            "class_weight is for one output of classes, but Multilabel",
        ),
        (lambda c: c.fit(X, MATRIX, train_loss="nll"), ConfigError, "losses that do: binary_cross_entropy"),
        (
            lambda c: c.fit(X, MATRIX, valid_loss="error"),
            ConfigError,
            "losses that do: binary_cross_entropy, flag_error",
        ),
        (lambda c: c.fit(X, MATRIX).confusion(X, MATRIX), ConfigError, "a table by class needs one class per row"),
        (
            lambda c: c.fit(X, MATRIX).evaluate(X, MATRIX, "top_2"),
            ConfigError,
            "unknown loss or metric 'top_2' of flags",
        ),
        (
            lambda c: c.fit(X, MATRIX).evaluate(X, MATRIX[:, :2]),
            DataError,
            "have 2 columns, those of the training data 3",
        ),
        (lambda c: c.fit(X, LISTS).score(X, [["brown"]] * N), DataError, "label 'brown' of y row 0 is none of"),
    ],
)
def test_what_does_not_fit_several_labels_is_refused(act, error, words):
    with pytest.raises(error, match=re.escape(words)):
        act(made(SEVERAL, n_epochs=1))


def test_one_class_per_row_asks_for_another_output_layer():
    with pytest.raises(DataError, match="use MultilabelOutputLayer for several labels per row"):
        made([["ClassificationOutputLayer"]]).fit(X, MATRIX)
    with pytest.raises(DataError, match=r"Train on the numbers with RegressionOutputLayer \(NNRegressor\)"):
        made([["ClassificationOutputLayer"]]).fit(X, SCORE)


def test_ranks_are_learned_in_their_order():
    fitted = made(ORDINAL).fit(X, RANKS)
    p, predicted = fitted.predict_proba(X), fitted.predict(X)
    assert fitted.classes_.tolist() == ORDER and predicted.dtype == RANKS.dtype
    assert p.shape == (N, 4) and p.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(predicted, np.array(ORDER)[p.argmax(axis=1)])
    assert fitted.score(X, RANKS) == accuracy_score(RANKS, predicted) > 0.8
    # The probabilities of the model, of its weights in NumPy.
    w = fitted.params
    score = np.tanh(X.astype(np.float64) @ w["fc1.W"] + w["fc1.b"]) @ w["output.W"]
    thresholds = w["output.threshold"] + np.concatenate([[0], np.cumsum(np.log1p(np.exp(w["output.gaps"])))])
    below = 1 / (1 + np.exp(score - thresholds))
    expected = np.diff(np.hstack([np.zeros((N, 1)), below, np.ones((N, 1))]), axis=1)
    np.testing.assert_allclose(p, expected, rtol=1e-3, atol=1e-5)
    assert (np.diff(thresholds) > 0).all()


@pytest.mark.slow
def test_ranks_that_are_numbers_need_no_list():
    numbers = np.digitize(SCORE, [-2, 0, 2]) * 10 + 10
    of_words, of_numbers = made(ORDINAL).fit(X, RANKS), made([HIDDEN, ["OrdinalOutputLayer"]]).fit(X, numbers)
    assert of_numbers.classes_.tolist() == [10, 20, 30, 40]
    assert np.array_equal(of_numbers.predict_proba(X), of_words.predict_proba(X))
    absent = made([HIDDEN, ["OrdinalOutputLayer", {"n_classes": 6}]], n_epochs=1).fit(X, numbers // 10)
    assert absent.classes_.tolist() == list(range(6)) and absent.predict_proba(X).shape == (N, 6)
    assert set(absent.predict(X)) <= set(range(6))


def test_what_is_reported_of_ranks_is_what_scikit_learn_computes():
    held_out = np.arange(0, N, 3)
    fitted = made(ORDINAL, restore_best=False, n_epochs=6).fit(X, RANKS, valid=held_out)
    p = fitted.predict_proba(X[held_out]).astype(np.float64)
    y = np.array([ORDER.index(rank) for rank in RANKS[held_out]])
    expected = {
        "nll": log_loss(y, p / p.sum(axis=1, keepdims=True), labels=range(4)),
        "error": 1 - accuracy_score(y, p.argmax(axis=1)),
        "rank_error": np.abs(p.argmax(axis=1) - y).mean(),
    }
    assert expected["rank_error"] > expected["error"] > 0
    row = fitted.history_[-1]
    assert {name: row[f"valid_{name}"] for name in expected} == pytest.approx(expected, rel=1e-4)
    assert fitted.evaluate(X, RANKS, part="valid") == pytest.approx(expected, rel=1e-4)
    found = fitted.evaluate(X[held_out], RANKS[held_out], ["accuracy", "top_2", ["top_k_error", {"k": 2}], "brier"])
    top = top_k_accuracy_score(y, p, k=2, labels=range(4))
    assert found == pytest.approx(
        {
            "accuracy": accuracy_score(y, p.argmax(axis=1)),
            "top_2": top,
            "top_k_error(k=2)": 1 - top,
            "brier": ((p - np.eye(4)[y]) ** 2).sum(axis=1).mean(),
        },
        rel=1e-5,
    )
    matrix, mistakes = fitted.confusion(X[held_out], RANKS[held_out])
    assert np.array_equal(matrix, confusion_matrix(y, p.argmax(axis=1), labels=range(4)))
    assert len(mistakes) == round(expected["error"] * len(y)) and mistakes[0].label in ORDER


def test_ranks_may_be_weighted_and_balanced_by_their_label():
    plain = made(ORDINAL, n_epochs=5).fit(X, RANKS)
    weighted = made(ORDINAL, n_epochs=5, class_weight={"top": 50.0}).fit(X, RANKS)
    assert (weighted.predict(X) == "top").sum() > (plain.predict(X) == "top").sum()
    balanced = made(ORDINAL, n_epochs=5, balance_classes=True).fit(X, RANKS)
    assert not np.array_equal(balanced.predict_proba(X), plain.predict_proba(X))
    with pytest.raises(DataError, match="class_weight names the class 'best'; the classes are"):
        made(ORDINAL, class_weight={"best": 2.0}).fit(X, RANKS)


def test_a_run_of_ranks_is_loaded_and_not_resumed_with_another_order(tmp_path):
    stem = str(tmp_path / "run")
    fitted = made(ORDINAL, n_epochs=2, checkpoint=stem).fit(X, RANKS)
    loaded = NNClassifier.load(stem)
    assert np.array_equal(loaded.predict(X), fitted.predict(X)) and loaded.classes_.tolist() == ORDER
    other = [HIDDEN, ["OrdinalOutputLayer", {"ranks": ORDER[::-1]}]]
    with pytest.raises(CheckpointError, match=r"layers.output.ranks: \['low', .* then, \['top', "):
        made(other, n_epochs=2, checkpoint=stem).fit(X, RANKS)


def test_text_without_an_order_and_labels_of_no_rank_are_refused():
    with pytest.raises(DataError, match="ranks of X are text, which has no order: write it"):
        made([["OrdinalOutputLayer"]]).fit(X, RANKS)
    with pytest.raises(DataError, match=r"label 'top' of X row 1 is none of the classes"):
        made([["OrdinalOutputLayer", {"ranks": ORDER[:3]}]]).fit(X, RANKS)
    with pytest.raises(
        ConfigError, match="train_loss 'squared' does not fit OrdinalOutputLayer 'output', which fits ranks"
    ):
        made(ORDINAL, train_loss="squared").fit(X, RANKS)


@pytest.mark.slow
def test_losses_of_classes_are_learned_and_reported():
    y = RANKS
    for loss in ("hinge", "brier", ["nll", {"label_smoothing": 0.1}]):
        fitted = made([HIDDEN, ["ClassificationOutputLayer"]], train_loss=loss).fit(X, y)
        assert fitted.score(X, y) > 0.8
    binary = np.isin(y, ["top", "high"])
    layers = [HIDDEN, ["ClassificationOutputLayer", {"n_classes": 1}]]
    fitted = made(layers, train_loss="hinge", valid_loss="hinge", restore_best=False).fit(X, binary, valid=(X, binary))
    assert fitted.score(X, binary) > 0.8
    p = fitted.predict_proba(X)[:, 1].astype(np.float64)
    expected = hinge_loss(binary, np.log(p / (1 - p)))
    assert fitted.history_[-1]["valid_hinge"] == pytest.approx(expected, rel=1e-3)
    with pytest.raises(ConfigError, match="k must be below the number of classes, 4; got 5"):
        made([["ClassificationOutputLayer"]], valid_loss="top_k_error").fit(X, y, valid=0.2)


@pytest.mark.slow
def test_both_can_be_cloned_and_cross_validated():
    for layers, y in ((SEVERAL, MATRIX), (ORDINAL, RANKS)):
        scores = cross_val_score(clone(made(layers)), X, y, cv=3)
        assert scores.shape == (3,) and (scores > 0.4).all()
