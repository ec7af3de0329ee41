"""The short examples run as they stand, and print what they promise."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a script in an empty folder, and return its lines by what stands before the colon."""
    monkeypatch.chdir(tmp_path)

    def run_script(name):
        monkeypatch.setattr(sys, "argv", [name])
        names = runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        lines = [line.split(": ", 1) for line in capsys.readouterr().out.splitlines() if ": " in line]
        return names, {first: rest.strip() for first, rest in lines}

    return run_script


def percent(text):
    return float(re.search(r"([\d.]+)%", text)[1])


def test_the_digits_are_learned_and_a_second_start_prints_the_same(run):
    names, lines = run("digits")
    assert lines["epochs"] == "20, of which 10 in this fit" and percent(lines["test error"]) < 8
    assert int(lines["mistakes"].split()[0]) == round(names["scores"]["error"] * names["matrix"].sum())
    assert lines["predicted"] == "[0 1 2 3 4], true: [0 1 2 3 4]"
    assert run("digits")[1] == lines


def test_the_file_is_trained_on_without_being_loaded(run, monkeypatch):
    # As if the file were larger than what is loaded.
    monkeypatch.setattr("arignote.data.readers.sources.IN_MEMORY", 0)
    names, lines = run("larger_than_memory")
    assert names["classifier"].state_.data["order"]["kind"] == "chunks"
    assert lines["rows"] == "3594, 0.9 MB"
    assert percent(lines["epoch 2"]) < percent(lines["epoch 1"]) < 40


def test_the_table_is_learned_from_with_its_categories_and_gaps(run):
    names, lines = run("table")
    assert names["table"].isna().sum().sum() > 60 and names["scores"]["r2"] > 0.25
    assert 30 < float(lines["predicted"].split(",")[0]) < 350


def test_the_network_of_the_series_is_better_than_the_hours_before(run):
    _, lines = run("series")
    gru, hour, day = (float(lines[name].removeprefix("rmse ")) for name in ("GRU", "as an hour ago", "as a day ago"))
    # The noise of the series has a standard deviation of 0.1.
    assert 0.1 < gru < 0.8 * min(hour, day)


def test_the_search_is_not_done_twice(run, tmp_path):
    _, lines = run("search")
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/search/*_last.ckpt")}
    # 4 networks by 3 folds, and the best of them on all rows.
    assert len(files) == 13 and float(lines["best"].split()[0]) > 0.8
    assert run("search")[1] == lines
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/search/*_last.ckpt")} == files
