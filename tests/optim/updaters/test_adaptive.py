"""Steps divided by averages or sums of squared gradients."""

from __future__ import annotations

from math import sqrt

import pytest
import torch

import arignote.optim  # noqa: F401
from arignote.registry import build


def test_adadelta_divides_the_root_of_past_steps_by_that_of_past_gradients():
    # s = 0.5 * 0.5 + 0.5 * 4 = 2.25; d = 2 * sqrt(0.25 + 0.75) / sqrt(2.25 + 0.75); u = 0.5 * 0.25 + 0.5 * d^2
    updater = build("updater", ["adadelta", {"epsilon": 0.75}])
    w, slots = torch.zeros(1), {"square": torch.tensor([0.5]), "square_step": torch.tensor([0.25])}
    updater.step(w, torch.tensor([2.0]), slots, 1.0, 0.5, 1)
    assert slots["square"].item() == 2.25
    assert w.item() == pytest.approx(-2 / sqrt(3)) and slots["square_step"].item() == pytest.approx(0.125 + 2 / 3)


def test_an_average_of_squares_forgets_and_a_sum_does_not():
    square, total = torch.zeros(1), torch.zeros(1)
    for n, g in enumerate([2.0, 0.0, 0.0], 1):
        build("updater", "rmsprop").step(torch.zeros(1), torch.tensor([g]), {"square": square}, 0.1, 0.5, n)
        build("updater", "adagrad").step(torch.zeros(1), torch.tensor([g]), {"square": total}, 0.1, 0.0, n)
    # 0.5 * 4, halved twice; 4 stays.
    assert square.item() == pytest.approx(0.5) and total.item() == 4.0
