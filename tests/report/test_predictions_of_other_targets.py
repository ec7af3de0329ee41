"""Predictions of flags, ranks, numbers and inputs as a table, and losses as text."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from arignote.data.targets import Flags, Numbers, Ranks, Same, Targets
from arignote.report.predictions import write_predictions
from arignote.report.score_text import score_text


def written(path, blocks, target, memory):
    """Return the header and the rows of predictions that are written block by block."""
    targets = Targets({"output": target}, "output")
    named = [{"output": block} for block in blocks]
    write_predictions(path / "p.csv", named, targets, {"output": memory}, ["output"], sum(map(len, blocks)))
    with (path / "p.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def test_labels_of_a_row_have_a_probability_each(tmp_path):
    p = np.array([[0.25, 0.75], [0.5, 0.125]], dtype=np.float32)
    memory = {"dtype": "<U4", "values": ["blue", "red"], "form": "lists"}
    header, rows = written(tmp_path, [p[:1], p[1:]], Flags(), memory)
    assert header == ["row", "p_blue", "p_red"]
    assert rows == [["0", "0.25", "0.75"], ["1", "0.5", "0.125"]]


def test_ranks_are_in_their_order(tmp_path):
    p = np.array([[0.25, 0.125, 0.625], [0.5, 0.25, 0.25]], dtype=np.float32)
    header, rows = written(tmp_path, [p], Ranks(), {"dtype": "<U4", "values": ["low", "mid", "high"]})
    assert header == ["row", "predicted", "p_low", "p_mid", "p_high"]
    assert [row[:2] for row in rows] == [["0", "high"], ["1", "low"]] and rows[0][2:] == ["0.25", "0.125", "0.625"]


def test_numbers_are_in_units_of_the_target(tmp_path):
    scaled = np.array([[0.5], [-1.0]], dtype=np.float32)
    memory = {"n_axes": 1, "mean": [10.0], "scale": [4.0]}
    assert written(tmp_path, [scaled], Numbers(), memory) == (["row", "predicted"], [["0", "12"], ["1", "6"]])
    memory = {"n_axes": 2, "mean": [10.0, -1.0], "scale": [4.0, 0.5]}
    header, rows = written(tmp_path, [np.array([[0.5, 1.0]], dtype=np.float32)], Numbers(), memory)
    assert header == ["row", "predicted_0", "predicted_1"] and rows == [["0", "12", "-0.5"]]
    memory = {"n_axes": 2, "mean": [0.1], "scale": [1.0]}
    header, rows = written(tmp_path, [np.array([[1 / 3]], dtype=np.float32)], Numbers(), memory)
    assert float(rows[0][1]) == pytest.approx(1 / 3 + 0.1, rel=1e-7)


def test_an_input_is_written_flat(tmp_path):
    header, rows = written(tmp_path, [np.arange(4.0)[None]], Same(), {"shape": [2, 2]})
    assert header == ["row", *(f"predicted_{n}" for n in range(4))] and rows == [["0", "0", "1", "2", "3"]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("valid_error", "12.50 %"),
        ("test_flag_error", "12.50 %"),
        # A distance, not a share.
        ("valid_rank_error", "0.125"),
        ("rank_error", "0.125"),
        ("valid_mae", "0.125"),
        ("valid_nll", "0.125"),
    ],
)
def test_shares_of_errors_are_in_percent(name, text):
    assert score_text(name, 0.125) == text
    assert score_text("valid_rmse", 1234.5678) == "1234.6"
