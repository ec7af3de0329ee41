"""What `arignote check CONFIG --data` finds before anything is trained: every file of the config is opened."""

from __future__ import annotations

import numpy as np
import pytest
from command_line import arignote

# Whole fits and commands: left out of make fast.
pytestmark = pytest.mark.slow

pd = pytest.importorskip("pandas", reason="tables are read with pandas")

RNG = np.random.default_rng(8)
N = 40
TRAIN = "train: {features: 't.csv:a,b', labels: 't.csv:y'}"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A fresh folder with a table of 40 rows."""
    monkeypatch.chdir(tmp_path)
    table().to_csv("t.csv", index=False)
    return tmp_path


def table(n_rows=N):
    found = pd.DataFrame(RNG.normal(size=(n_rows, 2)).round(3), columns=["a", "b"])
    return found.assign(y=np.arange(n_rows) % 2, weight=np.linspace(0.5, 1.5, n_rows), patient=np.arange(n_rows) // 4)


def checked(data, fit="", layers="[[FCLayer, {n_units: 4}], [ClassificationOutputLayer]]"):
    """Check a config with this data; return how that ended."""
    with open("c.yaml", "w") as file:
        file.write(f"rng: 1\ndata: {{{data}}}\nlayers: {layers}\n")
        file.write(f"fit: {{n_epochs: 1, batch_size: 8, n_threads: 1, checkpoint: run{fit}}}\n")
    return arignote("check", "c.yaml", "--data")


def test_groups_and_weights_are_opened_and_reported():
    found = checked(f"{TRAIN}, valid: 0.2, groups: 't.csv:patient', sample_weight: 't.csv:weight'")
    assert found.code == 0, found
    assert "groups: t.csv (40,) int64" in found.out and "sample_weight: t.csv (40,) float64" in found.out


WRONG = {
    "groups: g.csv": "g.csv: there is no such file",
    "sample_weight: 't.csv:wait'": "has no column 'wait'",
    "groups: 'short.csv:patient'": "groups (short.csv) must have the shape (40,), one for each row of X; got (39,)",
    "sample_weight: 'short.csv:weight'": "sample_weight (short.csv) must have the shape (40,)",
    "sample_weight: 'text.csv:weight'": "sample_weight (text.csv) must be numbers; row 3 is 'heavy'",
    "sample_weight: 'gap.csv:weight'": "sample_weight (gap.csv) must be finite numbers >= 0; row 3 is nan",
    "sample_weight: 'minus.csv:weight'": "sample_weight (minus.csv) must be finite numbers >= 0; row 3 is -1",
    "groups: 'gap.csv:patient'": "(gap.csv) must be all numbers or all text, with none missing; row 3 is missing",
    "valid: {features: v.csv, labels: 'v.csv:y'}": "v.csv: there is no such file",
    "test: {features: 't.csv:a,b', labels: 'short.csv:y'}": "has 40 rows, short.csv 39; the numbers must be equal",
    "test: {features: other.csv, labels: 't.csv:y'}": "other.csv: lacks the column 'b'",
    "valid: {features: 't.csv:a,b', labels: 'three.csv:y'}": "label 2 of valid row 3 is none of the classes [0, 1]",
}


def wrong_files():
    """Write tables that differ from t.csv in one value of row 3, in length, or in their columns."""
    table(39).to_csv("short.csv", index=False)
    for name, column, value in (
        ("text", "weight", "heavy"),
        ("gap", "weight", None),
        ("minus", "weight", -1.0),
        ("three", "y", 2),
    ):
        changed = table().astype({column: object})
        changed.loc[3, column] = value
        changed.assign(patient=changed["patient"].mask(changed.index == 3)).to_csv(f"{name}.csv", index=False)
    table().rename(columns={"b": "c"}).to_csv("other.csv", index=False)


@pytest.mark.parametrize("part", WRONG)
def test_a_file_that_does_not_fit_is_found_by_check_and_by_fit(part):
    wrong_files()
    found = checked(f"{TRAIN}, {part}")
    assert found.code == 3 and WRONG[part] in found.err, found
    fitted = arignote("fit", "c.yaml")
    assert fitted.code == 3 and WRONG[part] in fitted.err, fitted


def test_all_errors_are_in_one_report():
    wrong_files()
    found = checked(
        "train: {features: x.csv, labels: u.csv}, valid: {features: v.csv, labels: w.csv},"
        " test: {features: 't.csv:a,b', labels: 'short.csv:y'}, groups: g.csv, sample_weight: 'text.csv:weight'"
    )
    assert found.code == 3
    for name in ("x.csv", "u.csv", "v.csv", "w.csv", "g.csv"):
        assert found.err.count(f"{name}: there is no such file") == 1, found.err
    assert "has 40 rows, short.csv 39" in found.err and "row 3 is 'heavy'" in found.err


def test_errors_of_the_network_and_of_other_files_are_reported_together():
    found = checked(
        f"{TRAIN}, groups: g.csv, valid: {{features: v.csv, labels: 'v.csv:y'}}",
        layers="[[MaxPool2DLayer, {pool_shape: 2}], [ClassificationOutputLayer]]",
    )
    for name in ("g.csv", "v.csv"):
        assert found.err.count(f"{name}: there is no such file") == 1, found.err
    assert "c.yaml:3:10: layers[0] (MaxPool2DLayer 'pool1'): needs images" in found.err and found.code in (2, 3), found


def test_groups_of_another_kind_of_file_than_the_table_are_opened():
    table().to_csv("s.csv", sep=";", index=False)
    np.save("g.npy", np.arange(N) // 4)
    np.savez("v.npz", x=np.zeros((4, 2)), y=[0, 1, 0, 1])
    data = (
        "train: {features: 's.csv:a,b', labels: 's.csv:y', csv: {delimiter: ';'}}, groups: g.npy,"
        " valid: {features: 'v.npz:x', labels: 'v.npz:y'}"
    )
    found = checked(data)
    assert found.code == 0 and "groups: g.npy (40,) int64" in found.out, found
    assert arignote("fit", "c.yaml").code == 0


PATHS = {
    "data: {train: t.csv}": (
        "c.yaml:2:8: data.train must be a mapping of features and labels; got 't.csv', with the columns a, b, y, w",
        'train: {features: t.csv, labels: "t.csv:patient"}',
    ),
    "data: t.csv": ("c.yaml:2:1: data must be a mapping", 'data: {train: {features: t.csv, labels: "t.csv:patient"}}'),
    "data: {train: 't.csv:patient,a,b'}": (
        "got 't.csv:patient,a,b', with",
        "train: {features: 't.csv:patient,a,b', labels: 't.csv:weight'}",
    ),
    "data: {train: target.csv}": ("columns target, u", 'train: {features: target.csv, labels: "target.csv:target"}'),
    "data: {train: bare.tra}": ("columns 0, 1, 2", 'train: {features: bare.tra, labels: "bare.tra:2"}'),
    "data: {train: t.parquet}": ("columns a, b, y", 'train: {features: t.parquet, labels: "t.parquet:patient"}'),
    "data: {train: none.csv}": ("got 'none.csv'. ", 'train: {features: none.csv, labels: "none.csv:COLUMN"}'),
    "data: {train: t.npz}": ("got 't.npz'. ", "train: {features: 't.npz:x', labels: 't.npz:y'}"),
    "data: {train: x.npy}": ("got 'x.npy'. ", "train: {features: x.npy, labels: FILE}"),
    "data: {train: [x.npy, y.npy]}": ("got ['x.npy', 'y.npy']. ", "train: {features: x.npy, labels: y.npy}"),
    "data: {train: {features: t.csv}, valid: t.csv}": (
        "c.yaml:2:34: data.valid must be a mapping of features and labels",
        'valid: {features: t.csv, labels: "t.csv:patient"}',
    ),
}


@pytest.mark.parametrize("line", PATHS)
def test_data_that_is_a_path_alone_is_answered_with_a_line_to_paste(line):
    pd.DataFrame({"target": [0, 1], "u": [2, 3]}).to_csv("target.csv", index=False)
    table().to_parquet("t.parquet")
    with open("bare.tra", "w") as file:
        file.write("1.5,2,0\n2.5,3,1\n" * 9)
    with open("c.yaml", "w") as file:
        file.write(f"layers: [[ClassificationOutputLayer]]\n{line}\n")
    ended = arignote("check", "c.yaml")
    message, written = PATHS[line]
    assert ended.code == 2 and message in ended.err and f"Write {written}".replace("'", '"') in ended.err, ended
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("line", ["{train: t.csv}", "t.csv"])
def test_the_line_to_paste_is_right(line):
    """The line makes a config that `check --data` accepts."""
    table()[["a", "b", "y"]].to_csv("t.csv", index=False)
    with open("c.yaml", "w") as file:
        file.write(f"layers: [[ClassificationOutputLayer]]\ndata: {line}\n")
    pasted = arignote("check", "c.yaml").err.partition("Write ")[2].strip()
    with open("c.yaml", "w") as file:
        section = f"data:\n  {pasted}\n" if pasted.startswith("train") else f"{pasted}\n"
        file.write(f"layers: [[ClassificationOutputLayer]]\n{section}")
    ended = arignote("check", "c.yaml", "--data")
    assert ended.code == 0 and "columns a, b" in ended.out, ended


def test_a_file_without_a_column_of_labels_is_answered_with_its_columns():
    found = checked("train: {features: t.csv}")
    assert found.code == 3
    assert 't.csv: which column holds the labels? Name it, as in labels: "t.csv:patient". There are: a, b' in found.err
