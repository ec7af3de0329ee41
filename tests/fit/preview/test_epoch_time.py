"""The time of an epoch, from a few steps of a config."""

from __future__ import annotations

import numpy as np
import pytest
from command_line import arignote

from arignote.fit.preview.epoch_time import EpochTime, measure_epoch
from arignote.report.tables import epoch_line
from arignote.spec.config import read_config

CONFIG = """
rng: 1
data: {train: {features: x.npy, labels: y.npy}, valid: 0.2}
layers: [[FCLayer, {n_units: 3}], [DropoutLayer, {dropout_p: 0.5}], [ClassificationOutputLayer]]
fit: {batch_size: 16, n_threads: 1, checkpoint: run, augmentation: [[Noise, {sigma: 0.1}]]}
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32))
    np.save("y.npy", np.arange(100) % 2)
    (tmp_path / "c.yaml").write_text(CONFIG)
    return tmp_path


RULES = "fit.rules={output.maxnorm: [linear, {initial_value: 3.0, final_value: 1.0, n_epochs: 2}]}"


@pytest.mark.parametrize(
    ("overrides", "n_steps"), [([], 5), (["fit.drop_last=true"], 5), (["fit.accumulate=2"], 3), ([RULES], 5)]
)
def test_an_epoch_has_the_steps_of_its_training_rows(place, overrides, n_steps):
    found = measure_epoch(read_config(place / "c.yaml", overrides), seconds=0)
    # Three are timed in any case, though 80 rows have only five after six that warm up.
    assert (found.n_steps, found.n_timed) == (n_steps, 3) and found.step_seconds > 0


def test_nothing_is_written_and_generators_of_the_caller_stay(place):
    before = sorted(place.iterdir())
    np.random.seed(5)
    expected = np.random.RandomState(5).rand()
    measure_epoch(read_config(place / "c.yaml"), seconds=0)
    assert sorted(place.iterdir()) == before and np.random.rand() == expected


def test_an_epoch_takes_as_long_as_its_steps_together():
    assert EpochTime(step_seconds=0.25, n_steps=8, n_timed=3).seconds == 2
    expected = "an epoch takes about 2 s without its validation: 8 steps of 250 ms (3 timed)"
    assert epoch_line(2.0, 0.25, 8, 3) == expected


@pytest.mark.slow
def test_the_command_times_only_if_asked(place):
    assert "an epoch takes" not in arignote("summary", "c.yaml").out
    timed = arignote("summary", "c.yaml", "--time").out
    assert timed.splitlines()[-1].startswith("an epoch takes about ") and "5 steps of" in timed
    (place / "n.yaml").write_text("layers: [[InputLayer, {n_in: 4}], [ClassificationOutputLayer, {n_classes: 2}]]")
    assert arignote("summary", "n.yaml").code == 0
    ended = arignote("summary", "n.yaml", "--time")
    assert ended.code == 2 and "data.train must be given" in ended.err
