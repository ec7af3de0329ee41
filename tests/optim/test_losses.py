"""Losses against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import arignote.optim  # noqa: F401
from arignote.registry import build

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(7, 4)) * 3
Y = RNG.integers(0, 4, 7)
LOG_P = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))


def loss(name, *given):
    return float(build("loss", name).mean()(*(torch.from_numpy(np.asarray(one)) for one in given)))


def test_nll_is_the_mean_negative_log_probability_of_the_true_class():
    assert loss("nll", LOGITS, Y) == pytest.approx(-LOG_P[np.arange(7), Y].mean())


def test_nll_of_shares_of_classes_is_the_cross_entropy():
    shares = RNG.dirichlet(np.ones(4), 7)
    assert loss("nll", LOGITS, shares) == pytest.approx(-(shares * LOG_P).sum(axis=1).mean())
    assert loss("nll", LOGITS, np.eye(4)[Y]) == pytest.approx(loss("nll", LOGITS, Y))


def test_weights_multiply_each_example_and_the_mean_is_over_all():
    weights = RNG.uniform(0, 2, 7)
    assert loss("nll", LOGITS, Y, weights) == pytest.approx(-(weights * LOG_P[np.arange(7), Y]).sum() / 7)
    assert loss("nll", LOGITS, Y, np.ones(7)) == pytest.approx(loss("nll", LOGITS, Y))


def test_nll_of_large_logits_is_exact():
    assert loss("nll", np.array([[1000.0, 0.0], [0.0, 1000.0]]), np.array([0, 0])) == 500.0


def test_error_is_the_share_of_wrong_answers():
    assert loss("error", LOGITS, Y) == pytest.approx((LOGITS.argmax(axis=1) != Y).mean())
    assert loss("error", LOGITS, LOGITS.argmax(axis=1)) == 0.0
    assert loss("error", LOGITS, (LOGITS.argmax(axis=1) + 1) % 4) == 1.0


def test_a_loss_is_differentiable_if_it_has_a_gradient():
    for name, has in (("nll", True), ("error", False)):
        logits = torch.from_numpy(LOGITS).requires_grad_()
        found = build("loss", name).build()(logits, torch.from_numpy(Y))
        assert build("loss", name).differentiable == found.requires_grad == has


def test_the_numbers_of_a_small_table_worked_out_by_hand():
    # Probabilities (1/4, 3/4), (1/2, 1/2), (4/5, 1/5).
    logits = np.log([[1.0, 3.0], [5.0, 5.0], [4.0, 1.0]])
    y = np.array([1, 0, 1])
    assert loss("nll", logits, y) == pytest.approx(-(np.log(3 / 4) + np.log(1 / 2) + np.log(1 / 5)) / 3)
    # Of equal classes the first is the answer.
    assert loss("error", logits, y) == pytest.approx(1 / 3)
    assert loss("error", logits, np.array([1, 1, 1])) == pytest.approx(2 / 3)
    weights = np.array([2.0, 0.0, 1.0])
    assert loss("nll", logits, y, weights) == pytest.approx(-(2 * np.log(3 / 4) + np.log(1 / 5)) / 3)
    shares = np.array([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]])
    by_row = [0.5 * np.log(3 / 16), np.log(1 / 2), 0.25 * np.log(4 / 5) + 0.75 * np.log(1 / 5)]
    assert loss("nll", logits, shares) == pytest.approx(-sum(by_row) / 3)
    assert loss("nll", logits, shares, weights) == pytest.approx(-(2 * by_row[0] + by_row[2]) / 3)


def test_the_gradient_of_nll_is_the_probability_less_the_share_of_each_class():
    weights, shares = RNG.uniform(0, 2, 7), RNG.dirichlet(np.ones(4), 7)
    p = np.exp(LOG_P)
    for y, target in ((Y, np.eye(4)[Y]), (shares, shares)):
        for given, factor in (((), np.ones(7)), ((weights,), weights)):
            logits = torch.from_numpy(LOGITS).requires_grad_()
            build("loss", "nll").mean()(logits, *(torch.from_numpy(one) for one in (y, *given))).backward()
            np.testing.assert_allclose(logits.grad, factor[:, None] * (p - target) / 7, rtol=1e-10, atol=1e-12)


def test_losses_have_the_dtype_of_float32_logits():
    logits = torch.from_numpy(LOGITS.astype(np.float32))
    for name in ("nll", "cross_entropy", "error"):
        for found, shape in (
            (build("loss", name).build()(logits, torch.from_numpy(Y)), (7,)),
            (build("loss", name).mean()(logits, torch.from_numpy(Y)), ()),
        ):
            assert found.dtype == torch.float32 and found.shape == shape
