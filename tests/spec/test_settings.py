"""The settings of a fit: which decide its numbers, and which touch the machine and so are never taken from a file."""

from __future__ import annotations

import re

import pytest
import torch

from arignote import ArignoteWarning, NNClassifier
from arignote.checkpoints.format import decode, encode
from arignote.sample_data import digits
from arignote.spec.settings import FitSettings, decides, is_of_the_machine

# Each setting belongs to one of three. A new one must be put here by hand: does it decide numbers, does it name or use
# something of the machine (files, devices, threads, memory, signals, the network, code), or neither?
DECIDES_NUMBERS = {
    *("shuffle", "drop_last", "allow_nonfinite", "axes", "preprocess", "partition", "class_weight", "balance_classes"),
    *("augmentation", "batch_size", "sgd_type", "lr_rule", "momentum_rule", "rules", "stop_rule"),
    *("accumulate", "shards"),
    *("sgd_max_grad_norm", "train_loss", "valid_loss", "test_loss", "validation_frequency", "validate_on_train"),
    *("sgd_max_grad_value", "scale_target", "missing_targets", "precision", "pretrain", "windows", "average"),
    "weighted_validation",
}
OF_THE_MACHINE = {
    "checkpoint": "a path that is written to",
    "resume": "whether files of that path are replaced",
    "device": "a device",
    "n_threads": "threads",
    "n_workers": "threads",
    "prefetch": "memory",
    "stop_signals": "handlers of signals",
    "preemption": "a path, or an address of the network, that is read",
    "observers": "functions that are called",
    "profile": "a path that is written to",
    "report": "whether a file is written beside the checkpoint",
    "log": "a path that is written to",
    "compile": "a C++ compiler, which is started",
}
NEITHER = {
    *("n_epochs", "restore_best", "checkpoint_every", "keep_last", "checkpoint_all", "keep_epochs", "extra_metadata"),
    *("channels_last", "verbose", "monitor", "final_epochs"),
}


def test_every_setting_decides_numbers_or_is_of_the_machine_or_neither():
    assert sorted(FitSettings.model_fields) == sorted([*DECIDES_NUMBERS, *OF_THE_MACHINE, *NEITHER])
    assert {name for name in FitSettings.model_fields if decides(name)} == DECIDES_NUMBERS
    assert {name for name in FitSettings.model_fields if is_of_the_machine(name)} == OF_THE_MACHINE.keys()


def test_types_of_paths_devices_threads_signals_and_functions_are_of_the_machine():
    touching = {"Stem", "Device", "Threads", "Signals", "Notices", "Observers"}
    kinds = {name: kind for cls in FitSettings.__mro__ for name, kind in getattr(cls, "__annotations__", {}).items()}
    found = {name for name, kind in kinds.items() if touching & set(re.findall(r"\w+", str(kind)))}
    assert found == {"checkpoint", "device", "n_threads", "stop_signals", "preemption", "observers"}
    assert found <= OF_THE_MACHINE.keys()


def test_nothing_of_the_machine_is_taken_from_a_file(tmp_path):
    """Each such setting is in the file, with another value than the default, and valid."""
    stem = tmp_path / "run"
    NNClassifier([["ClassificationOutputLayer"]], rng=1).fit(*digits(), n_epochs=1, checkpoint=str(stem))
    path = tmp_path / "run_last.ckpt"
    state = decode(path.read_bytes(), str(path))[0]
    written = {
        "checkpoint": str(tmp_path / "elsewhere"),
        "resume": "fresh",
        "device": "cuda:7",
        "n_threads": 3,
        "n_workers": 7,
        "prefetch": 9,
        "stop_signals": ["SIGUSR2"],
        "preemption": f"file:{tmp_path / 'secret'}",
        "observers": ["os:system"],
        "profile": str(tmp_path / "profile.txt"),
        "report": True,
        "log": str(tmp_path / "log.jsonl"),
        "compile": True,
    }
    assert written.keys() == OF_THE_MACHINE.keys()
    state.spec["fit"] |= written | {"batch_size": 77}
    path.write_bytes(b"".join(encode(state)[0]))
    loaded = NNClassifier.load(str(stem)).get_params()
    defaults = {name: FitSettings.model_fields[name].default for name in OF_THE_MACHINE} | {"checkpoint": str(stem)}
    assert {name: loaded[name] for name in OF_THE_MACHINE} == defaults and loaded["batch_size"] == 77


def test_a_loaded_run_that_was_compiled_is_compiled_again_only_if_the_caller_says_so(tmp_path, monkeypatch):
    X, y = digits()
    layers = [["FCMaxoutLayer", {"n_units": 3}], ["ClassificationOutputLayer"]]
    monkeypatch.setattr(torch, "compile", lambda function, dynamic: function)
    NNClassifier(layers, rng=1, compile=True).fit(X, y, n_epochs=1, checkpoint=str(tmp_path / "run"))
    monkeypatch.setattr(torch, "compile", lambda function, dynamic: pytest.fail("the compiler was started"))
    with pytest.warns(ArignoteWarning, match="environment.compile: True then, False now"):
        NNClassifier.load(str(tmp_path / "run")).fit(X, y, n_epochs=2)
