"""Predictions of a run on standard output."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from command_line import arignote

CONFIG = """\
name: tiny
rng: 1
data: {train: {features: "data.npz:x", labels: "data.npz:y"}, valid: 0.25, test: 0.2}
layers: [[FCLayer, {n_units: 3}], [ClassificationOutputLayer]]
fit: {n_epochs: 3, batch_size: 20, checkpoint: run, n_threads: 1}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with data, a config and its run."""
    folder = tmp_path_factory.mktemp("folder")
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    np.savez(folder / "data.npz", x=x, y=np.where(x[:, 0] > 0, "yes", "no"))
    (folder / "c.yaml").write_text(CONFIG)
    assert arignote("fit", folder / "c.yaml", "--quiet") == (0, "", "")
    return folder


@pytest.fixture(autouse=True)
def within(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.mark.slow
def test_predictions_on_standard_output_are_a_table_alone(folder):
    words = ["predict", "run", "--features", "data.npz:x", "--out"]
    ended = subprocess.run(
        [sys.executable, "-m", "arignote", *words, "-"], capture_output=True, text=True, check=True, env=os.environ
    )
    arignote(*words, "p.csv")
    assert ended.stdout == (folder / "p.csv").read_text() and "60 rows" in ended.stderr
    assert not (folder / "-").exists() and len(pd.read_csv("p.csv")) == 60


def test_errors_of_data_to_score_name_its_file(folder):
    x = np.zeros((3, 4), np.float32)
    np.savez("new.npz", x=x, y=["yes", "maybe", "no"], narrow=x[:, :2])
    ended = arignote("evaluate", "run", "--features", "new.npz:x", "--labels", "new.npz:y")
    assert ended.code == 3
    assert ended.err == "error: label 'maybe' of new.npz:y row 1 is none of the classes ['no', 'yes']\n"
    ended = arignote("predict", "run", "--features", "new.npz:narrow", "--out", "p.csv")
    assert ended.code == 3 and ended.err.startswith(
        "error: new.npz:narrow has 2 features, but the network is expecting 4"
    )
