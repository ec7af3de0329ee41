"""When the state is saved, how many files are kept, and what happens while a file is being written."""

from __future__ import annotations

import errno
import os
import signal
import threading
from types import SimpleNamespace

import pytest
from promise import digest_of

from arignote import NNClassifier, checkpointer
from arignote.checkpoint import decode
from arignote.errors import ArignoteWarning, CheckpointError
from arignote.report.inspection import inspection

LAYERS = [
    ["FCLayer", {"name": "fc1", "n_units": 12}],
    ["DropoutLayer", {"dropout_p": 0.3}],
    ["ClassificationOutputLayer", {"name": "output"}],
]
# 240 rows: four batches an epoch.
SETTINGS = {"n_epochs": 3, "batch_size": 64, "valid": 0.2, "sgd_type": "nag", "lr_rule": 0.1}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def fit(digits, tmp_path):
    def run(checkpoint=tmp_path / "run", **more):
        stem = {"checkpoint": str(checkpoint)} if checkpoint else {}
        return NNClassifier(LAYERS, rng=3).fit(*digits, **SETTINGS | stem | {"keep_last": 1000} | more)

    return run


@pytest.fixture
def clock(monkeypatch):
    """A clock of the cadence that stands still until it is set."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(checkpointer, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def states(folder):
    """Return the states of all last files, in the order in which they were saved."""
    paths = [folder / "run_last.ckpt", *(folder / f"run_last.{n}.ckpt" for n in range(1, 1000))]
    found = [decode(path.read_bytes(), str(path))[0] for path in paths if path.exists()]
    assert len({state.run_id for state in found}) == 1
    return found[::-1]


def positions(folder):
    return [(state.progress.epoch, state.progress.batch) for state in states(folder)]


def names(folder, kind):
    return sorted(path.name for path in folder.glob(f"run_{kind}*"))


def ticking(clock, seconds, kind):
    def observer(event):
        clock.now += seconds if event.kind == kind else 0.0

    return observer


def test_epoch_saves_the_beginning_and_the_end_of_each_epoch(fit, tmp_path):
    fit(checkpoint_every="epoch")
    assert positions(tmp_path) == [(0, 0), (1, 0), (2, 0), (3, 0)]


def test_a_number_saves_after_so_many_updates_and_at_the_end_of_each_epoch(fit, tmp_path):
    fit(checkpoint_every=3)
    assert positions(tmp_path) == [(0, 0), (0, 3), (1, 0), (1, 2), (2, 0), (2, 1), (2, 4), (3, 0)]


def test_auto_joins_saves_closer_than_a_second_and_saves_the_last(fit, tmp_path, clock):
    fit(n_epochs=8)
    assert positions(tmp_path) == [(0, 0), (1, 0), (8, 0)]


@pytest.mark.parametrize(
    ("seconds", "saved"),
    [
        (0.4, [0, 1, 4, 7, 8]),
        (0.5, [0, 1, 3, 5, 7, 8]),
        (1.0, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_auto_saves_the_first_epoch_that_ends_a_second_after_the_last_save(seconds, saved, fit, tmp_path, clock):
    fit(n_epochs=8, observers=ticking(clock, seconds, "validation"))
    assert positions(tmp_path) == [(epoch, 0) for epoch in saved]


def test_auto_saves_in_the_middle_of_an_epoch_of_more_than_five_minutes(fit, tmp_path, clock):
    fit(n_epochs=2, observers=ticking(clock, 100.0, "batch"))
    # The third batch, the epoch's end; then three batches after that, and the end.
    assert positions(tmp_path) == [(0, 0), (0, 3), (1, 0), (1, 3), (2, 0)]


def test_seconds_save_after_the_batch_in_which_they_are_over_and_at_the_end(fit, tmp_path, clock):
    fit(checkpoint_every="30s", observers=ticking(clock, 10.0, "batch"))
    assert positions(tmp_path) == [(0, 0), (0, 3), (1, 2), (2, 1), (2, 4), (3, 0)]


@pytest.mark.parametrize("every", ["auto", "1000s", "epoch", 1000])
def test_a_stop_is_saved_whatever_the_cadence(every, fit, tmp_path, clock):
    def interrupt(event):
        if (event.kind, event.epoch, event.batch) == ("batch", 2, 3):
            os.kill(os.getpid(), signal.SIGINT)

    assert fit(checkpoint_every=every, observers=interrupt).interrupted_
    assert positions(tmp_path)[-1] == (1, 3) and states(tmp_path)[-1].progress.stopped_by == "SIGINT"
    assert digest_of(fit(checkpoint_every=every).state_) == digest_of(fit(checkpoint=None).state_)


def test_so_many_last_files_are_kept_the_newest_ones(fit, tmp_path):
    fit(checkpoint_every=1, keep_last=3)
    assert names(tmp_path, "last") == ["run_last.1.ckpt", "run_last.2.ckpt", "run_last.ckpt"]
    assert positions(tmp_path) == [(2, 3), (2, 4), (3, 0)]
    fit(keep_last=2)
    assert names(tmp_path, "last") == ["run_last.1.ckpt", "run_last.ckpt"]
    assert positions(tmp_path) == [(2, 4), (3, 0)]


def test_a_best_file_is_kept_as_long_as_a_last_file_names_it(fit, tmp_path):
    fit(checkpoint_every="epoch", keep_last=2, n_epochs=6)
    needed = {state.best.digest for state in states(tmp_path)}
    there = {decode(path.read_bytes(), "")[1] for path in tmp_path.glob("run_best*")}
    assert there == needed and len(needed) == 2


@pytest.mark.parametrize("every", ["auto", "epoch", 3, "1000s"])
def test_each_epoch_is_kept_in_a_file_of_its_own(every, fit, tmp_path, clock):
    fit(checkpoint_every=every, checkpoint_all=True, n_epochs=4)
    assert names(tmp_path, "epoch") == [f"run_epoch{n}.ckpt" for n in (1, 2, 3, 4)]
    for n in (1, 2, 3, 4):
        state = decode((tmp_path / f"run_epoch{n}.ckpt").read_bytes(), "")[0]
        assert (state.progress.epoch, state.progress.batch, len(state.history)) == (n, 0, n)
    assert NNClassifier.load(str(tmp_path / "run"), which="2").n_epochs_ == 2


def test_an_epoch_that_was_not_kept_is_told_with_those_there_are(fit, tmp_path):
    fit(checkpoint_all=True, n_epochs=2)
    stem = str(tmp_path / "run")
    for read in (NNClassifier.load, inspection):
        with pytest.raises(
            CheckpointError, match=r"there is no run_epoch7\.ckpt\..*There are: .*run_epoch2\.ckpt, run_"
        ):
            read(stem, "7")
        with pytest.raises(CheckpointError, match=r"nothing: there is no nothing_best\.ckpt\. There are: none"):
            read(str(tmp_path / "nothing"), "best")


def test_the_newest_of_the_epochs_are_kept(fit, tmp_path):
    fit(checkpoint_all=True, keep_epochs=2, n_epochs=11)
    assert names(tmp_path, "epoch") == ["run_epoch10.ckpt", "run_epoch11.ckpt"]


def test_without_files_nothing_is_written_and_the_end_is_the_same(fit, tmp_path):
    assert digest_of(fit(checkpoint=None).state_) == digest_of(fit(checkpoint_every=1).state_)
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"run_last", "run_best"}


class Disk:
    """The disk as `os.fsync` in the writer's thread: it can be held, and counts who is inside."""

    def __init__(self, monkeypatch):
        self.free = threading.Event()
        self.free.set()
        self.waiting = threading.Event()
        self.n_inside = self.n_done = 0
        self.returned = False
        self._really = os.fsync
        monkeypatch.setattr(os, "fsync", self._fsync)

    def _fsync(self, handle):
        if threading.current_thread().name != "arignote-writer":
            return self._really(handle)
        assert not self.returned
        self.n_inside += 1
        if not self.free.is_set():
            self.waiting.set()
        assert self.free.wait(60)
        self._really(handle)
        self.n_inside -= 1
        self.n_done += 1
        return None


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


@pytest.fixture
def large(monkeypatch):
    """Every state counts as large."""
    monkeypatch.setattr(checkpointer, "SMALL", 0)


def expected_by_update(fit, folder):
    """Return the digest of the state at each position, from files that were waited for."""
    fit(checkpoint=folder / "run", checkpoint_every=1)
    return {(s.progress.epoch, s.progress.batch): digest_of(s) for s in states(folder)}


@pytest.mark.parametrize("every", [1, "epoch"])
def test_a_large_state_is_written_while_training_goes_on(every, fit, disk, tmp_path, monkeypatch):
    expected = expected_by_update(fit, tmp_path / "waited")
    monkeypatch.setattr(checkpointer, "SMALL", 0)
    passed = []

    def hold(event):
        if event.kind == "batch":
            passed.append((event.epoch, event.batch))
        if passed == [(1, 1)]:
            disk.free.clear()
        if passed and passed[-1] == (3, 2) and not disk.free.is_set():
            # More than an epoch was trained while one file was not yet on disk.
            assert disk.waiting.wait(60) and disk.n_inside == 1
            disk.free.set()

    fitted = fit(checkpoint_every=every, observers=hold)
    disk.returned = True
    assert disk.n_inside == 0 and disk.n_done > 0
    found = states(tmp_path)
    at = [(state.progress.epoch, state.progress.batch) for state in found]
    # The beginning, the one that was held, and none until it was done.
    assert at[:2] == [(0, 0), (0, 1) if every == 1 else (1, 0)] and at[2] >= (2, 2) and at[-1] == (3, 0)
    assert at == sorted(set(at))
    # What was written is the state of that moment, though training went on under it.
    assert [digest_of(state) for state in found] == [expected[place] for place in at]
    assert digest_of(found[-1]) == digest_of(fitted.state_)
    assert not list(tmp_path.glob(".*"))


def test_fit_returns_when_the_last_state_is_on_disk(fit, disk, large, tmp_path):
    opened = []

    def hold(event):
        if event.kind == "validation" and event.epoch == 3:
            disk.free.clear()
            # Whoever opens the disk does it when the last file waits for it.
            opener = threading.Thread(target=lambda: (disk.waiting.wait(60), opened.append(1), disk.free.set()))
            opener.start()

    fitted = fit(checkpoint_every="epoch", observers=hold)
    disk.returned = True
    assert opened == [1] and disk.n_inside == 0
    assert digest_of(states(tmp_path)[-1]) == digest_of(fitted.state_) and fitted.state_.finished


def test_each_epoch_of_a_large_state_is_kept_however_slow_the_disk(fit, disk, large, tmp_path):
    def hold(event):
        if event.kind == "start":
            disk.free.clear()
        if (event.kind, event.epoch) == ("validation", 2):
            # The file of the first epoch is not on disk, and that of the second has to wait for it.
            assert disk.waiting.wait(60) and not names(tmp_path, "epoch")
            threading.Timer(0.1, disk.free.set).start()

    fit(checkpoint_all=True, n_epochs=5, observers=hold)
    assert names(tmp_path, "epoch") == [f"run_epoch{n}.ckpt" for n in (1, 2, 3, 4, 5)]
    assert [decode((tmp_path / f"run_epoch{n}.ckpt").read_bytes(), "")[0].progress.epoch for n in (1, 3, 5)] == [
        1,
        3,
        5,
    ]


def failing(monkeypatch, name, whether):
    """Make an operation of the operating system fail, in the writer's thread, in the calls that are chosen."""
    really, calls = getattr(os, name), []

    def operation(*args):
        if threading.current_thread().name == "arignote-writer":
            calls.append(args)
            if whether(len(calls)):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really(*args)

    monkeypatch.setattr(os, name, operation)


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("operation", ["fsync", "replace"])
def test_a_save_that_fails_once_is_told_and_training_goes_on(operation, size, fit, tmp_path, monkeypatch):
    if size == "large":
        monkeypatch.setattr(checkpointer, "SMALL", 0)
    failing(monkeypatch, operation, lambda n: n == 1)
    with pytest.warns(ArignoteWarning) as told:
        fitted = fit(checkpoint_every="epoch", n_epochs=4)
    assert len(told) == 1
    text = str(told[0].message)
    assert f"cannot be written: [Errno {errno.EIO}]" in text or f"cannot be renamed: [Errno {errno.EIO}]" in text
    assert text.endswith("Training goes on; the last good file stays")
    at = positions(tmp_path)
    assert at[0] == (0, 0) and at[-1] == (4, 0) and (1, 0) not in at and at == sorted(set(at))
    monkeypatch.undo()
    assert (
        digest_of(states(tmp_path)[-1])
        == digest_of(fitted.state_)
        == digest_of(fit(checkpoint=None, n_epochs=4).state_)
    )
    assert not list(tmp_path.glob(".*"))


def test_a_last_save_that_fails_once_is_made_again(fit, tmp_path, monkeypatch):
    wrong = []
    failing(monkeypatch, "fsync", lambda n: bool(wrong) and wrong.pop())

    def observer(event):
        if (event.kind, event.epoch) == ("validation", 3):
            wrong.append(True)

    with pytest.warns(ArignoteWarning, match="Training goes on"):
        fit(checkpoint_every="epoch", observers=observer)
    assert positions(tmp_path) == [(0, 0), (1, 0), (2, 0), (3, 0)]


@pytest.mark.parametrize("every", [1, 2, "0.000001s"])
def test_positions_fall_on_updates_only(every, fit, tmp_path):
    fit(accumulate=3, checkpoint_every=every)
    found = states(tmp_path)
    # Three batches, then the one that is left; never between.
    assert {state.progress.batch for state in found} <= {0, 3, 4}
    for state in found:
        assert state.progress.n_updates == 2 * state.progress.epoch + {0: 0, 3: 1, 4: 2}[state.progress.batch]
    if every == 1:
        assert len(found) == 1 + 3 * 3


SENT = []


def interrupt_once(x, y, epoch):
    if epoch == 1 and not SENT:
        SENT.append(os.kill(os.getpid(), signal.SIGINT))
    return x, y


def test_a_stop_in_the_middle_of_an_update_waits_for_its_end(fit, tmp_path):
    SENT.clear()
    stopped = fit(accumulate=3, augmentation=interrupt_once, n_workers=0)
    assert SENT and stopped.interrupted_ and positions(tmp_path)[-1] == (1, 3)
    ended = fit(accumulate=3, augmentation=interrupt_once, n_workers=0)
    assert digest_of(ended.state_) == digest_of(fit(checkpoint=None, accumulate=3).state_)
