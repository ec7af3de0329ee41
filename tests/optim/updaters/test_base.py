"""Base classes of updaters: what an updater has that declares nothing, and a step of one vector."""

from __future__ import annotations

import pytest
import torch

from arignote.optim.updaters import DecoupledUpdater, FusedUpdater, Updater


def test_an_updater_without_settings_has_no_memory_and_no_momentum():
    class Signs(Updater):
        def step(self, w, g, slots, lr, momentum, n):
            w.sub_(g.sign(), alpha=lr)

    assert (Signs().slots, Signs().default_lr, Signs().default_momentum) == ((), 0.01, 0.0)


@pytest.mark.parametrize("base", [FusedUpdater, DecoupledUpdater])
def test_a_step_of_one_vector_adds_no_decay(base):
    class Record(base):
        slots = ("a", "b")

        def step_slices(self, w, g, slots, lr, momentum, n, decay):
            seen.append((w, g, slots, lr, momentum, n, decay))

    seen = []
    w, g, a, b = (torch.full((2,), float(n)) for n in range(4))
    updater = Record() if base is FusedUpdater else Record(weight_decay=0.5)
    updater.step(w, g, {"a": a, "b": b}, 0.5, 0.25, 7)
    ((found_w, found_g, found_slots, *rest),) = seen
    assert found_w[0] is w and found_g[0] is g and found_slots["a"][0] is a and found_slots["b"][0] is b
    assert [len(found_w), len(found_g), len(found_slots["a"])] == [1, 1, 1] and rest == [0.5, 0.25, 7, 0.0]
