"""Augmented batches, for tests: of chosen random numbers and of drawn ones, and what these must be like."""

from __future__ import annotations

import numpy as np
from scipy import stats

from arignote.registry import build


class Chosen:
    """Stands for a Generator: gives the chosen numbers, whatever is asked."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def integers(self, *args, size):
        return np.broadcast_to(self.answers.pop(0), size)

    def uniform(self, low, high, size):
        return np.broadcast_to(self.answers.pop(0), size)

    def random(self, size):
        return np.broadcast_to(self.answers.pop(0), size)


def augmented(spec, x, rng=0):
    rng = np.random.default_rng(rng) if isinstance(rng, int) else rng
    found, labels = build("augmentation", spec)(x, np.arange(len(x)), epoch=0, rng=rng)
    assert (labels == np.arange(len(x))).all()
    return found


def drawn(spec, x, seed=0):
    """Return the result of one batch, drawn from a true generator."""
    return augmented(spec, np.asarray(x, dtype=np.float32), seed)


def assert_uniform(values, low, high):
    """Check values against the uniform distribution by the test of Kolmogorov and Smirnov."""
    assert low - 1e-5 <= values.min() and values.max() <= high + 1e-5
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-4


def assert_equally_often(values, expected):
    """Check that whole numbers are those expected, each as likely, by the chi-square test."""
    found, counts = np.unique(values, return_counts=True)
    assert found.tolist() == list(expected)
    assert len(counts) == 1 or stats.chisquare(counts).pvalue > 1e-4


def assert_independent(first, second):
    """Check that two numbers drawn for each row have nothing to do with each other."""
    assert abs(stats.spearmanr(first, second)[0]) < 5 / len(first) ** 0.5
