"""A run that diverges is reported, with what is kept."""

from __future__ import annotations

import numpy as np
import pytest
from command_line import arignote

# Whole fits and commands: left out of make fast.
pytestmark = pytest.mark.slow
CONFIG = """
rng: 1
data:
  train: {features: "t.npz:x", labels: "t.npz:y"}
  valid: 0.2
layers: [[FCLayer, {n_units: 4, activation: relu}], [ClassificationOutputLayer]]
fit: {n_epochs: 3, batch_size: 20, sgd_type: sgd, lr_rule: 0.1, checkpoint: run}
"""
DIVERGING = ("--set", "fit.lr_rule=1e30")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A fresh folder with a table of 100 rows and a config."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3))
    np.savez(tmp_path / "t.npz", x=x.astype(np.float32), y=(x[:, 0] > 0).astype(np.int64))
    (tmp_path / "config.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_that_diverges_is_reported_and_exits_with_5(folder):
    ended = arignote("fit", "config.yaml", *DIVERGING)
    assert ended.code == 5
    assert "error: training diverged: the numbers stopped being finite at epoch 1, batch" in ended.err
    assert "Lower the learning rate" in ended.err and "run_last.ckpt" in ended.err


def test_a_row_of_a_run_that_diverges_shows_nan_and_has_no_star(folder):
    # A rate at which the loss overflows only in the validation after the last batch of the epoch.
    ended = arignote("fit", "config.yaml", *DIVERGING, "--set", "fit.batch_size=80")
    assert ended.code == 5
    rows = [line for line in ended.out.splitlines() if "nan" in line or "inf" in line]
    assert rows and not any("*" in row for row in rows)


def test_fresh_that_diverges_keeps_the_earlier_run_and_reports_that_nothing_was_saved(folder):
    assert arignote("fit", "config.yaml").code == 0
    before = {path.name: path.read_bytes() for path in folder.glob("*.ckpt")}
    ended = arignote("fit", "config.yaml", "--fresh", *DIVERGING, "--set", "fit.sgd_type=adam")
    assert ended.code == 5, ended.err
    assert "training diverged" in ended.err and "Nothing of this run was saved" in ended.err
    assert "the files of the earlier run are kept" in ended.err
    assert {path.name: path.read_bytes() for path in folder.glob("*.ckpt")} == before
