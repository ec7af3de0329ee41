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


# Steps of 3 rows: 4, 1 and 2 of them have a target.
COUNTS = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 1, 0, 1]], bool)


def of_rows(values):
    """Return the mean over the steps of each row that have a target, of values (3, 4)."""
    return np.array([values[row][COUNTS[row]].mean() for row in range(3)])


@pytest.mark.parametrize("name", ["nll", "error", ["top_k_error", {"k": 2}], "hinge", "brier"])
def test_the_loss_of_a_row_is_the_mean_over_its_steps_with_a_class(name):
    logits, y = RNG.normal(size=(3, 4, 3)), RNG.integers(0, 3, (3, 4))
    of_steps = build("loss", name).build()(torch.from_numpy(logits.reshape(12, 3)), torch.from_numpy(y.reshape(12)))
    expected = of_rows(of_steps.numpy().reshape(3, 4))
    encoded = np.where(COUNTS, y, -1)
    assert loss(name, logits, encoded) == pytest.approx(expected.mean())
    weights = np.array([0.5, 2.0, 1.0])
    assert loss(name, logits, encoded, weights) == pytest.approx((weights * expected).mean())


@pytest.mark.parametrize(("name", "cost"), [("squared", np.square), ("absolute", np.abs)])
def test_the_loss_of_a_row_is_the_mean_over_its_steps_with_numbers(name, cost):
    outputs, y = RNG.normal(size=(3, 4, 2)), RNG.normal(size=(3, 4, 2))
    expected = of_rows(cost(outputs - y).mean(axis=2))
    encoded = np.where(COUNTS[:, :, None], y, np.nan)
    assert loss(name, outputs, encoded) == pytest.approx(expected.mean())
    found = torch.from_numpy(outputs).requires_grad_()
    build("loss", name).mean()(found, torch.from_numpy(encoded)).backward()
    assert (found.grad.numpy()[~COUNTS] == 0).all() and (np.abs(found.grad.numpy()[COUNTS]).sum(axis=1) > 0).all()


def test_a_row_without_any_target_counts_nothing():
    logits = RNG.normal(size=(2, 3, 2))
    encoded = np.array([[-1, -1, -1], [0, 1, -1]])
    assert loss("nll", logits, encoded) == pytest.approx(loss("nll", logits[1:], encoded[1:]) / 2)
