"""Losses of classes, held by torch, scikit-learn and formulas written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss, hinge_loss, log_loss, top_k_accuracy_score
from torch.nn import functional

from arignote import ConfigError, DataError
from arignote.registry import build

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(11, 4)) * 2
Y = RNG.integers(0, 4, 11)
WEIGHTS = RNG.uniform(0, 2, 11)
SHARES = RNG.dirichlet(np.ones(4), 11)
P = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
ROWS = np.arange(11)


def of_rows(spec, outputs=LOGITS, y=Y):
    return build("loss", spec).build()(torch.as_tensor(outputs), torch.as_tensor(y)).numpy()


def mean(spec, outputs=LOGITS, y=Y, weights=None):
    given = [] if weights is None else [torch.as_tensor(weights)]
    return float(build("loss", spec).mean()(torch.as_tensor(outputs), torch.as_tensor(y), *given))


def gradient(spec, y=Y, weights=None, outputs=LOGITS):
    leaf = torch.tensor(outputs, requires_grad=True)
    given = [] if weights is None else [torch.as_tensor(weights)]
    build("loss", spec).mean()(leaf, torch.as_tensor(y), *given).backward()
    return leaf.grad.numpy()


def test_nll_of_each_row_is_the_negative_log_probability_of_its_class():
    np.testing.assert_allclose(of_rows("nll"), -np.log(P[ROWS, Y]))
    np.testing.assert_allclose(of_rows("nll", y=SHARES), -(SHARES * np.log(P)).sum(axis=1))
    assert mean("nll") == pytest.approx(log_loss(Y, P, labels=range(4)))
    assert mean("nll", weights=WEIGHTS) == pytest.approx(-(WEIGHTS * np.log(P[ROWS, Y])).sum() / 11)
    assert mean("nll", y=SHARES, weights=WEIGHTS) == pytest.approx(
        -(WEIGHTS * (SHARES * np.log(P)).sum(axis=1)).sum() / 11
    )


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
@pytest.mark.parametrize("y", [Y, SHARES], ids=["classes", "shares"])
def test_label_smoothing_is_that_of_torch_and_of_its_formula(smoothing, y):
    spec = ["nll", {"label_smoothing": smoothing}]
    shares = np.eye(4)[y] if y.ndim == 1 else y
    # Szegedy et al. (2016): (1 - eps) * share + eps / n_classes
    smoothed = (1 - smoothing) * shares + smoothing / 4
    by_row = -(smoothed * np.log(P)).sum(axis=1)
    np.testing.assert_allclose(of_rows(spec, y=y), by_row)
    expected = functional.cross_entropy(torch.from_numpy(LOGITS), torch.from_numpy(y), label_smoothing=smoothing)
    assert mean(spec, y=y) == pytest.approx(float(expected)) == pytest.approx(by_row.mean())
    assert mean(spec, y=y, weights=WEIGHTS) == pytest.approx((WEIGHTS * by_row).mean())
    np.testing.assert_allclose(gradient(spec, y), (P - smoothed) / 11, atol=1e-12)
    np.testing.assert_allclose(gradient(spec, y, WEIGHTS), WEIGHTS[:, None] * (P - smoothed) / 11, atol=1e-12)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_label_smoothing_lies_below_one(smoothing):
    with pytest.raises(ConfigError, match="label_smoothing must"):
        build("loss", ["nll", {"label_smoothing": smoothing}])


def test_error_of_each_row_is_whether_its_class_is_not_the_first_of_the_most_probable():
    outputs = np.array([[1.0, 3.0, 2.0], [4.0, 4.0, 1.0], [4.0, 4.0, 1.0], [0.0, 0.0, 0.0]])
    found = of_rows("error", outputs, np.array([1, 0, 1, 2]))
    assert found.dtype == np.float32 and found.tolist() == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_error_is_that_of_scikit_learn(k):
    expected = 1 - top_k_accuracy_score(Y, LOGITS, k=k, labels=range(4))
    assert 0 < expected < 1
    assert mean(["top_k_error", {"k": k}]) == pytest.approx(expected)
    ranks = (-LOGITS).argsort(axis=1).argsort(axis=1)[ROWS, Y]
    assert of_rows(["top_k_error", {"k": k}]).tolist() == (ranks >= k).astype(float).tolist()


@pytest.mark.parametrize(
    ("row", "errors"),
    # Whether classes 0, 1, 2, 3 are not among the first two; of equal ones the first count as the more probable.
    [
        ([1.0, 1.0, 1.0, 1.0], [0, 0, 1, 1]),
        ([1.0, 2.0, 1.0, 1.0], [0, 0, 1, 1]),
        ([0.0, 1.0, 2.0, 1.0], [1, 0, 0, 1]),
        ([5.0, 1.0, 5.0, 5.0], [0, 1, 0, 1]),
    ],
)
def test_of_equal_logits_the_first_are_the_most_probable(row, errors):
    found = of_rows(["top_k_error", {"k": 2}], np.tile(row, (4, 1)), np.arange(4))
    assert found.tolist() == errors
    # So that with k=1 it is the error.
    assert of_rows(["top_k_error", {"k": 1}], np.tile(row, (4, 1)), np.arange(4)).tolist() == (
        of_rows("error", np.tile(row, (4, 1)), np.arange(4)).tolist()
    )


def test_a_class_whose_logit_is_no_number_is_not_among_the_most_probable():
    outputs = np.array([[np.nan, 1.0, 0.0], [np.nan] * 3])
    assert of_rows(["top_k_error", {"k": 2}], outputs, np.array([0, 0])).tolist() == [1.0, 1.0]


def test_k_is_five_and_below_the_number_of_classes():
    assert build("loss", "top_k_error").k == 5
    for k, n in ((4, 5), (1, 2)):
        build("loss", ["top_k_error", {"k": k}]).check(n)
    for k, n in ((5, 5), (6, 5), (2, 2)):
        with pytest.raises(ConfigError, match=rf"^k must be below the number of classes, {n}; got {k}$"):
            build("loss", ["top_k_error", {"k": k}]).check(n)
    # No other loss depends on the number of outputs.
    for name in ("nll", "error", "hinge", "brier", "rank_error"):
        build("loss", name).check(2)


def test_hinge_is_that_of_scikit_learn():
    assert mean("hinge") == pytest.approx(hinge_loss(Y, LOGITS, labels=range(4)))
    assert mean("hinge", weights=WEIGHTS) * 11 / WEIGHTS.sum() == pytest.approx(
        hinge_loss(Y, LOGITS, labels=range(4), sample_weight=WEIGHTS)
    )


@pytest.mark.parametrize("margin", [0.25, 1.0, 3.0])
def test_hinge_of_each_row_is_what_the_best_other_class_lacks_to_the_margin(margin):
    others = np.where(np.eye(4)[Y] == 1, -np.inf, LOGITS)
    short = margin - LOGITS[ROWS, Y] + others.max(axis=1)
    spec = ["hinge", {"margin": margin}]
    np.testing.assert_allclose(of_rows(spec), np.maximum(short, 0))
    expected = (short > 0)[:, None] * (np.eye(4)[others.argmax(axis=1)] - np.eye(4)[Y])
    np.testing.assert_allclose(gradient(spec), expected / 11)
    np.testing.assert_allclose(gradient(spec, weights=WEIGHTS), WEIGHTS[:, None] * expected / 11)
    assert (short > 0).any()


def test_hinge_of_one_sum_is_the_binary_hinge_of_scikit_learn():
    layer = build("layer", ["ClassificationOutputLayer", {"n_classes": 1}])
    params = {"W": torch.ones(1, 1, dtype=torch.float64), "b": torch.zeros(1, dtype=torch.float64)}
    z, y = RNG.normal(size=(9, 1)) * 2, RNG.integers(0, 2, 9)
    logits = layer.build((1,))(params, torch.from_numpy(z), True)
    np.testing.assert_allclose(of_rows("hinge", logits, y), np.maximum(1 - np.where(y == 1, 1, -1) * z[:, 0], 0))
    assert mean("hinge", logits, y) == pytest.approx(hinge_loss(y, z[:, 0]))


def test_hinge_needs_one_class_per_row():
    with pytest.raises(DataError, match=r"the loss 'hinge' needs one class per row; .* leave Mixup out"):
        of_rows("hinge", y=SHARES)


def test_brier_is_that_of_scikit_learn_and_of_its_formula():
    by_row = ((P - np.eye(4)[Y]) ** 2).sum(axis=1)
    np.testing.assert_allclose(of_rows("brier"), by_row)
    # Of two classes scikit-learn counts one of the two equal terms.
    two = np.array([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]])
    p = 1 / (1 + np.exp(two[:, 0] - two[:, 1]))
    assert mean("brier", two, np.array([0, 0, 1])) == pytest.approx(2 * brier_score_loss([0, 0, 1], p))
    np.testing.assert_allclose(of_rows("brier", y=SHARES), ((P - SHARES) ** 2).sum(axis=1))
    assert mean("brier", weights=WEIGHTS) == pytest.approx((WEIGHTS * by_row).mean())
    for y, shares in ((Y, np.eye(4)[Y]), (SHARES, SHARES)):
        # dp_c/dz_k = p_c * ([c = k] - p_k)
        difference = P - shares
        expected = 2 * P * (difference - (difference * P).sum(axis=1, keepdims=True)) / 11
        np.testing.assert_allclose(gradient("brier", y), expected, atol=1e-12)
        np.testing.assert_allclose(gradient("brier", y, WEIGHTS), WEIGHTS[:, None] * expected, atol=1e-12)


def test_brier_lies_between_zero_and_two():
    assert of_rows("brier", np.array([[500.0, 0.0, 0.0]] * 2), np.array([0, 1])).tolist() == [0.0, 2.0]


def test_rank_error_of_each_row_is_the_distance_of_the_ranks():
    outputs = np.eye(5)[[0, 4, 2, 1]]
    found = of_rows("rank_error", outputs, np.array([4, 1, 2, 2]))
    assert found.dtype == np.float32 and found.tolist() == [4.0, 3.0, 0.0, 1.0]
    assert mean("rank_error") == pytest.approx(np.abs(LOGITS.argmax(axis=1) - Y).mean())


@pytest.mark.parametrize("spec", ["nll", "error", ["top_k_error", {"k": 2}], "hinge", "brier", "rank_error"], ids=str)
def test_losses_of_float32_logits_are_float32(spec):
    found = of_rows(spec, LOGITS.astype(np.float32))
    assert found.dtype == np.float32 and found.shape == (11,)
