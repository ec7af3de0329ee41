"""What a person meets when a run fails or is stopped: the command line in a fresh folder, with files made here."""

from __future__ import annotations

import signal
import socket

import forked
import h5py
import numpy as np
import pytest
import torch
from command_line import arignote

from arignote.checkpoints.writer import RunWriter

# Whole fits and commands: left out of make fast.
pytestmark = pytest.mark.slow
CONFIG = """
rng: 1
data:
  train: {features: "t.npz:x", labels: "t.npz:y"}
  valid: 0.2
layers: [[FCLayer, {n_units: 4, activation: relu}], [ClassificationOutputLayer]]
fit: {n_epochs: 3, batch_size: 20, sgd_type: sgd, lr_rule: 0.1, checkpoint: run}
"""
DIVERGING = ("--set", "fit.lr_rule=1e30")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A fresh folder with a table of 100 rows and a config."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3))
    np.savez(tmp_path / "t.npz", x=x.astype(np.float32), y=(x[:, 0] > 0).astype(np.int64))
    (tmp_path / "config.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_fresh_and_force_together_are_refused(folder):
    ended = arignote("fit", "config.yaml", "--fresh", "--force")
    assert ended.code == 2
    assert "--fresh and --force exclude each other: --fresh starts over, --force resumes" in ended.err
    assert not list(folder.glob("*.ckpt"))


STALLED = ("--set", "fit.stop_rule={rule: stalled, interval: 1}", "--set", "fit.lr_rule=0.0", "--set", "fit.n_epochs=9")


def test_a_run_that_its_stop_rule_ended_is_reported_at_its_end_and_in_inspect(folder):
    # At a rate of 0 nothing changes: the first validation stays the best, and the second ends the run.
    ended = arignote("fit", "config.yaml", *STALLED)
    assert ended.code == 0
    assert "done, 2 of 9 epochs: ended by its stop rule (stalled)" in ended.out
    message = arignote("inspect", "run").out
    assert "position: 2 of 9 epochs complete, ended by its stop rule (stalled)" in message
    assert "stopped_by: stop_rule" in message
    again = arignote("fit", "config.yaml", *STALLED)
    assert again.code == 0 and "finished, 2 of 9 epochs (ended by its stop rule (stalled)) (run_last.ckpt)" in again.out
    assert '"stopped_by": "stop_rule"' in arignote("inspect", "run", "--json").out


def test_inspect_and_verify_count_epochs_as_fit_does(folder):
    arignote("fit", "config.yaml", "--set", "fit.n_epochs=1")
    # A file that a stop in the second epoch leaves: one epoch is complete, fit resumes in epoch 2.
    files = RunWriter("run")
    _, state = files.newest()
    state.progress.batch, state.spec["fit"]["n_epochs"] = 3, 3
    files.save(state)
    message = arignote("inspect", "run").out
    assert "position: in epoch 2 of 3, after 3 batches" in message and "epoch: 1\n" not in message
    assert "starts: epoch 1" in message and "[0, 0]" not in message
    assert "run_last.ckpt: in epoch 2 of 3, after 3 batches, run" in arignote("verify", "run").out
    assert "resumes at epoch 2, batch 3" in arignote("fit", "config.yaml").out


SCRIPT = """
import os, signal, sys
from arignote import NNClassifier
from arignote.sample_data import digits

def send(event):
    if number == 1 and (event.kind, event.epoch, event.batch) == ("batch", 2, 1):
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))

for number in (1, 2):
    print("fit", number, flush=True)
    layers = [["ClassificationOutputLayer"]]
    NNClassifier(layers, rng=1).fit(*digits(), n_epochs=3, batch_size=1000, observers=send)
"""


def stopped(folder, name):
    """Return how a script ended that is sent a signal while the first of its two fits is in its second epoch."""
    (folder / "script.py").write_text(SCRIPT)
    return forked.run(["script.py", name])


@pytest.mark.slow
def test_a_script_without_a_checkpoint_is_warned_at_a_signal_of_what_is_lost(folder):
    ended = stopped(folder, "SIGTERM")
    assert ended.returncode == 143 and ended.stdout == "fit 1\n"
    assert "SIGTERM: stopped in epoch 2 of 3, after 1 batch; this is lost, as the run has no checkpoint" in ended.stderr


@pytest.mark.slow
def test_a_script_that_loops_over_fits_is_warned_at_ctrl_c_before_the_next_one_starts(folder):
    ended = stopped(folder, "SIGINT")
    assert ended.returncode == 0 and ended.stdout == "fit 1\nfit 2\n"
    assert "Ctrl-C: fit returns with interrupted_ set, in epoch 2 of 3, after 1 batch" in ended.stderr
    assert "a loop over fits must check interrupted_" in ended.stderr


@pytest.mark.slow
def test_the_command_line_without_a_checkpoint_reports_at_a_signal_what_is_lost(folder):
    words = ["-m", "arignote", "fit", "config.yaml", "--set", "fit.checkpoint=null", "--set", "fit.n_epochs=100000"]
    process = forked.Forked(words)
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, message = process.communicate()
    assert process.returncode == 143
    assert "SIGTERM: stopped" in message and "lost, as the run has no checkpoint: give fit.checkpoint a path" in message


def test_quiet_prints_nothing_but_errors(folder):
    # verbose of the config, and a note (a batch larger than the data), are silenced too.
    noisy = ("--set", "fit.verbose=true", "--set", "fit.batch_size=5000")
    assert "used as one batch" in arignote("fit", "config.yaml", *noisy, "--set", "fit.checkpoint=other").err
    assert arignote("fit", "config.yaml", "--quiet", *noisy) == (0, "", "")
    assert arignote("fit", "config.yaml", "--quiet", *noisy) == (0, "", "")
    code, out, err = arignote("fit", "config.yaml", "--quiet", "--fresh", *DIVERGING)
    assert (code, out) == (5, "") and err.startswith("error: training diverged")


@pytest.mark.parametrize("command", [("check",), ("fit", "--quiet")])
def test_a_store_that_cannot_be_reached_is_an_error_and_check_does_not_ask_it(command, folder, monkeypatch):
    name, *more = command
    asked = []

    def offline(*address):
        asked.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    ended = arignote(name, "config.yaml", *more, "--set", "fit.checkpoint=ftp://store.example/a/b")
    if name == "check":
        assert (ended.code, asked) == (0, [])
    else:
        assert ended.code == 4 and asked
        assert ended.err == "error: ftp://store.example/a/: cannot be reached: OSError: no network in this test\n"


@pytest.mark.parametrize("command", ["check", "fit"])
def test_a_store_of_an_unknown_kind_is_refused(command, folder):
    ended = arignote(command, "config.yaml", "--set", "fit.checkpoint=nowhere://a/b")
    assert ended.code == 2 and "checkpoint 'nowhere://a'" in ended.err and "nowhere" in ended.err


@pytest.mark.parametrize("code", ["999", "-1", "256"])
def test_an_exit_code_that_no_process_can_have_is_refused(code, folder):
    ended = arignote("fit", "config.yaml", f"--exit-code={code}")
    assert ended.code == 2 and "arignote fit: --exit-code must be at " in ended.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="the machine has a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_check_refuses_a_gpu_that_the_machine_does_not_have(device, folder):
    ended = arignote("check", "config.yaml", "--set", f"fit.device={device}")
    assert ended.code == 2 and f"device must be one that this machine has; got '{device}'" in ended.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"layers": [\n  ["FCLayer", {"n_units": 4}]\n', "bad.json:3:1: is not JSON: "),
        ('{"name": "a",\n "fit": {}\n "rng": 1}', "bad.json:3:2: is not JSON: Expecting ',' delimiter"),
    ],
)
def test_a_broken_json_file_is_not_called_yaml(text, message, folder):
    (folder / "bad.json").write_text(text)
    ended = arignote("check", "bad.json")
    assert ended.code == 2 and message in ended.err and "YAML" not in ended.err


def test_a_json_file_may_be_indented_by_tabs(folder):
    layers = '[["FCLayer", {"n_units": 4}], ["ClassificationOutputLayer"]]'
    (folder / "good.json").write_text('{\n\t"layers": ' + layers + ',\n\t"fit": {"n_epochs": 3}\n}\n')
    assert arignote("check", "good.json").code == 0


def test_a_file_of_data_in_the_place_of_a_config_or_a_checkpoint_is_called_what_it_is(folder):
    np.save("t.npy", np.zeros((3, 2)))
    with h5py.File("t.h5", "w") as file:
        file["x"] = np.zeros((3, 2))
    for name, kind in (("t.npz", "a zip or npz archive"), ("t.npy", "a NumPy array"), ("t.h5", "an HDF5 file")):
        ended = arignote("fit", name)
        assert ended.code == 2
        assert ended.err == (
            f"error: {name}: is {kind}, not a config, which is a YAML or JSON file. "
            f"A file of data belongs in a config: data: {{train: {{features: {name}, ...}}}}\n"
        )
        ended = arignote("convert", name, "new")
        assert ended.code == 4
        assert ended.err == f"error: {name}: is {kind}, not a checkpoint of 2015 (a .pkl or .pkl.gz)\n"


@pytest.mark.parametrize(("word", "near"), [("plot", None), ("evalaute", "evaluate"), ("train", None)])
def test_an_unknown_command_lists_the_commands(word, near, folder):
    ended = arignote(word)
    assert ended.code == 2 and f"there is no command '{word}'." in ended.err
    assert "evaluate, export, fit, init, inspect, " in ended.err and "predict, render, " in ended.err
    assert (f"Did you mean '{near}'?" in ended.err) == (near is not None)
