"""A disk that is full, or does not answer: training continues, each failure is reported, the last good file stays."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import forked
import numpy as np
import pytest
from promise import digest, digest_of

from arignote import CheckpointError, NNClassifier
from arignote.checkpoints import schedule
from arignote.checkpoints.format import decode
from arignote.checkpoints.reader import RunFiles
from arignote.errors import ArignoteWarning

ROOT = Path(__file__).resolve().parents[2]
LAYERS = [
    ["FCLayer", {"name": "fc1", "n_units": 12}],
    ["DropoutLayer", {"dropout_p": 0.3}],
    ["ClassificationOutputLayer", {"name": "output"}],
]
SETTINGS = {"n_epochs": 5, "batch_size": 64, "valid": 0.2, "sgd_type": "nag", "lr_rule": 0.1}

# Fits whose files may not grow beyond 100 bytes from one epoch on, until another; their results are printed as JSON.
LIMITED = """
import json, resource, sys, warnings
import numpy as np
from arignote import CheckpointError, NNClassifier
from arignote.checkpoints.reader import RunFiles
from promise import digest_of

folder, layers, settings, cases = sys.argv[1], *map(json.loads, sys.argv[2:])
data = np.load(folder + "/data.npz")
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
warnings.simplefilter("always")

def run(name, first, last, every):
    stem, shown, kept, error = f"{folder}/{name}/run", [], [], ""
    warnings.showwarning = lambda message, *more: shown.append(str(message))

    def limit(event):
        full = first <= event.epoch < last
        resource.setrlimit(resource.RLIMIT_FSIZE, (100 if full else hard, hard))
        if event.kind == "batch" and event.epoch > first:
            # In the middle of the trouble the last good file can be read.
            kept.append(RunFiles(stem).newest()[1].progress.epoch)

    try:
        NNClassifier(layers, rng=3).fit(
            data["x"], data["y"], **settings, checkpoint=stem, checkpoint_every=every, observers=limit
        )
    except CheckpointError as raised:
        error = str(raised)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    state = RunFiles(stem).newest()[1]
    return {"shown": shown, "kept": kept, "error": error, "epoch": state.progress.epoch,
        "digest": repr(digest_of(state))}

print(json.dumps({name: run(name, *case) for name, case in cases.items()}))
"""
CASES = {"for a while": (2, 4, "epoch"), "to the end": (3, 99, "epoch"), "each batch": (2, 3, 1)}


@pytest.fixture(scope="module")
def limited(digits, tmp_path_factory):
    """The folder of some runs on a disk that is full in some epochs, in another process, and what they reported."""
    folder = tmp_path_factory.mktemp("limited")
    np.savez(folder / "data.npz", x=digits[0], y=digits[1])
    arguments = [str(folder), *map(json.dumps, (LAYERS, SETTINGS, CASES))]
    path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    ended = forked.run(["-c", LIMITED, *arguments], env=os.environ | {"PYTHONPATH": path}, check=True)
    return folder, json.loads(ended.stdout)


@pytest.fixture
def fit(digits):
    return lambda checkpoint=None, **more: NNClassifier(LAYERS, rng=3).fit(
        *digits, **SETTINGS, checkpoint=checkpoint and str(checkpoint), **more
    )


@pytest.mark.slow
def test_a_disk_full_for_a_while_stops_nothing_and_is_reported_each_time(limited, fit):
    folder, found = limited[0] / "for a while", limited[1]["for a while"]
    # The files of the second and of the third epoch could not be written.
    assert len(found["shown"]) == 2 and not found["error"]
    for text in found["shown"]:
        assert text.startswith(f"{folder}/run_") and f"cannot be written: [Errno {errno.EFBIG}]" in text
        assert text.endswith("Training continues; the last valid file is kept")
    assert set(found["kept"][:8]) == {1} and found["kept"][-1] == 4
    assert found["epoch"] == 5 and found["digest"] == repr(digest_of(fit().state_))
    assert not [name for name in os.listdir(folder) if name.startswith(".")]


@pytest.mark.slow
def test_a_disk_full_to_the_end_is_an_error_and_the_same_fit_resumes_exactly(limited, fit):
    folder, found = limited[0] / "to the end", limited[1]["to the end"]
    assert f"cannot be written: [Errno {errno.EFBIG}]" in found["error"] and found["error"].startswith(str(folder))
    assert len(found["shown"]) == 3 and set(found["kept"]) == {2} and found["epoch"] == 2
    assert not [name for name in os.listdir(folder) if name.startswith(".")]
    again = fit(folder / "run")
    assert again.state_.starts == [[0, 0], [2, 0]]
    assert digest(again) == digest(fit())


@pytest.mark.slow
def test_a_disk_that_is_full_after_each_batch_is_reported_after_each(limited, fit):
    found = limited[1]["each batch"]
    # Four batches, and the end of the epoch.
    assert len(found["shown"]) == 5 and not found["error"]
    assert found["epoch"] == 5 and found["digest"] == repr(digest_of(fit().state_))


def command(stem: Path) -> list[str]:
    config = str(ROOT / "arignote" / "configs" / "digits_mlp.yaml")
    return [sys.executable, "-m", "arignote", "fit", config, "--set", f"fit.checkpoint={stem}"]


@pytest.mark.slow
def test_a_disk_too_small_ends_the_command_with_4_before_training(tmp_path):
    shell = ["bash", "-c", 'ulimit -S -f 8; exec "$@"', "bash", *command(tmp_path / "run")]
    full = subprocess.run(shell, capture_output=True, text=True, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    assert full.returncode == 4, full.stderr
    assert full.stderr.startswith(f"error: {tmp_path}/") and full.stderr.count("\n") == 1
    assert f"cannot be written: [Errno {errno.EFBIG}] File too large" in full.stderr
    assert full.stdout == "" and os.listdir(tmp_path) == []


@pytest.mark.slow
def test_a_disk_that_does_not_answer_is_reported_once_and_waited_for_at_the_end(fit, tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, "PATIENCE", 0.2)
    answers, stalled, ended = threading.Event(), [], []
    really = os.fsync

    def stall(handle):
        if threading.current_thread().name == "arignote-writer" and ended:
            stalled.append(handle)
            assert answers.wait(60)
        really(handle)

    def observer(event):
        if event.kind == "batch" and event.epoch == 2 and not ended:
            ended.append(0)
        if event.kind == "validation":
            ended.append(event.epoch)
            if event.epoch == 5:
                # Long after the last epoch, when `fit` waits for its files.
                threading.Timer(1.0, answers.set).start()

    monkeypatch.setattr(os, "fsync", stall)
    began = time.monotonic()
    with pytest.warns(ArignoteWarning) as shown:
        fitted = fit(tmp_path / "run", checkpoint_every="epoch", observers=observer)
    assert stalled and ended[-1] == 5 and time.monotonic() - began > 1.0
    assert [str(one.message) for one in shown] == [
        f"{tmp_path}/run_last.ckpt: write still running after 0.2 s; training continues"
    ]
    monkeypatch.undo()
    where, state = RunFiles(str(tmp_path / "run")).newest()
    assert where == f"{tmp_path}/run_last.ckpt" and state.finished
    assert digest_of(state) == digest_of(fitted.state_)
    assert digest(fitted) == digest(fit())


@pytest.mark.slow
def test_a_really_full_disk_is_reported_and_loses_nothing(fit, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if mounted.returncode:
        pytest.skip(f"a file system of 400 kB cannot be mounted: {mounted.stderr.strip()}")
    try:

        def fill(event):
            if event.kind == "batch" and event.epoch == 2 and not (disk / "big").exists():
                with open(disk / "big", "wb", buffering=0) as file:
                    try:
                        while file.write(bytes(4096)):
                            pass
                    except OSError as raised:
                        assert raised.errno == errno.ENOSPC

        with (
            pytest.warns(ArignoteWarning, match=r"cannot be written: \[Errno 28\] No space left"),
            pytest.raises(CheckpointError, match=r"\[Errno 28\] No space left"),
        ):
            fit(disk / "run", checkpoint_every="epoch", observers=fill)
        assert decode((disk / "run_last.ckpt").read_bytes(), "")[0].progress.epoch == 1
        (disk / "big").unlink()
        ended = fit(disk / "run")
        assert ended.state_.starts == [[0, 0], [1, 0]]
        assert digest(ended) == digest(fit())
    finally:
        subprocess.run(["umount", str(disk)], check=True)
