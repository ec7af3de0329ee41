"""The scale of the loss: halved where a gradient is not finite, doubled after 2,000 that are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import NNClassifier
from arignote.engine.scale import LossScale


def test_gradients_are_divided_by_the_scale_which_moves_as_that_of_torch():
    ours, theirs = LossScale(torch.device("cpu")), torch.amp.GradScaler("cpu", init_scale=65536.0)
    weight = torch.nn.Parameter(torch.zeros(3))
    optimiser = torch.optim.SGD([weight], lr=1.0)
    for n in range(2100):
        gradient = torch.full((3,), np.inf if n in (2, 50) else 1.0)
        weight.grad = gradient * theirs.scale(torch.ones(()))
        mine = gradient * ours.scale
        assert ours.unscale(mine) == (n not in (2, 50))
        theirs.step(optimiser)
        theirs.update()
        assert float(ours.scale) == theirs.get_scale()
    assert torch.equal(mine, torch.ones(3)) and float(ours.scale) == 32768.0


def test_an_update_with_infinite_gradients_is_left_out(digits):
    fitted = NNClassifier([["ClassificationOutputLayer"]], rng=1, n_epochs=1, precision="fp16", batch_size=300)
    x = digits[0] * np.float32(1000)
    fitted.fit(x, digits[1])
    start = NNClassifier([["ClassificationOutputLayer"]], rng=1, n_epochs=0).fit(x, digits[1])
    assert float(fitted.state_.slots["scaler/scale"]) == 32768.0
    for name, array in start.params.items():
        assert np.array_equal(array, fitted.params[name])


def test_a_scale_starts_at_65536_and_its_slots_are_live():
    scale = LossScale(torch.device("cpu"))
    assert {name: (float(slot), slot.dtype, slot.shape) for name, slot in scale.slots.items()} == {
        "scaler/scale": (65536.0, torch.float32, ()),
        "scaler/n_good": (0.0, torch.int32, ()),
    }
    scale.slots["scaler/scale"].fill_(4.0)
    scale.slots["scaler/n_good"].fill_(1999)
    gradients = torch.tensor([8.0, -2.0])
    # The 2,000th update that is finite: divided by 4, and the scale is doubled.
    assert scale.unscale(gradients) is True and gradients.tolist() == [2.0, -0.5]
    assert float(scale.scale) == 8.0 and int(scale.slots["scaler/n_good"]) == 0


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_gradient_that_is_not_finite_halves_the_scale_and_the_next_one_is_checked_again(bad):
    scale = LossScale(torch.device("cpu"))
    scale.slots["scaler/n_good"].fill_(1500)
    assert scale.unscale(torch.tensor([1.0, bad])) is False
    assert float(scale.scale) == 32768.0 and int(scale.slots["scaler/n_good"]) == 0
    assert scale.unscale(torch.tensor([1.0, 2.0])) is True
    assert float(scale.scale) == 32768.0 and int(scale.slots["scaler/n_good"]) == 1
