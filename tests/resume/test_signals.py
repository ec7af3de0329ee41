"""Signals to real processes: what they end with, what they say, and that the same command ends in the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import forked
import pytest
from forked import PATIENT, Forked

from arignote.report.inspection import inspection

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def command(stem, *more):
    settings = ["fit.n_epochs=4", f"fit.checkpoint={stem}"]
    config = str(ROOT / "arignote" / "configs" / "digits_mlp.yaml")
    fit = ["-m", "arignote", "fit", config]
    return [*fit, *(word for setting in settings for word in ("--set", setting)), *more]


def start(words, **more):
    return subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def end(process):
    """Return the exit code, what was still printed, and what was complained of."""
    try:
        message, complaints = process.communicate(timeout=PATIENT)
    finally:
        process.kill()
    return process.returncode, message, complaints


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Digest of a run that is not stopped."""
    stem = tmp_path_factory.mktemp("whole") / "run"
    forked.run(command(stem, "--quiet"), check=True)
    return bits(stem)


def bits(stem):
    found = inspection(str(stem), None)
    assert found["finished"] and not found["damaged"]
    return [found["weights_sha256"], found["history_sha256"], found["best"]["value"], found["epoch"]]


def test_a_signal_before_anything_is_trained_ends_the_process_in_silence(tmp_path):
    words = command(tmp_path / "run", "--exit-code", "75")
    for name, seconds in (("SIGTERM", 0), ("SIGTERM", 0.05), ("SIGTERM", 0.3), ("SIGTERM", 1), ("SIGUSR1", 1)):
        process = start(words)
        time.sleep(seconds)
        process.send_signal(signal.Signals[name])
        code, message, complaints = end(process)
        # Python itself knows of no handler yet, or `fit` has begun to load what it needs, or has begun to train.
        assert code in (-signal.Signals[name], 75)
        assert not complaints and ("Error" not in message)
        assert not [path for path in tmp_path.iterdir() if path.suffix != ".ckpt"]


# By which signal; in an interpreter, or in a fork; with which options; with which code and words it ends.
STAGES = {
    "SIGTERM": (start, ["--exit-code", "75"], 75, "SIGTERM: stopped and saved; the same command resumes"),
    "SIGUSR1": (Forked, [], 138, "SIGUSR1: stopped and saved"),
    "SIGINT": (Forked, [], 130, "interrupted, "),
}


def test_stopped_by_each_signal_the_same_command_ends_in_the_same_bits(tmp_path, whole):
    stem = tmp_path / "run"
    positions = []
    for name, (begin, more, expected, words) in STAGES.items():
        process = begin(command(stem, *more))
        first = process.stdout.readline()
        assert first.startswith("resumes at") == bool(positions), first
        began = time.monotonic()
        process.send_signal(signal.Signals[name])
        code, message, complaints = end(process)
        print(f"{name}: {time.monotonic() - began:.2f} s from the signal to the end of the process")
        assert code == expected and not complaints, complaints
        assert words in message
        found = inspection(str(stem), None)
        assert not found["finished"] and not found["damaged"]
        positions.append([found["epoch"], found["batch"]])
    assert positions == sorted(positions)

    # Who reads the lines goes away: the end of other commands in a pipe, and nothing lost.
    process = Forked(command(stem))
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    assert end(process) == (141, None, "")

    # When all is done and printed, while Python ends.
    process = start(command(stem))
    last = next(line for line in process.stdout if "arignote predict" in line)
    process.send_signal(signal.SIGTERM)
    code, _, complaints = end(process)
    assert last and code in (0, -signal.SIGTERM, 143) and not complaints
    assert bits(stem) == whole
    assert inspection(str(stem), None)["starts"][: len(positions) + 1] == [[0, 0], *positions]
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".ckpt"]


SCRIPT = """
import sys
import numpy as np
from arignote import NNClassifier
from arignote.sample_data import digits

def shift(x, y, rng):
    return np.roll(x, int(rng.integers(-1, 2)), axis=1), y

layers = [["FCLayer", {"n_units": 16, "activation": "relu"}], ["ClassificationOutputLayer"]]
for stem in sys.argv[1:]:
    NNClassifier(layers, rng=1).fit(
        *digits(), n_epochs=3, batch_size=16, valid=0.2, augmentation=shift, n_workers=4, checkpoint=stem,
        observers=lambda event: print(event.batch, flush=True),
    )
"""


def test_a_signal_to_the_whole_group_while_threads_augment_does_not_hang(tmp_path):
    script, stem, straight = tmp_path / "train.py", tmp_path / "run", tmp_path / "straight"
    script.write_text(SCRIPT)
    process = Forked([script, stem], start_new_session=True)
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGTERM)
    code, _, complaints = end(process)
    # One warning: the function for augmentation lives in this script only.
    assert code == 143 and "Traceback" not in complaints and complaints.count("\n") <= 2, complaints
    assert not inspection(str(stem), None)["finished"]
    forked.run([script, stem, straight], check=True)
    assert bits(stem) == bits(straight)


SLOW_TO_END = '''
import atexit, threading, time
from arignote.layers import Layer
from arignote.registry import register

threading.Thread(target=time.sleep, args=(600,)).start()
atexit.register(print, "torn down")

@register()
class Same(Layer):
    """The input."""
    def build(self, shape):
        return lambda params, x, training: x
'''


def test_a_stopped_process_ends_when_it_is_saved_whatever_the_interpreter_would_still_do(tmp_path):
    (tmp_path / "slow_to_end.py").write_text(SLOW_TO_END)
    layers = '["slow_to_end:Same", [FCLayer, {n_units: 8}], ["ClassificationOutputLayer"]]'
    words = command(tmp_path / "run", "--set", f"layers={layers}", "--set", "fit.n_epochs=100000")
    process = start(words, env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"})
    try:
        assert "epoch" in process.stdout.readline(), process.stderr.readline()
    except BaseException:
        process.kill()
        raise
    process.send_signal(signal.SIGTERM)
    code, message, complaints = end(process)
    assert code == 143 and not complaints
    # What was printed is there to the last line.
    assert message.endswith("SIGTERM: stopped and saved; the same command resumes from there\n")
