"""Tables with missing values as people write them: NA, ?, nothing at all, or a mark of their own."""

from __future__ import annotations

import numpy as np
import pytest
from command_line import arignote

from arignote import NNClassifier
from arignote.data import get_reader

# Whole fits and commands: left out of make fast.
pytestmark = pytest.mark.slow

pd = pytest.importorskip("pandas", reason="tables are read with pandas")

# Those of pandas (io.parsers.readers, na_values), and that of the UCI repository.
MARKERS = ["", "?", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "n/a", "<NA>", "#N/A", "-nan", "1.#QNAN"]
TRAIN = "train: {features: t.csv, labels: 't.csv:y'}"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(rows=(), n_rows=20, delimiter=",", name="t.csv", kinds=("0", "1")):
    """Write a table of a, b and y; `rows` has rows of its own, by their number."""
    lines = [[f"{n}.5", str(n % 3), kinds[n % 2]] for n in range(n_rows)]
    for row, fields in dict(rows).items():
        lines[row] = fields
    with open(name, "w") as file:
        file.writelines(delimiter.join(fields) + "\n" for fields in [["a", "b", "y"], *lines])


def ran(command, data=TRAIN, fit="", layers="[[FCLayer, {n_units: 4}], [ClassificationOutputLayer]]"):
    with open("c.yaml", "w") as file:
        file.write(f"rng: 1\ndata: {{{data}}}\nlayers: {layers}\n")
        file.write(f"fit: {{n_epochs: 1, batch_size: 8, n_threads: 1, checkpoint: run{fit}}}\n")
    return arignote(command, "c.yaml", *(["--data"] if command == "check" else ["--fresh"]))


@pytest.mark.parametrize("marker", [*MARKERS, " ?", "NAN", "Null"])
def test_a_column_of_numbers_and_markers_is_numbers(marker):
    write({3: ["7", marker, "1"]})
    found = get_reader("t.csv:a,b").read(slice(2, 5))
    assert np.array_equal(found, [[2.5, 2], [7, np.nan], [4.5, 1]], equal_nan=True)


@pytest.mark.parametrize("marker", ["", "?", "NA"])
def test_a_missing_number_is_reported_with_row_and_column_before_training(marker):
    write({3: ["7", marker, "1"], 9: ["?", "2", "0"]})
    for command in ("check", "fit"):
        ended = ran(command)
        assert ended.code == 3, ended
        assert "t.csv row 3 holds nan in column 'b'" in ended.err and "allow_nonfinite" in ended.err
    message = "2 numbers are missing, in the columns 'a', 'b'. Fill them in with preprocess [[\"Impute\"]], leave"
    assert message in ended.err and "columns: '!a,!b'" in ended.err
    without_b = "train: {features: t.csv, labels: 't.csv:y', columns: '!b'}"
    assert "row 9 holds nan in column 'a'" in ran("fit", without_b).err
    assert ran("check", fit=", allow_nonfinite: true").code == 0


def test_a_mark_of_ones_own_is_set_and_kept_by_the_run():
    write({3: ["7", "-999", "1"], 5: ["-", "2", "0"]})
    ended = ran("fit")
    assert ended.code == 3 and "'-', where numbers are expected" in ended.err
    assert 'csv: {missing: ["-"]}' in ended.err
    own = "train: {features: t.csv, labels: 't.csv:y', csv: {missing: ['-', -999]}}"
    assert "row 3 holds nan in column 'b'" in ran("fit", own).err
    write({3: ["7", "-999", "1"]}, name="v.csv")
    write()
    assert ran("fit", own).code == 0
    assert NNClassifier.load("run").state_.data["csv"] == {"missing": ["-", "-999"]}
    ended = arignote("predict", "run", "--features", "v.csv", "--out", "p.csv")
    assert ended.code == 3 and "v.csv row 3 holds nan in column 'b'" in ended.err


@pytest.mark.parametrize("kinds", [("0", "1"), ("0.5", "1.5"), ("no", "yes")])
@pytest.mark.parametrize("marker", ["", "?", "NA", " ?", "null"])
def test_a_missing_label_is_reported_with_its_row(marker, kinds):
    write({7: ["1", "2", marker]}, kinds=kinds)
    for command in ("check", "fit"):
        ended = ran(command)
        assert ended.code == 3 and "label of t.csv row 7 is missing" in ended.err, ended
    assert ("csv: {missing: []}" in ended.err) is (kinds[0] == "no")


def test_a_class_that_is_called_as_a_missing_value_can_be_kept():
    """NA is North America here; "none" is a class to everybody."""
    write(kinds=("NA", "EU"))
    assert "label of t.csv row 0 is missing" in ran("fit").err
    own = "train: {features: t.csv, labels: 't.csv:y', csv: {missing: []}}"
    assert ran("fit", own).code == 0 and NNClassifier.load("run").classes_.tolist() == ["EU", "NA"]
    write(kinds=("none", "mild"))
    assert ran("fit").code == 0 and NNClassifier.load("run").classes_.tolist() == ["mild", "none"]


def test_weights_and_groups_that_are_missing_are_reported_with_their_row():
    write({4: ["1", "?", "0"]})
    ended = ran("check", "train: {features: 't.csv:a', labels: 't.csv:y'}, sample_weight: 't.csv:b'")
    assert ended.code == 3 and "sample_weight (t.csv) must be finite numbers >= 0; row 4 is nan" in ended.err
    ended = ran("check", "train: {features: 't.csv:a', labels: 't.csv:y'}, groups: 't.csv:b', valid: 0.2")
    assert ended.code == 3 and "groups (t.csv) must be all numbers or all text, with none missing; row 4" in ended.err


def test_numbers_with_a_decimal_comma_of_which_one_is_missing():
    write({4: ["1", "?", "0"], 5: ["2", "0,5", "1"]}, delimiter=";")
    for labels in (False, True):
        found = get_reader("t.csv:b", labels, csv={"decimal": ","}).read(slice(3, 6)).ravel()
        assert np.array_equal(found, [0, np.nan, 0.5], equal_nan=True)


def test_a_header_above_a_column_of_numbers_and_markers_is_found():
    write({row: [f"{row}", "?", "1"] for row in range(0, 20, 2)})
    assert "row 0 holds nan in column 'b'" in ran("check").err


def test_columns_of_an_array_are_named_by_their_position():
    x = np.zeros((20, 3))
    x[4, 2] = np.nan
    np.save("x.npy", x)
    np.save("y.npy", np.arange(20) % 2)
    ended = ran("fit", "train: {features: x.npy, labels: y.npy}")
    assert ended.code == 3 and "row 4 holds nan in column 2" in ended.err
