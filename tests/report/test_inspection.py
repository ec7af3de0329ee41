"""What a run is and where it stands, as plain data, read without the engine."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from promise import LAYERS, newest

from arignote import CheckpointError, NNClassifier
from arignote.checkpoints.tensors import tensors_sha256
from arignote.report.inspection import inspection, inspection_lines, verification


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    stem = tmp_path_factory.mktemp("runs") / "run"
    settings = {"n_epochs": 3, "batch_size": 64, "test": 0.1, "checkpoint_all": True}
    NNClassifier(LAYERS, name="mine", rng=3).fit(*digits, **settings, checkpoint=str(stem))
    return stem


def test_a_run_is_shown_as_json_and_as_text(run):
    found, state = inspection(str(run)), newest(run)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["position"] == "3 of 3 epochs complete"
    assert (found["name"], found["rng"], found["run_id"]) == ("mine", 3, state.run_id)
    assert (found["epoch"], found["batch"], found["n_epochs"], found["finished"]) == (3, 0, 3, True)
    assert found["examples_seen"] == 3 * 270 and found["n_params"] == 64 * 12 + 3 * 12 + 12 * 10 + 10
    assert found["weights_sha256"] == tensors_sha256(state.network)
    assert found["average_sha256"] is None
    assert found["history_sha256"] == state.history.sha256() and len(found["history"]) == 3
    assert found["file"] == f"{run}_last.ckpt" and found["damaged"] == [] and found["stopped_by"] is None
    assert found["spec"]["fit"]["n_epochs"] == 3 and found["spec"]["layers"][1][1]["name"] == "fc1"


def test_a_seed_of_0_is_shown_and_counts_of_0_are_not(run):
    found = inspection(str(run))
    lines = [line.strip() for line in inspection_lines(found | {"rng": 0, "epoch_examples": 0})]
    assert "rng: 0" in lines and not [line for line in lines if line.startswith("epoch_examples")]


def test_any_file_of_a_run_can_be_inspected(run):
    assert [inspection(str(run), str(n))["epoch"] for n in (1, 2, 3)] == [1, 2, 3]
    assert inspection(f"{run}_epoch2.ckpt")["epoch"] == 2
    with pytest.raises(CheckpointError, match="there is no run of this stem"):
        inspection(f"{run}_other")


def test_every_file_of_a_run_is_verified(run):
    found, used = verification(str(run))
    assert used == f"{run}_last.ckpt" and {where for where, _, _ in found} == {
        str(p) for p in run.parent.glob("*.ckpt")
    }
    state = newest(run)
    assert (used, True, f"3 of 3 epochs complete, run {state.run_id[:8]}") in found
    assert all(good for _, good, _ in found) and len(found) >= 5


@pytest.mark.slow
def test_nothing_of_the_engine_is_needed(run):
    code = (
        "import sys; from arignote.report.inspection import inspection, verification;"
        f"inspection({str(run)!r}); verification({str(run)!r});"
        "print(sorted({'torch', 'sklearn'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
