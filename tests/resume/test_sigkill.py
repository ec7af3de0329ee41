"""The promise, with real processes: SIGKILL at random moments, the same command again, the same bits."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Whole processes, which take long to start; torture.py kills forks of one, in the suite 8 times.
N_KILLS = 2

EXTRA = ["--set", "fit.n_epochs=12", "--set", "fit.checkpoint_every=7", "--set", "fit.batch_size=16"]


def command(stem: Path) -> list[str]:
    config = str(ROOT / "configs" / "digits_mlp.yaml")
    return [sys.executable, "-m", "arignote", "fit", config, *EXTRA, "--set", f"fit.checkpoint={stem}"]


def inspect(stem: Path) -> dict:
    found = subprocess.run(
        [sys.executable, "-m", "arignote", "inspect", str(stem), "--json"], capture_output=True, text=True, check=True
    )
    return json.loads(found.stdout)


def test_killed_at_random_moments_it_ends_in_the_same_bits(tmp_path):
    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    whole = inspect(tmp_path / "whole")
    assert whole["finished"] and whole["epoch"] == 12
    moments = random.Random(5)
    n_killed, run = 0, 0
    while n_killed < N_KILLS:
        run += 1
        stem = tmp_path / f"run{run}"
        stood_at = None
        for _ in range(2):
            process = subprocess.Popen(command(stem), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(moments.uniform(0, 1.0))
            process.kill()
            process.communicate()
            n_killed += 1
            if list(tmp_path.glob(f"run{run}_last*.ckpt")) and not (found := inspect(stem))["finished"]:
                stood_at = [found["epoch"], found["batch"]]
        again = subprocess.run(command(stem), capture_output=True, text=True)
        assert again.returncode == 0, again.stderr
        ended = inspect(stem)
        assert ended["weights_sha256"] == whole["weights_sha256"]
        assert ended["history_sha256"] == whole["history_sha256"]
        assert ended["best"]["value"] == whole["best"]["value"]
        assert stood_at is None or stood_at in ended["starts"]


def test_killed_and_stopped_in_the_form_of_torture_it_ends_in_the_same_bits():
    torture = Path(__file__).with_name("torture.py")
    command = [sys.executable, str(torture), "--kills", "8", "--skip-driver"]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "SIGKILL: 8 kills, 0 mismatches" in told.stdout and "SIGTERM: 1 kills, 0 mismatches" in told.stdout


def test_a_finished_run_answers_at_once_with_exit_code_0(tmp_path):
    small = [*command(tmp_path / "run"), "--set", "fit.n_epochs=1"]
    subprocess.run(small, check=True, capture_output=True)
    again = subprocess.run(small, capture_output=True, text=True)
    assert again.returncode == 0 and "finished, 1 of 1 epochs" in again.stdout


@pytest.mark.parametrize(
    ("setting", "code", "words"),
    [
        ("fit.n_epoch=3", 2, "Did you mean 'n_epochs'"),
        ("layers.fc1.n_units=-1", 2, "n_units must be an integer >= 1; got -1"),
        ("data.train.features=nothing.h5:/x", 3, "no such file"),
        ("fit.batch_size=33", 4, "batch_size: 16 then, 33 now"),
    ],
)
def test_what_is_wrong_has_its_exit_code_and_words(setting, code, words, tmp_path):
    stem = tmp_path / "run"
    if code == 4:
        subprocess.run([*command(stem), "--set", "fit.n_epochs=1"], check=True, capture_output=True)
    failed = subprocess.run([*command(stem), "--set", setting], capture_output=True, text=True)
    assert failed.returncode == code and words in failed.stderr, failed.stderr
