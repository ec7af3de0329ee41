"""Configs on real tables, as CSV files, do at least what a simple classifier of scikit-learn does on the same rows."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from arignote import ArignoteWarning
from arignote.cli import app

pd = pytest.importorskip("pandas", reason="tables are read with pandas")

pytestmark = pytest.mark.slow

CONFIG = """
rng: {seed}
data:
  train: {{features: train.csv, labels: "train.csv:kind"}}
layers:
  - [FCLayer, {{n_units: {n_units}, activation: relu, l2: {l2}}}]
  - [DropoutLayer, {{dropout_p: {dropout_p}}}]
  - [ClassificationOutputLayer, {{l2: {l2}}}]
fit:
  n_epochs: {n_epochs}
  batch_size: 32
  n_threads: 1
  sgd_type: adam
  lr_rule: 0.01
  preprocess: [[Standardise]]
  checkpoint: run
"""
# How the file is written, and what the config says.
TABLES = {
    "breast_cancer": ({"sep": ",", "decimal": "."}, 16, 10, 0.003, 0.25),
    "wine": ({"sep": ";", "decimal": ","}, 32, 20, 0.01, 0.5),
    # Regression is not done here: which half of the patients have the larger progression.
    "diabetes": ({"sep": "\t", "decimal": "."}, 16, 10, 0.003, 0.25),
}
PEERS = {"neighbours": KNeighborsClassifier(), "logistic": LogisticRegression(max_iter=1000)}
# Of the accuracy, about two rows of 400: another machine rounds otherwise.
ROUNDING = 0.005


def table_of(name):
    """Return a table of scikit-learn, the column `kind` last."""
    found = getattr(datasets, f"load_{name}")(as_frame=True)
    kind = (found.target > found.target.median()).astype(int) if name == "diabetes" else found.target
    return found.data.assign(kind=kind)


def arignote(*words):
    """Return what a command prints."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "train.csv: column is left out", ArignoteWarning)
        ended = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.output


@pytest.mark.parametrize("name", TABLES)
def test_a_config_reaches_what_scikit_learn_does_on_the_same_split(name, tmp_path, monkeypatch):
    written, n_units, n_epochs, l2, dropout_p = TABLES[name]
    monkeypatch.chdir(tmp_path)
    table, ours, theirs = table_of(name), [], {peer: [] for peer in PEERS}
    for seed in range(5):
        train, test = train_test_split(table, test_size=0.3, random_state=seed, stratify=table["kind"])
        train.to_csv("train.csv", index=False, **written)
        # As another tool writes it: the columns in another order.
        test[test.columns[::-1]].to_csv("test.csv", index=False, **written)
        text = CONFIG.format(seed=seed, n_units=n_units, n_epochs=n_epochs, l2=l2, dropout_p=dropout_p)
        (tmp_path / "c.yaml").write_text(text)
        arignote("fit", "c.yaml", "--quiet", "--fresh")
        arignote("predict", "run", "--features", "test.csv", "--out", "predicted.csv")
        ours.append((pd.read_csv("predicted.csv")["predicted"].to_numpy() == test["kind"].to_numpy()).mean())
        message = arignote("evaluate", "run", "--features", "test.csv", "--labels", "test.csv:kind")
        error = float(re.search(r"^error\s+([\d.]+)", message, re.M)[1])
        assert error == pytest.approx(1 - ours[-1], abs=1e-5)
        for peer, classifier in PEERS.items():
            scaled = make_pipeline(StandardScaler(), classifier).fit(train.drop(columns="kind"), train["kind"])
            theirs[peer].append(scaled.score(test.drop(columns="kind"), test["kind"]))
    assert np.mean(ours) >= np.mean(theirs["neighbours"])
    assert np.mean(ours) >= np.mean(theirs["logistic"]) - ROUNDING
