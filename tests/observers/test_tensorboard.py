"""Event files, read back by TensorBoard's own reader: after kills no step is missing or there twice."""

from __future__ import annotations

import errno
import os
import resource
import warnings
from pathlib import Path

import numpy as np
import pytest

from arignote import ArignoteWarning, ConfigError, NNClassifier
from arignote.observers import TensorBoardLog
from arignote.observers.events import Event

LAYERS = [["FCLayer", {"n_units": 5}], ["ClassificationOutputLayer"]]
X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
# Three batches of 48 rows.
SETTINGS = {"n_epochs": 4, "batch_size": 20, "valid": 0.2, "n_threads": 1, "sgd_type": "nag"}


@pytest.fixture(scope="module")
def reader():
    with warnings.catch_warnings():
        # tensorboard uses what is deprecated elsewhere.
        warnings.simplefilter("ignore")
        module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def read(folder):
        """Return (step, value) of each tag."""
        found = module.EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
        return {tag: [(one.step, one.value) for one in found.Scalars(tag)] for tag in found.Tags()["scalars"]}

    return read


class Kill(BaseException):
    """Ends a fit at once, as a kill does: nothing more is saved."""


def fit(folder, kill_at=None, **settings):
    """Fit with a log; it is killed after so many events."""
    n_events = 0

    def kill(event):
        nonlocal n_events
        n_events += 1
        if n_events == kill_at:
            raise Kill

    observers = [["TensorBoardLog", {"path": str(folder), "batches": True}], kill]
    return NNClassifier(LAYERS, rng=3).fit(X, Y, **SETTINGS | settings, observers=observers)


def test_the_scalars_are_the_history_and_the_losses_of_batches(reader, tmp_path):
    history = fit(tmp_path).history_
    found = reader(tmp_path)
    steps = [row["examples_seen"] for row in history]
    for name in ("train_nll", "valid_nll", "valid_error", "learning_rate", "epoch"):
        assert found.pop(name) == [(step, np.float32(row[name])) for step, row in zip(steps, history, strict=True)]
    # Batches of 20, 20 and 8 rows; the mean of their losses over an epoch is that of the history.
    loss = found.pop("loss")
    assert [step for step, _ in loss[:4]] == [20, 40, 48, 68]
    weighted = np.dot([20, 20, 8], [value for _, value in loss[:3]]) / 48
    assert weighted == pytest.approx(history[0]["train_nll"], rel=1e-5)
    assert set(found) == {"momentum", "seconds"}


@pytest.mark.slow
@pytest.mark.parametrize("every", [2, 3])
def test_kills_leave_no_step_out_and_none_there_twice(every, reader, tmp_path):
    fit(tmp_path / "whole")
    for kill_at in (8, 5, 6, 9, None):
        try:
            fit(tmp_path / "killed", kill_at, checkpoint=str(tmp_path / "run"), checkpoint_every=every)
        except Kill:
            # The middle of a record.
            last = max((tmp_path / "killed").iterdir())
            last.write_bytes(last.read_bytes() + b"\x20\0\0\0\0\0\0\0\1\2")
    expected, found = reader(tmp_path / "whole"), reader(tmp_path / "killed")
    assert expected.pop("seconds") and found.pop("seconds")
    assert found == expected and len(expected["loss"]) == 12 and len(expected["valid_nll"]) == 4


def test_what_a_full_disk_had_no_room_for_is_written_when_there_is_room(reader, tmp_path):
    fit(tmp_path / "whole")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = TensorBoardLog(path=str(tmp_path / "full"), batches=True).opened()

    def limited(event):
        # The first epoch ends in the middle of a record.
        resource.setrlimit(resource.RLIMIT_FSIZE, (300 if event.epoch == 1 else hard, hard))
        try:
            log(event)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    with pytest.warns(ArignoteWarning, match="File too large"):
        NNClassifier(LAYERS, rng=3).fit(X, Y, **SETTINGS, observers=limited)
    expected, found = reader(tmp_path / "whole"), reader(tmp_path / "full")
    assert expected.pop("seconds") and found.pop("seconds")
    assert found == expected


def test_after_a_start_that_could_not_make_its_file_nothing_is_written(reader, tmp_path, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    log = TensorBoardLog(path=str(tmp_path)).opened()
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left on device"):
        patch.setattr(Path, "touch", full)
        log(Event("start", 1, 2, 0, 1, {}))
    log(Event("validation", 1, 2, 1, 1, {"examples_seen": 8, "valid_nll": 0.5}, examples_seen=8))
    assert not list(tmp_path.iterdir())


def test_a_damaged_record_and_what_follows_it_is_cut_off(reader, tmp_path):
    folder = tmp_path / "log"
    fit(folder, checkpoint=str(tmp_path / "run"), n_epochs=1)
    (path,) = folder.iterdir()
    # Eight bytes that are no record: a field of 127 bytes.
    path.write_bytes(path.read_bytes() + b"\x08" + bytes(11) + b"\x0a\x7f" + bytes(10))
    fit(folder, checkpoint=str(tmp_path / "run"))
    fit(tmp_path / "whole")
    assert reader(folder)["valid_nll"] == reader(tmp_path / "whole")["valid_nll"]


def test_without_the_package_a_fit_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setattr("arignote.observers.tensorboard.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'arignote\[tensorboard\]'"):
        TensorBoardLog(path=str(tmp_path)).opened()
