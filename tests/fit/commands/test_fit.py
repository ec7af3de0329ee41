"""A fit as a command: what it prints, and the exit code that it ends with."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import arignote

from arignote import NNClassifier
from arignote.checkpoints.reader import RunFiles
from arignote.errors import ConfigError
from arignote.fit.commands.fit import fit_command


@pytest.fixture
def config(tmp_path):
    """A config beside its data; its runs are in a folder `runs`."""
    np.savez(
        tmp_path / "data.npz", x=np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32), y=np.arange(40) % 2
    )
    path = tmp_path / "config.json"
    spec = {
        "name": "run",
        "rng": 1,
        "data": {"train": {"features": "data.npz:x", "labels": "data.npz:y"}},
        "layers": [["ClassificationOutputLayer"]],
        "fit": {"n_epochs": 2, "batch_size": 20, "checkpoint": "runs/run"},
    }
    path.write_text(json.dumps(spec))
    return path


def test_a_fit_prints_its_ending_with_the_commands_that_follow_and_ends_with_0(config, tmp_path, capsys):
    assert fit_command(config, ["fit.n_epochs=1"]) == 0
    out = capsys.readouterr().out
    assert "done, 1 of 1 epochs\n" in out
    assert f"arignote evaluate {RunFiles(str(tmp_path / 'runs' / 'run')).stem} --config {config} --part train\n" in out


def test_an_observer_of_a_config_is_imported_and_a_fit_that_it_stops_ends_with_0(config, tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "observers_of_a_config", raising=False)
    (tmp_path / "observers_of_a_config.py").write_text(
        "from arignote import STOP\n\n"
        "class AfterEpoch:\n"
        "    def __init__(self, n):\n        self.n = n\n"
        "    def on_event(self, event):\n"
        "        return STOP if (event.kind, event.epoch) == ('validation', self.n) else None\n"
    )
    named = 'fit.observers=["observers_of_a_config:AfterEpoch", {n: 1}]'
    assert fit_command(config, [named]) == 0
    assert "stopped by an observer, 1 of 2 epochs\n" in capsys.readouterr().out
    # The run names it too: without the config it is not imported.
    del sys.modules["observers_of_a_config"]
    loaded = NNClassifier.load(str(tmp_path / "runs" / "run"))
    assert loaded.observers is None and "observers_of_a_config:AfterEpoch" in loaded.state_.spec["fit"]["observers"]
    assert fit_command(config) == 0
    assert "done, 2 of 2 epochs\n" in capsys.readouterr().out and "observers_of_a_config" not in sys.modules


@pytest.mark.parametrize("overrides", [None, ["fit.verbose=true", "fit.profile=true"]])
def test_a_quiet_fit_prints_nothing_whatever_its_config_says(overrides, config, tmp_path, capsys):
    assert fit_command(config, overrides, quiet=True) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("resume", "ending"),
    [
        (None, "; the same command resumes from there\n"),
        ("fresh", "; the same command without --fresh resumes from there\n"),
        ("force", "; the same command resumes from there\n"),
    ],
)
def test_a_fit_that_a_notice_stops_says_how_it_is_resumed_and_ends_with_its_code(
    resume, ending, config, tmp_path, capsys
):
    (tmp_path / "notice").touch()
    overrides = ["fit.n_epochs=100000", f"fit.preemption=file:{tmp_path / 'notice'}"]
    assert fit_command(config, overrides, resume=resume) == 143
    out, err = capsys.readouterr()
    assert out.endswith(ending) and not err
    assert fit_command(config, overrides, resume=resume, quiet=True) == 143
    assert capsys.readouterr() == ("", "")


def test_a_log_on_the_command_line_starts_from_the_working_directory_and_wins(config, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert arignote("fit", config, "--quiet", "--log", "run.jsonl", "--set", "fit.log=other.jsonl") == (0, "", "")
    assert [json.loads(line)["epoch"] for line in Path("run.jsonl").read_text().splitlines()] == [1, 2]
    assert [path.name for path in Path().iterdir()] == ["run.jsonl"]


def test_how_a_run_is_resumed_takes_precedence_over_the_config(config, tmp_path):
    runs = RunFiles(str(tmp_path / "runs" / "run"))
    assert fit_command(config, ["fit.n_epochs=1"], quiet=True) == 0
    first = runs.newest()[1].run_id
    assert fit_command(config, quiet=True) == 0
    assert runs.newest()[1].run_id == first
    assert fit_command(config, resume="fresh", quiet=True) == 0
    assert runs.newest()[1].run_id != first


def test_a_config_without_data_is_an_error_before_anything_is_trained(config, tmp_path):
    spec = json.loads(config.read_text())
    del spec["data"]
    config.write_text(json.dumps(spec))
    with pytest.raises(ConfigError, match="data"):
        fit_command(config)
    assert not (tmp_path / "runs").exists()
