"""Final epochs are resumed exactly: after each batch, in the validation before they begin, and killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest
from forked import Forked
from promise import Stopped, at_event, digest, killed_after, newest, resumes_after_every_batch, shift

from arignote import ArignoteWarning, CheckpointError, NNClassifier
from arignote.data import ArrayReader, HDFReader
from arignote.data.epoch import order
from arignote.data.readers.hdf import blocks
from arignote.data.rows import selection as rows

LAYERS = [
    ["FCLayer", {"n_units": 5}],
    ["BatchNormLayer"],
    ["DropoutLayer", {"dropout_p": 0.3}],
    ["ClassificationOutputLayer"],
]
RNG = np.random.default_rng(3)
X = (RNG.normal(size=(60, 6)) * 3 + 5).astype(np.float32)
Y = (X[:, 0] + RNG.normal(size=60) > 5).astype(np.int64)
# 42 rows are three batches, 60 are four: nine updates, then eight.
SETTINGS = {
    **{"n_epochs": 5, "final_epochs": 2, "batch_size": 16, "valid": 0.2, "test": 0.1, "sgd_type": "adam"},
    **{"lr_rule": {"rule": "stalled", "initial_value": 0.1, "multiply_by": 0.5, "interval": 1}, "n_threads": 1},
}


# The second one begins in the final epochs.
THAWED = [["FCLayer", {"n_units": 5, "fix_params": True, "thaw_at": epoch}] for epoch in (2, 4)]


def fit(x=X, y=Y, layers=LAYERS, **more):
    return NNClassifier(layers, rng=7).fit(x, y, **SETTINGS | more)


CASES = {
    "rows held out": {},
    "data of their own": {"valid": (X[:20] + 1, Y[:20]), "test": (X[:7] - 1, Y[:7])},
    "augmented in threads": {"augmentation": shift, "n_workers": 4, "accumulate": 2},
    "with an average": {
        "average": {"kind": "ema", "decay": 0.8},
        "rules": {"fc1.l2": {"rule": "fixed", "initial_value": 0.1, "multiply_by": 0.5, "interval": 1}},
    },
    "validated by examples": {"validation_frequency": 30, "monitor": "grad_norm"},
    "after a stop rule": {"n_epochs": 30, "stop_rule": {"rule": "stalled", "interval": 1}},
    "after a rule that restarts": {
        "n_epochs": 30,
        "lr_rule": {
            "rule": "annealer",
            "initial_value": 0.1,
            "interval": 1,
            "roll_back": "valid",
            "final_value": 0.005,
        },
    },
    "layers that are thawed": {"layers": [*THAWED, ["ClassificationOutputLayer"]]},
    "test data alone": {"valid": None, "lr_rule": 0.1},
    "balanced": {"balance_classes": True, "class_weight": "balanced"},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_stopped_after_every_batch_they_end_in_the_same_network(case, tmp_path):
    resumes_after_every_batch(lambda **more: fit(**CASES[case] | more), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("own", [False, True])
def test_stopped_after_every_batch_of_chunks_they_end_in_the_same_network(own, tmp_path, monkeypatch):
    for module in (rows, order):
        monkeypatch.setattr(module, "BLOCK_BYTES", 480)
    monkeypatch.setattr(blocks, "_READ_BYTES", 100)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=X, chunks=(7, 6), compression="gzip")
        file.create_dataset("own", data=X[:20] + 1, chunks=(5, 6), compression="gzip")

    def read(**more):
        valid = {"valid": (HDFReader(tmp_path / "x.h5", "own"), Y[:20])} if own else {}
        return fit(HDFReader(tmp_path / "x.h5", "x"), **valid | more)

    resumes_after_every_batch(read, tmp_path)


def states_of(stem, **more):
    """Return the state in the newest file at each batch of a run that saves each batch."""
    found = []
    fit(checkpoint=str(stem), checkpoint_every=1, observers=lambda event: found.append(newest(stem)), **more)
    return found


@pytest.mark.slow
def test_a_run_is_saved_with_them_begun_or_not_at_all(tmp_path):
    for state in states_of(tmp_path / "run"):
        # What was saved after the last batch of the third epoch is before its validation.
        has_begun = state.progress.epoch >= 3
        assert state.progress.is_final == has_begun
        assert state.progress.slots_since == (9 if has_begun else 0)
        if (state.progress.epoch, state.progress.batch) == (3, 0):
            assert not any(array.any() for array in state.slots.values())
            assert state.progress.final_since == 3


class Interrupting(ArrayReader):
    """Rows of an array; the next read once it is armed is interrupted by Ctrl-C."""

    is_armed = False

    def read(self, rows):
        if self.is_armed:
            self.is_armed = False
            os.kill(os.getpid(), signal.SIGINT)
        return super().read(rows)

    def arm(self):
        self.is_armed = True


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "n_validations"), [({}, 2), ({"validation_frequency": 180}, 0)])
def test_stopped_in_the_last_validation_before_them_they_end_in_the_same_network(settings, n_validations, tmp_path):
    valid, stem = (X[:20] + 1, Y[:20]), str(tmp_path / "run")
    whole = fit(valid=valid, test=None, **settings)
    reader = Interrupting(valid[0])
    # 60 rows are four batches: the twelfth is the last one of the third epoch.
    armed = at_event(12, reader.arm)
    with pytest.warns(ArignoteWarning, match="interrupted_"):
        stopped = fit(valid=(reader, valid[1]), test=None, checkpoint=stem, observers=armed, **settings)
    progress = stopped.state_.progress
    assert (progress.epoch, progress.batch, progress.n_validations) == (2, 4, n_validations)
    assert not progress.is_final
    assert digest(fit(valid=valid, test=None, checkpoint=stem, **settings)) == digest(whole)


@pytest.mark.slow
@pytest.mark.parametrize("n_batches", [8, 9, 12])
def test_without_its_best_file_a_run_is_not_resumed_from_another_network(n_batches, tmp_path):
    stem = tmp_path / "run"
    with pytest.raises(Stopped):
        fit(checkpoint=str(stem), checkpoint_every=1, observers=killed_after(n_batches))
    assert newest(stem).progress.is_final == (n_batches > 8)
    files = {path: path.read_bytes() for path in tmp_path.glob("*_best*")}
    for path, data in files.items():
        path.write_bytes(data[:-8] + bytes(8))
    with pytest.raises(CheckpointError, match=r"its best network .* is missing or damaged"):
        fit(checkpoint=str(stem))
    for path, data in files.items():
        path.write_bytes(data)
    assert digest(fit(checkpoint=str(stem))) == digest(fit())


KILLED = """
import os, signal, sys
sys.path[:0] = {folders!r}
from promise import at_event
from test_final_epochs import fit
fit(checkpoint={stem!r}, checkpoint_every=1, observers=at_event({n}, lambda: os.kill(os.getpid(), signal.SIGKILL)))
"""
HERE = Path(__file__).resolve().parent


@pytest.mark.slow
def test_killed_before_at_and_after_their_beginning_they_end_in_the_same_network(tmp_path):
    stem, folders = tmp_path / "run", [str(HERE), str(HERE.parent)]
    for n, position in ((9, (2, 2, False)), (2, (3, 0, True)), (3, (3, 2, True)), (3, (4, 0, True))):
        process = Forked(["-c", KILLED.format(folders=folders, stem=str(stem), n=n)])
        _, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, errors
        progress = newest(stem).progress
        assert (progress.epoch, progress.batch, progress.is_final) == position
    ended = fit(checkpoint=str(stem))
    assert digest(ended) == digest(fit()) and ended.state_.starts == [[0, 0], [2, 2], [3, 0], [3, 2], [4, 0]]
