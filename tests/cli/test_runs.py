"""Commands on a run and a config: JSON alone on standard output, text for people, standard output as a file."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from command_line import arignote

CONFIG = """\
name: tiny
rng: 1
data: {train: {features: "data.npz:x", labels: "data.npz:y"}, valid: 0.25, test: 0.2}
layers: [[FCLayer, {n_units: 3}], [ClassificationOutputLayer]]
fit: {n_epochs: 3, batch_size: 20, checkpoint: run, n_threads: 1}
"""
EVALUATE = ("evaluate", "run", "--config", "c.yaml", "--part", "test", "--losses", "nll,error", "--by-class")


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


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (EVALUATE, {"scores", "classes", "confusion"}),
        (("summary", "c.yaml"), {"layers", "n_params", "batch_size", "fixed", "notes"}),
        (("check", "c.yaml", "--data"), {"n_layers", "n_settings", "data"}),
        (("inspect", "run"), {"position", "best", "weights_sha256"}),
        (("verify", "run"), {"files", "used"}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_json_stands_alone_on_standard_output_and_an_error_on_the_other(words, keys):
    ended = arignote(*words, "--json")
    found = json.loads(ended.out)
    assert (ended.code, ended.err) == (0, "") and keys <= found.keys()
    failed = arignote(words[0], "none", *words[2:], "--json")
    assert failed.code in (2, 4) and failed.out == "" and failed.err.startswith("error: ")


def test_the_numbers_of_json_are_those_of_the_text():
    text, content = arignote(*EVALUATE).out, json.loads(arignote(*EVALUATE, "--json").out)
    assert text.splitlines()[:2] == [f"{name} {value:.6g}" for name, value in content["scores"].items()]
    assert content["classes"] == ["no", "yes"]
    wrong = content["confusion"][0][1] + content["confusion"][1][0]
    assert wrong / np.sum(content["confusion"]) == pytest.approx(content["scores"]["error"])
    # 4 weights, a bias and the slope of prelu for each of 3 units; 3 weights and a bias for each of 2.
    layers = json.loads(arignote("summary", "c.yaml", "--json").out)
    assert [one["n_params"] for one in layers["layers"]] == [0, 18, 8] and layers["n_params"] == 26


def test_inspect_shows_people_the_best_and_the_environment():
    lines = arignote("inspect", "run").out.splitlines()
    content = json.loads(arignote("inspect", "run", "--json").out)
    row = content["history"][content["best"]["n_rows"] - 1]
    best = f"{100 * row['valid_error']:.2f} % error at epoch {row['epoch']} (nll {row['valid_nll']:.5g})"
    assert f"            best: {best}" in lines and "        n_params: 26" in lines
    assert f"                  python {sys.version.split()[0]}" in lines
    assert not any(sign in line for line in lines for sign in "{}[]'")


def test_verify_prints_its_json_before_it_fails(tmp_path):
    (tmp_path / "bad_last.ckpt").write_bytes(b"nothing")
    ended = arignote("verify", tmp_path / "bad", "--json")
    assert ended.code == 4 and json.loads(ended.out)["used"] is None
    assert [one["good"] for one in json.loads(ended.out)["files"]] == [False]
