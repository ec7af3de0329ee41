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
    return float(build("loss", name).build()(*(torch.from_numpy(np.asarray(one)) for one in given)))


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


def test_only_what_has_a_gradient_says_so():
    for name, has in (("nll", True), ("error", False)):
        logits = torch.from_numpy(LOGITS).requires_grad_()
        found = build("loss", name).build()(logits, torch.from_numpy(Y))
        assert build("loss", name).differentiable == found.requires_grad == has
