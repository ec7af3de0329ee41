"""Adam and its variants with the same kernel, where they differ."""

from __future__ import annotations

import pytest
import torch

from arignote.optim.updaters import Adam, AdamW, AMSGrad


def test_a_largest_square_stays_when_squares_fade():
    updater, w = AMSGrad(beta1=0.0, beta2=0.5, epsilon=0.0), torch.zeros(1)
    slots = {name: torch.zeros(1) for name in updater.slots}
    updater.step(w, torch.tensor([4.0]), slots, 1.0, 0.0, 1)
    # s = 8, corrected by 1 - 0.5: the root is 4.
    assert w.item() == pytest.approx(-1.0)
    updater.step(w, torch.tensor([1.0]), slots, 1.0, 0.0, 2)
    # s = 4.5, its largest 8, corrected by 1 - 0.25.
    assert (slots["square"].item(), slots["max_square"].item()) == (4.5, 8.0)
    assert w.item() == pytest.approx(-1 - 1 / (8 / 0.75) ** 0.5)


def test_a_decoupled_decay_takes_its_share_of_each_slice_and_is_in_no_mean():
    updater, w = AdamW(epsilon=0.0), [torch.tensor([2.0, -4.0]), torch.tensor([8.0])]
    slots = {name: [torch.zeros(2), torch.zeros(1)] for name in updater.slots}
    updater.step_slices(w, [torch.tensor([1.0, 1.0]), torch.tensor([-3.0])], slots, 0.5, 0.0, 1, 0.25)
    # w - 0.5 * 0.25 * w - 0.5 * sign(g)
    assert torch.cat(w).tolist() == pytest.approx([1.25, -4.0, 7.5])
    assert torch.cat(slots["mean"]).tolist() == pytest.approx([0.1, 0.1, -0.3])


def test_a_beta1_that_does_not_decay_leaves_adam_bit_for_bit_as_it_was():
    from arignote.engine.private import fused_adam_

    for n in (1, 7, 1000):
        w, g, m, s = ([torch.linspace(0.5, 1.5, 40) * k] for k in (1, -2, 0.1, 0.01))
        others = [[vector.clone() for vector in one] for one in (w, g, m, s)]
        Adam().step_slices(w, g, {"mean": m, "square": s}, 0.001, 0.0, n, 0.3)
        fused_adam_(*others, n, lr=0.001, betas=(0.9, 0.999), decay=0.3, epsilon=1e-8)
        assert all(torch.equal(a[0], b[0]) for a, b in zip((w, m, s), (others[0], *others[2:]), strict=True))
