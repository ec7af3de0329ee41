"""Adamax, nadam and radam where their formulas change: no gradient, momenta of many updates, the first division."""

from __future__ import annotations

from math import prod, sqrt

import pytest
import torch

from arignote.optim.updaters import Adamax, NAdam, RAdam


def stepped(updater, gradients, lr=1.0, first=1):
    """Return a weight that was 0, after updates by gradients in turn."""
    w, slots = (
        torch.zeros(1, dtype=torch.float64),
        {name: torch.zeros(1, dtype=torch.float64) for name in updater.slots},
    )
    for n, g in enumerate(gradients, first):
        updater.step(w, torch.tensor([g], dtype=torch.float64), slots, lr, 0.0, n)
    return w.item(), {name: slot.item() for name, slot in slots.items()}


def test_adamax_divides_by_the_largest_gradient_as_it_fades():
    updater = Adamax(beta1=0.0, beta2=0.5, epsilon=1e-9)
    # 4 / 4, then 1 / max(2, 1), then 1 / max(1, 1 + 1e-9).
    assert stepped(updater, [4.0, 1.0, 1.0])[0] == pytest.approx(-(1 + 0.5 + 1), abs=1e-8)


def test_adamax_leaves_a_weight_without_gradient_where_it_is():
    assert stepped(Adamax(), [0.0, 0.0]) == (0.0, {"mean": 0.0, "largest": pytest.approx(1e-8)})


@pytest.mark.parametrize(("beta1", "n"), [(0.9, 1), (0.9, 100), (0.9, 371), (0.9, 400), (0.99, 3000), (0.0, 3)])
def test_the_momenta_of_nadam_follow_from_the_number_of_the_update(beta1, n):
    updater = NAdam(beta1=beta1, beta2=0.0, epsilon=0.0)
    mu = [beta1 * (1 - 0.5 * 0.96 ** (k * 0.004)) for k in range(1, n + 2)]
    # With g = 2 and means at 0: m = 2 * (1 - beta1), and the root is 2.
    expected = (1 - mu[-2]) / (1 - prod(mu[:-1])) + mu[-1] / (1 - prod(mu)) * (1 - beta1)
    assert stepped(updater, [2.0], first=n)[0] == pytest.approx(-expected, rel=1e-12)


def test_a_momentum_decay_of_zero_gives_half_of_beta1():
    updater = NAdam(beta1=0.5, beta2=0.0, epsilon=0.0, momentum_decay=0.0)
    # mu = 0.25: 0.75 / 0.75 + 0.25 / (1 - 0.0625) * 0.5
    assert stepped(updater, [1.0])[0] == pytest.approx(-(1 + 0.125 / 0.9375))


def test_the_root_of_radam_divides_from_the_first_update_whose_length_is_above_5():
    # k = 19: r_n = 19 - 2 * n * 0.9^n / (1 - 0.9^n) = 1, 1.95, 2.86, 3.74, 4.59 and 5.40 for n = 1 to 6.
    updater = RAdam(beta1=0.0, beta2=0.9, epsilon=0.0)
    for n in range(1, 6):
        assert stepped(updater, [3.0], first=n)[0] == pytest.approx(-3.0)
    r = 19 - 12 * 0.9**6 / (1 - 0.9**6)
    factor = sqrt((r - 4) * (r - 2) * 19 / (15 * 17 * r))
    # s = 0.1 * 9, of which the root is corrected by that of 1 - 0.9^6.
    expected = 3 * factor * sqrt(1 - 0.9**6) / sqrt(0.9)
    assert stepped(updater, [3.0], first=6)[0] == pytest.approx(-expected)


@pytest.mark.parametrize("beta2", [0.0, 0.5, 2 / 3])
def test_radam_never_divides_where_squares_are_averaged_over_few_updates(beta2):
    # 2 / (1 - beta2) - 1 is at most 5.
    for n in (1, 10, 10_000):
        assert stepped(RAdam(beta1=0.0, beta2=beta2), [3.0], first=n)[0] == pytest.approx(-3.0)
