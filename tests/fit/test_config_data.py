"""Configs and commands for networks of several outputs: a source of labels for each, scores and predictions of all."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest
from command_line import arignote

from arignote import ConfigError, NNClassifier
from arignote.spec.config import read_config

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)).astype(np.float32)
KIND = np.where(X[:, 0] > 0, "cat", "dog")
SIZE = np.round(X[:, 1].astype(np.float64) * 4, 3)
LAYERS = """
layers:
  - [FCLayer, {name: body, n_units: 4, activation: tanh}]
  - [ClassificationOutputLayer, {name: kind}]
  - [RegressionOutputLayer, {name: size, input: body}]
fit: {n_epochs: 2, batch_size: 16, n_threads: 1, checkpoint: run}
"""
TABLE = 'data: {train: {features: t.csv, labels: {kind: "t.csv:kind", size: "t.csv:size"}}, valid: 0.2, test: 0.2}\n'


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with the same rows in a table and in an HDF5 file."""
    monkeypatch.chdir(tmp_path)
    with open("t.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "kind", "c", "size"])
        writer.writerows([a, b, kind, c, size] for (a, b, c), kind, size in zip(X, KIND, SIZE, strict=True))
    with h5py.File("t.h5", "w") as file:
        file["x"], file["size"] = X, SIZE
    return tmp_path


def config(data, name="c.yaml"):
    Path(name).write_text(f"rng: 7\n{data}{LAYERS}")
    return name


def run(*words):
    ended = arignote(*words)
    assert ended.code == 0, ended.err
    return ended.out


def in_python(**settings):
    y = {"kind": KIND, "size": SIZE}
    layers = read_config(Path("c.yaml")).layers
    return NNClassifier(layers, rng=7).fit(
        X, y, valid=0.2, test=0.2, n_epochs=2, batch_size=16, n_threads=1, **settings
    )


def test_a_config_trains_the_network_that_python_does_and_columns_of_labels_are_no_features(place):
    ended = arignote("fit", config(TABLE), "--quiet")
    assert ended.code == 0 and ended.err.strip() == ""
    of_command, of_python = NNClassifier.load("run"), in_python()
    assert of_command.feature_names_in_.tolist() == ["a", "b", "c"]
    for name, array in of_python.params.items():
        np.testing.assert_allclose(of_command.params[name], array, rtol=1e-5, atol=1e-7)
    again = run("fit", config(TABLE), "--set", "fit.n_epochs=3")
    assert "resumes at epoch 3" in again and "test error" in again


def test_columns_that_are_left_out_of_the_features_are_reported_with_their_output(place):
    ended = arignote("fit", config(TABLE))
    assert "columns are left out of the features: 'kind' (labels 'kind'), 'size' (labels 'size')" in ended.err
    data = TABLE.replace("features: t.csv,", 'features: "t.csv:a,size",')
    ended = arignote("fit", config(data), "--fresh")
    assert ended.code == 3
    assert "the column 'size' is named among the features and as labels 'size'" in ended.err


def test_sources_of_python_are_no_features_either(place):
    layers = read_config(Path(config(TABLE))).layers
    with pytest.warns(UserWarning, match=r"'kind' \(labels 'kind'\), 'size' \(labels 'size'\)"):
        ours = NNClassifier(layers, rng=7).fit(
            "t.csv", {"kind": "t.csv:kind", "size": "t.csv:size"}, n_epochs=1, batch_size=16
        )
    assert ours.feature_names_in_.tolist() == ["a", "b", "c"]


def test_check_describes_the_labels_of_each_output_and_of_each_part(place):
    data = (
        'data:\n  train: {features: "t.h5:/x", labels: {kind: "t.csv:kind", size: "t.h5:/size"}}\n'
        '  valid: {features: "t.h5:/x", labels: {size: "t.csv:size", kind: "t.csv:kind"}}\n'
    )
    lines = run("check", config(data), "--data").splitlines()
    assert lines[1] == "train: t.h5:/x (80, 3) float32, labels 'kind' t.csv object, labels 'size' t.h5:/size float64"
    assert lines[2] == "valid: t.h5:/x (80, 3) float32, labels 'size' t.csv float64, labels 'kind' t.csv object"
    assert lines[3] == "first batch: 16 examples of (3,) float32 come to the network"
    run("fit", "c.yaml")
    assert NNClassifier.load("run").state_.data["split"] == {"valid": "data"}


def test_check_reports_what_is_wrong_with_each_source_of_labels(place):
    data = 'data: {train: {features: "t.h5:/x", labels: {kind: "t.csv:sort", size: "none.csv:size"}}}\n'
    ended = arignote("check", config(data), "--data")
    assert ended.code == 3
    assert "has no column 'sort'" in ended.err and "none.csv: there is no such file" in ended.err
    data = 'data: {train: {features: "t.h5:/x", labels: {kind: "t.csv:size", size: "t.csv:kind"}}}\n'
    ended = arignote("check", config(data), "--data")
    assert ended.code == 3 and "'kind' looks like a regression target" in ended.err


# The labels in a config, and what is said of them; those of train are named.
WRONG = {
    "": "data.train.labels must have a source for each output, {kind: ..., size: ...}; none is named",
    ', labels: "t.csv:kind"': "{kind: ..., size: ...}; got 't.csv:kind'",
    ", labels: {kind: k.csv}": "{kind: ..., size: ...}; 'size' is missing",
    ", labels: {kind: k.csv, size: s.csv, sise: s.csv}": "{kind: ..., size: ...}; there is no output 'sise'",
    ", labels: {kind: 3, size: s.csv}": "data.train.labels must be text; got 3",
    ", labels: [k.csv, s.csv]": "data.train.labels must be text or a mapping; got ['k.csv', 's.csv']",
}


@pytest.mark.parametrize("labels", WRONG)
def test_labels_that_are_not_those_of_the_outputs_are_reported_with_their_line(labels, place):
    path = config(f"data:\n  train: {{features: t.csv{labels}}}\n  valid: 0.2\n")
    for command in (["check"], ["fit"], ["summary"]):
        ended = arignote(*command, path)
        assert ended.code == 2 and ended.err.startswith("error: c.yaml:3:") and WRONG[labels] in ended.err


def test_labels_of_valid_and_test_are_checked_too_and_a_mapping_for_one_output_is_good(place):
    data = TABLE.replace("valid: 0.2", "valid: {features: t.csv, labels: {kind: t.csv:kind}}")
    with pytest.raises(ConfigError) as error:
        read_config(Path(config(data)))
    assert "data.valid.labels must have a source for each output, {kind: ..., size: ...}; 'size' is" in str(error.value)
    one = "layers: [[ClassificationOutputLayer, {name: kind}]]\nfit: {n_epochs: 1, checkpoint: null, batch_size: 16}\n"
    Path("one.yaml").write_text('data: {train: {features: "t.h5:/x", labels: {kind: "t.csv:kind"}}}\n' + one)
    run("fit", "one.yaml")
    Path("one.yaml").write_text('data: {train: {features: "t.h5:/x", labels: {sort: "t.csv:kind"}}}\n' + one)
    assert "{kind: ...}; 'kind' is missing" in arignote("check", "one.yaml").err


def test_evaluate_prints_the_losses_of_all_outputs_by_config_and_by_files(place):
    run("fit", config(TABLE), "--quiet")
    ours = in_python()
    expected = ours.evaluate(X, {"kind": KIND, "size": SIZE}, part="test")
    assert list(expected) == ["nll", "error", "size_squared", "size_mae", "size_r2"]
    lines = run("evaluate", "run", "--config", "c.yaml", "--part", "test").splitlines()
    found = {name: float(value) for name, value in (line.split() for line in lines)}
    assert found == pytest.approx(expected, rel=1e-4) and list(found) == list(expected)
    files = ["--labels", "size=t.csv:size", "--labels", "kind=t.csv:kind"]
    ended = arignote("evaluate", "run", "--features", "t.csv", *files)
    assert ended.code == 0 and "trained on 48 of these 80 rows" in ended.err
    with pytest.warns(UserWarning, match="trained on 48 of these 80 rows"):
        expected = ours.evaluate(X, {"kind": KIND, "size": SIZE})
    assert {n: float(v) for n, v in map(str.split, ended.out.splitlines())} == pytest.approx(expected, rel=1e-4)
    named = run("evaluate", "run", "--config", "c.yaml", "--part", "test", "--losses", "brier,accuracy", "--by-class")
    assert [line.split()[0] for line in named.splitlines()[:2]] == ["brier", "accuracy"] and "confusion matrix" in named


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["t.csv:kind"], "--labels kind=SOURCE --labels size=SOURCE; 'kind' is missing"),
        (["kind=t.csv:kind"], "'size' is missing"),
        (["kind=t.csv:kind", "size=t.csv:size", "sise=t.csv:size"], "there is no output 'sise'"),
        ([], "--features and --labels must be given together"),
    ],
)
def test_labels_of_a_command_must_name_each_output(labels, message, place):
    run("fit", config(TABLE), "--quiet")
    words = [word for one in labels for word in ("--labels", one)]
    ended = arignote("evaluate", "run", "--features", "t.csv", *words)
    assert ended.code == 2 and message in ended.err


def test_losses_of_a_command_are_of_the_main_output_or_of_the_one_that_they_name(place):
    run("fit", config(TABLE), "--quiet")
    words = ["--features", "t.csv", "--labels", "kind=t.csv:kind", "--labels", "size=t.csv:size"]
    lines = run("evaluate", "run", *words, "--losses", "size=rmse,mae", "--losses", "nll,accuracy").splitlines()
    assert [line.split()[0] for line in lines] == ["size_rmse", "size_mae", "nll", "accuracy"]
    y = {"kind": KIND, "size": SIZE}
    with pytest.warns(UserWarning, match="trained on 48 of these 80 rows"):
        expected = NNClassifier.load("run").evaluate(
            "t.csv:a,b,c", y, {"size": ["rmse", "mae"], "kind": ["nll", "accuracy"]}
        )
    assert [float(line.split()[1]) for line in lines] == pytest.approx(list(expected.values()), rel=1e-5)
    ended = arignote("evaluate", "run", *words, "--losses", "sise=rmse")
    assert ended.code == 2 and "there is no output layer 'sise'. Did you mean 'size'?" in ended.err


def test_one_output_takes_one_source_of_labels_as_before(place):
    NNClassifier([["ClassificationOutputLayer"]], rng=1).fit(X, KIND, n_epochs=1, batch_size=16, checkpoint="one")
    assert run("evaluate", "one", "--features", "t.h5:/x", "--labels", "t.csv:kind").startswith("nll")
    ended = arignote("evaluate", "one", "--features", "t.h5:/x", "--labels", "t.csv:kind", "--labels", "t.csv:size")
    assert ended.code == 2 and "--labels must be given once" in ended.err


def test_predict_writes_columns_with_the_names_of_the_outputs_in_front(place):
    run("fit", config(TABLE), "--quiet")
    assert "80 rows -> p.csv" in run("predict", "run", "--features", "t.csv", "--out", "p.csv")
    with open("p.csv", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["row", "kind_predicted", "kind_p_cat", "kind_p_dog", "size_predicted"]
    ours = NNClassifier.load("run")
    found, p = ours.predict("t.csv"), ours.predict_proba("t.csv")
    assert [row[1] for row in rows] == found["kind"].tolist()
    np.testing.assert_allclose([[float(value) for value in row[2:4]] for row in rows], p, rtol=1e-5)
    np.testing.assert_allclose([float(row[4]) for row in rows], found["size"], rtol=1e-5)


def test_predict_writes_a_group_of_each_output_and_refuses_one_array_of_both(place):
    run("fit", config(TABLE), "--quiet")
    assert "80 rows -> p.h5" in run("predict", "run", "--features", "t.csv", "--out", "p.h5")
    ours = NNClassifier.load("run")
    with h5py.File("p.h5") as file:
        assert file["kind/predicted"].asstr()[:].tolist() == ours.predict("t.csv")["kind"].tolist()
        np.testing.assert_array_equal(file["kind/probabilities"], ours.predict_proba("t.csv"))
        np.testing.assert_array_equal(file["size/predicted"], ours.predict("t.csv")["size"])
    ended = arignote("predict", "run", "--features", "t.csv", "--out", "p.npy")
    assert ended.code == 2 and ".npy holds one array; of several outputs, kind, size, write .csv" in ended.err


def test_summary_needs_the_labels_for_the_number_of_classes_only(place):
    lines = run("summary", config(TABLE)).splitlines()
    assert any(line.split()[:3] == ["kind", "ClassificationOutputLayer", "2"] for line in lines)


def test_the_ink_that_ships_is_the_sum_of_the_pixels(place):
    with h5py.File(ROOT / "arignote" / "sample_data" / "digits.h5") as file:
        images = file["images"][:]
    ink = np.loadtxt(ROOT / "arignote" / "sample_data" / "digits_ink.csv", skiprows=1)
    np.testing.assert_array_equal(ink, (16 * images).sum(axis=1))


@pytest.mark.slow
def test_the_config_that_ships_learns_both_outputs(place):
    run("fit", "digits_two_outputs", "--set", "fit.n_epochs=6", "--quiet")
    lines = run("evaluate", "runs/digits_two_outputs", "--config", "digits_two_outputs", "--part", "test")
    found = {name: float(value) for name, value in map(str.split, lines.splitlines())}
    assert found["error"] < 0.1 and found["ink_r2"] > 0.5
