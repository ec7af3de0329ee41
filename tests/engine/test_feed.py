"""Batches that are gathered where the network lives are those that are copied there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from promise import digest

from arignote import NNClassifier, running
from arignote.data.batches import Batches
from arignote.data.rows import rows_of
from arignote.engine.feed import Resident, may_stay, moved

CPU = torch.device("cpu")


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_rows_that_stay_give_the_batches_that_are_copied(digits, layers, monkeypatch, shuffle, weighted):
    x, y = digits

    def fit():
        weights = np.linspace(0.1, 2, len(y)) if weighted else None
        classifier = NNClassifier(layers, rng=3, n_epochs=2, batch_size=64, shuffle=shuffle, valid=0.2)
        return classifier.fit(x, y, sample_weight=weights)

    copied = fit()
    made = []
    monkeypatch.setattr(running, "may_stay", lambda n_bytes, device: True)
    monkeypatch.setattr(running, "Resident", lambda *given: made.append(Resident(*given)) or made[-1])
    assert digest(fit()) == digest(copied) and len(made) == 1


def test_batches_of_rows_alone_read_no_features():
    x, y = np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10)
    rows = rows_of(x, y)
    resident = Resident(rows.features(slice(0, 10)), y, None, CPU)
    whole = Batches(rows, y, seed=1, batch_size=4)
    alone = Batches(rows, y, seed=1, batch_size=4, only_rows=True)
    for copied, named in zip(whole.epoch(0), alone.epoch(0), strict=True):
        assert named.x.size == 0
        for mine, theirs in zip(resident(named, 5), moved(copied, 5, CPU), strict=True):
            assert mine == theirs if not isinstance(mine, torch.Tensor) else torch.equal(mine, theirs)


def test_nothing_stays_on_a_cpu_where_it_is_already():
    assert not may_stay(1, CPU)
