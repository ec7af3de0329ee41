"""What is planned of a fit before a network is built."""

from __future__ import annotations

import numpy as np
import pytest
from promise import Stopped, digest, killed_after

from arignote import CheckpointError, ConfigError, NNClassifier

X = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def fit(**settings):
    layers = [["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]]
    return NNClassifier(layers, rng=1, n_epochs=2, batch_size=12).fit(X, Y, **settings)


def test_shards_are_those_of_the_run_that_is_resumed_else_one(tmp_path):
    stem = str(tmp_path / "run")
    assert fit().state_.spec["fit"]["shards"] == 1
    whole = fit(shards=3)
    with pytest.raises(Stopped):
        fit(shards=3, checkpoint=stem, checkpoint_every=1, observers=killed_after(3))
    resumed = fit(checkpoint=stem)
    assert resumed.state_.spec["fit"]["shards"] == 3 and digest(resumed) == digest(whole)
    assert digest(resumed) != digest(fit())
    with pytest.raises(CheckpointError, match=r"fit\.shards: 3 then, 2 now"):
        fit(shards=2, checkpoint=stem)


def test_a_batch_has_as_many_rows_as_shards_at_least():
    with pytest.raises(ConfigError, match=r"fit\.shards must be at most the rows of a batch, 12; got 13\. Lower"):
        fit(shards=13)
    assert fit(shards=12).state_.progress.n_updates == 10


def test_batches_in_shards_train_as_whole_batches_do():
    found = [fit(shards=n, accumulate=2, drop_last=True).state_.network["fc1.W"] for n in (1, 4)]
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-7)


def test_as_many_shards_as_processes_are_recorded_as_what_may_change_bits(tmp_path):
    stem = str(tmp_path / "run")
    alone = fit(shards="ranks", checkpoint=stem)
    assert alone.state_.spec["fit"]["shards"] == "ranks" and alone.state_.environment["shards"] == 1
    assert "shards" not in fit(shards=2).state_.environment
    # One process has one shard: the bits are those without shards.
    assert np.array_equal(alone.state_.network["fc1.W"], fit().state_.network["fc1.W"])
    assert fit(checkpoint=stem).status_.startswith("finished")
    with pytest.raises(ConfigError, match=r"fit\.shards must be an integer or 'ranks'; got 'rank'"):
        fit(shards="rank")
