"""The promise, with real processes: SIGKILL at random moments, the same command again, the same bits."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import forked
import pytest
from command_line import arignote

from arignote.report.inspection import inspection

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
EXTRA = ["--set", "fit.n_epochs=12", "--set", "fit.checkpoint_every=7", "--set", "fit.batch_size=16"]
EXTRA += ["--set", "fit.average={kind: ema, decay: 0.9, warmup: true}"]


def command(stem: Path) -> list[str]:
    config = str(ROOT / "arignote" / "configs" / "digits_mlp.yaml")
    log = f"fit.observers=[[JSONLinesLog, {{path: {stem}.jsonl, batches: true}}]]"
    return ["-m", "arignote", "fit", config, *EXTRA, "--set", f"fit.checkpoint={stem}", "--set", log]


def logged(stem: Path) -> list[dict[str, Any]]:
    """Return the rows that a run has logged, without times."""
    rows = [json.loads(line) for line in Path(f"{stem}.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def interpreter(words):
    return subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_killed_at_random_moments_the_same_command_ends_in_the_same_bits(tmp_path):
    stem, moments = tmp_path / "killed", random.Random(5)
    forked.run(command(tmp_path / "whole"), check=True)
    whole = inspection(str(tmp_path / "whole"))
    assert whole["finished"] and whole["epoch"] == 12
    stood_at = [0, 0]
    # An interpreter, and a fork.
    for start in (interpreter, forked.Forked):
        process = start(command(stem))
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.5))
        process.kill()
        process.communicate()
        found = inspection(str(stem))
        if not found["finished"]:
            stood_at = [found["epoch"], found["batch"]]
    forked.run(command(stem), check=True)
    ended = inspection(str(stem))
    for key in ("weights_sha256", "average_sha256", "history_sha256", "epoch", "finished"):
        assert ended[key] == whole[key]
    # 1,257 rows in batches of 16.
    assert logged(stem) == logged(tmp_path / "whole") and len(logged(stem)) == 12 * (79 + 1)
    assert len({whole["weights_sha256"], whole["average_sha256"], None}) == 3
    assert ended["best"]["value"] == whole["best"]["value"] and stood_at in ended["starts"]
    # The same command once more ends at once; another setting is refused. That needs no process of its own.
    words = command(stem)[2:]
    at_once = arignote(*words)
    assert at_once.code == 0 and "finished, 12 of 12 epochs" in at_once.out
    refused = arignote(*words, "--set", "fit.batch_size=33")
    assert refused.code == 4 and "batch_size: 16 then, 33 now" in refused.err


def test_eight_kills_in_the_form_of_torture_end_in_the_same_bits():
    torture = forked.run([Path(__file__).with_name("torture.py"), "--kills", "8", "--skip-driver"])
    assert torture.returncode == 0, torture.stdout + torture.stderr
    assert "SIGKILL: 8 kills, 0 mismatches" in torture.stdout and "SIGTERM: 1 kills, 0 mismatches" in torture.stdout


@pytest.mark.parametrize(
    ("setting", "code", "words"),
    [
        ("layers.fc1.n_units=-1", 2, "n_units must be an integer >= 1; got -1"),
        ("data.train.features=nothing.h5:/x", 3, "no such file"),
    ],
)
def test_what_is_wrong_has_its_exit_code_and_words(setting, code, words, tmp_path):
    failed = arignote(*command(tmp_path / "run")[2:], "--set", setting)
    assert failed.code == code and words in failed.err, failed.err
