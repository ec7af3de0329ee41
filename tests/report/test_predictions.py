"""Predictions as a table that other programs read."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from made_up import numbered_classes

from arignote import DataError
from arignote.data.targets import Classes, Targets
from arignote.data.targets.labels import state_of_labels
from arignote.report.predictions import write_predictions

TARGETS = Targets({"output": Classes()}, "output")


def test_each_row_has_the_most_probable_class_and_all_probabilities_as_they_are(tmp_path):
    proba = np.array([[0.1, 0.9], [2 / 3, 1 / 3]], dtype=np.float32)
    state = state_of_labels(np.array(["a, b", "c"]))
    blocks = [{"output": proba[:1]}, {"output": proba[1:]}]
    write_predictions(tmp_path / "p.csv", blocks, TARGETS, {"output": state}, ["output"], 2)
    with (tmp_path / "p.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["row", "predicted", "p_a, b", "p_c"]
    assert [row[:2] for row in rows] == [["0", "c"], ["1", "a, b"]]
    assert (np.array([row[2:] for row in rows], dtype=np.float32) == proba).all()


def test_a_folder_that_cannot_be_written_is_reported(tmp_path):
    with pytest.raises(DataError, match=r"nowhere/p\.csv: cannot be written: No such file or directory"):
        blocks = [{"output": np.eye(2, dtype=np.float32)}]
        state = {"output": numbered_classes(2)}
        write_predictions(tmp_path / "nowhere" / "p.csv", blocks, TARGETS, state, ["output"], 2)
