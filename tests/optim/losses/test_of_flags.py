"""Losses of flags, held by torch, scikit-learn and formulas written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import hamming_loss, log_loss
from torch.nn import functional

from arignote.registry import build

RNG = np.random.default_rng(2)
LOGITS = RNG.normal(size=(9, 3)) * 2
Y = RNG.integers(0, 2, (9, 3)).astype(float)
WEIGHTS = RNG.uniform(0, 2, 9)
P = 1 / (1 + np.exp(-LOGITS))


def of_rows(name, outputs=LOGITS, y=Y):
    return build("loss", name).build()(torch.as_tensor(outputs), torch.as_tensor(y)).numpy()


@pytest.mark.parametrize("y", [Y, RNG.uniform(size=(9, 3))], ids=["flags", "between"])
def test_binary_cross_entropy_is_that_of_torch_and_of_its_formula(y):
    by_row = -(y * np.log(P) + (1 - y) * np.log(1 - P)).mean(axis=1)
    np.testing.assert_allclose(of_rows("binary_cross_entropy", y=y), by_row)
    mean = build("loss", "bce").mean()
    leaf, targets = torch.tensor(LOGITS, requires_grad=True), torch.tensor(y)
    expected = functional.binary_cross_entropy_with_logits(leaf, targets)
    assert mean(leaf, targets).item() == pytest.approx(expected.item()) == pytest.approx(by_row.mean())
    found = mean(leaf, targets, torch.tensor(WEIGHTS))
    assert found.item() == pytest.approx((WEIGHTS * by_row).mean())
    found.backward()
    np.testing.assert_allclose(leaf.grad, WEIGHTS[:, None] * (P - y) / 27)


def test_binary_cross_entropy_is_the_log_loss_of_all_flags():
    assert of_rows("binary_cross_entropy").mean() == pytest.approx(log_loss(Y.ravel(), P.ravel()))


def test_binary_cross_entropy_of_large_logits_is_exact():
    found = of_rows("binary_cross_entropy", np.array([[1000.0], [1000.0]]), np.array([[0.0], [1.0]]))
    assert found.tolist() == [1000.0, 0.0]


def test_flag_error_is_the_hamming_loss_of_scikit_learn():
    assert of_rows("flag_error").mean() == pytest.approx(hamming_loss(Y.astype(int), (P > 0.5).astype(int)))
    assert of_rows("flag_error") == pytest.approx(((P > 0.5) != Y).mean(axis=1))


def test_a_flag_of_probability_one_half_is_not_set():
    outputs = np.array([[0.0, 0.0, 0.1, -0.1]], dtype=np.float32)
    found = of_rows("flag_error", outputs, np.array([[0.0, 1.0, 1.0, 1.0]], dtype=np.float32))
    assert found.dtype == np.float32 and found.tolist() == [0.5]
    # A share of a flag, as of mixed rows, counts as set above one half.
    assert of_rows("flag_error", outputs, np.array([[0.4, 0.5, 0.6, 0.4]])).tolist() == [0.0]
