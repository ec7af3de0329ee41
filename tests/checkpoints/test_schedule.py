"""When the state is saved, how many files are kept, and what happens while a file is being written."""

from __future__ import annotations

import errno
import os
import signal
import threading
from types import SimpleNamespace

import made_up
import pytest
import torch
from promise import digest_of
from stepped import Files

from arignote import NNClassifier
from arignote.checkpoints import schedule
from arignote.checkpoints.cadence import Cadence
from arignote.checkpoints.format import decode
from arignote.checkpoints.schedule import Checkpointer
from arignote.checkpoints.storage.lease import LeaseLostError
from arignote.checkpoints.writer import RunWriter
from arignote.errors import ArignoteWarning, CheckpointError
from arignote.report.inspection import inspection

LAYERS = [
    ["FCLayer", {"name": "fc1", "n_units": 12}],
    ["DropoutLayer", {"dropout_p": 0.3}],
    ["ClassificationOutputLayer", {"name": "output"}],
]
# 240 rows: four batches an epoch.
SETTINGS = {"n_epochs": 3, "batch_size": 64, "valid": 0.2, "sgd_type": "nag", "lr_rule": 0.1}


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
    monkeypatch.setattr(schedule, "time", SimpleNamespace(monotonic=lambda: clock.now))
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

    with pytest.warns(ArignoteWarning, match="interrupted_"):
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


def test_an_epoch_that_was_not_kept_is_reported_with_those_that_were(fit, tmp_path):
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
    monkeypatch.setattr(schedule, "SMALL", 0)


def expected_by_update(fit, folder):
    """Return the digest of the state at each position, from files that were waited for."""
    fit(checkpoint=folder / "run", checkpoint_every=1)
    return {(s.progress.epoch, s.progress.batch): digest_of(s) for s in states(folder)}


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, "epoch"])
def test_a_large_state_is_written_while_training_continues(every, fit, disk, tmp_path, monkeypatch):
    expected = expected_by_update(fit, tmp_path / "waited")
    monkeypatch.setattr(schedule, "SMALL", 0)
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
    # What was written is the state of that moment, though training continued meanwhile.
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


@pytest.mark.slow
@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("operation", ["fsync", "replace"])
def test_a_save_that_fails_once_is_reported_and_training_continues(operation, size, fit, tmp_path, monkeypatch):
    if size == "large":
        monkeypatch.setattr(schedule, "SMALL", 0)
    failing(monkeypatch, operation, lambda n: n == 1)
    with pytest.warns(ArignoteWarning) as shown:
        fitted = fit(checkpoint_every="epoch", n_epochs=4)
    assert len(shown) == 1
    text = str(shown[0].message)
    assert f"cannot be written: [Errno {errno.EIO}]" in text or f"cannot be renamed: [Errno {errno.EIO}]" in text
    assert text.endswith("Training continues; the last valid file is kept")
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

    with pytest.warns(ArignoteWarning, match="Training continues"):
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
    with pytest.warns(ArignoteWarning, match="interrupted_"):
        stopped = fit(accumulate=3, augmentation=interrupt_once, n_workers=0)
    assert SENT and stopped.interrupted_ and positions(tmp_path)[-1] == (1, 3)
    ended = fit(accumulate=3, augmentation=interrupt_once, n_workers=0)
    assert digest_of(ended.state_) == digest_of(fit(checkpoint=None, accumulate=3).state_)


# -- The checkpointer by itself: states made by hand, files in memory, a clock that stands still ----------------------


class Saved:
    """A checkpointer of a run in memory, and its state."""

    def __init__(self, tmp_path, clock, **settings):
        self.files, self.spool = Files(), Files()
        writer, spool = RunWriter(str(tmp_path / "run")), RunWriter(str(tmp_path / "spool"))
        writer.folder, spool.folder = self.files, self.spool
        self.clock = clock
        self.has_spool = settings.pop("has_spool", True)
        if "every" in settings:
            settings["every"] = Cadence.parse(settings["every"])
        self.of = Checkpointer(writer, spool=spool if self.has_spool else None, **settings)

    def epochs(self):
        names = sorted(name for name in self.files.contents if "epoch" in name)
        return [int(name.removeprefix("run_epoch").removesuffix(".ckpt")) for name in names]

    def newest(self, files=None, name="run"):
        files = self.files if files is None else files
        data = files.contents.get(f"{name}_last.ckpt")
        return None if data is None else decode(data, "")[0].progress


@pytest.fixture
def saved(tmp_path, clock):
    return lambda **settings: Saved(tmp_path, clock, **settings)


def live(epoch, batch=0, n_updates=None):
    """Return a state as the engine has it, with tensors."""
    found = made_up.state(epoch, batch=batch)
    found.network = {name: torch.from_numpy(array) for name, array in found.network.items()}
    if n_updates is not None:
        found.progress.n_updates = n_updates
    return found


@pytest.mark.parametrize(("every", "kept"), [("auto", [1, 1, 1, 4]), ("epoch", [1, 2, 3, 4])])
def test_without_files_the_last_good_state_is_copied_as_often_as_one_would_be_saved(every, kept, clock):
    """It is what a run that diverges is trained again from."""
    of, found = Checkpointer(None, Cadence.parse(every)), []
    for epoch, seconds in ((1, 0), (2, 0.5), (3, 0.4), (4, 0.2)):
        clock.now += seconds
        of.after_epoch(live(epoch))
        found.append(of.last_good().progress.epoch)
    assert found == kept


@pytest.mark.parametrize(
    ("every", "due"), [(1, [1, 2, 3, 4, 5, 6]), (2, [2, 4, 6]), (5, [5]), ("epoch", []), ("auto", [])]
)
def test_in_mid_epoch_every_so_many_updates_are_saved(every, due, saved):
    run, found = saved(every=every), []
    for n in range(1, 7):
        run.of.after_batch(live(0, n, n))
        progress = run.newest()
        if progress is not None and progress.n_updates == n:
            found.append(n)
    assert found == due


@pytest.mark.parametrize(("every", "seconds"), [("auto", 300.0), ("30s", 30.0), ("0.5s", 0.5)])
def test_in_mid_epoch_a_save_is_due_so_long_after_the_last_one_or_the_beginning(every, seconds, saved, clock):
    run = saved(every=every)
    clock.now += seconds - 0.1
    run.of.after_batch(live(0, 1))
    assert run.newest() is None
    clock.now += 0.1
    run.of.after_batch(live(0, 2))
    assert run.newest().batch == 2
    clock.now += seconds - 0.1
    run.of.after_batch(live(0, 3))
    assert run.newest().batch == 2
    clock.now += 0.1
    run.of.after_batch(live(0, 4))
    assert run.newest().batch == 4


@pytest.mark.parametrize(
    ("every", "found"), [("auto", [1, 1, 3]), ("epoch", [1, 2, 3]), (7, [1, 2, 3]), ("30s", [None] * 3)]
)
def test_the_end_of_an_epoch_is_saved_unless_it_comes_within_a_second_or_by_seconds(every, found, saved, clock):
    run, there = saved(every=every), []
    for epoch, wait in ((1, 0.0), (2, 0.9), (3, 0.1)):
        clock.now += wait
        run.of.after_epoch(live(epoch))
        there.append(run.newest().epoch if run.newest() else None)
    assert there == found and run.epochs() == []


def test_each_epoch_that_is_kept_is_saved_whatever_the_cadence(saved):
    for every in ("auto", "30s", "epoch"):
        run = saved(every=every, keep_all=True)
        for epoch in (1, 2):
            run.of.after_epoch(live(epoch))
        # A save in the middle of an epoch, and the last of a run that was stopped there, have no file of an epoch.
        run.of.finish(live(2, 1))
        assert run.epochs() == [1, 2] and run.newest().batch == 1
        run.of.finish(live(3))
        assert run.epochs() == [1, 2, 3]


def test_a_save_within_an_epoch_has_no_file_of_that_epoch(saved):
    run = saved(every=1, keep_all=True)
    run.of.after_batch(live(0, 1, 1))
    assert run.newest().batch == 1 and run.epochs() == []


def test_a_position_is_saved_once_but_a_stop_there_once_more(saved):
    run = saved(every="epoch")
    run.of.after_epoch(live(1))
    before = dict(run.files.contents)
    run.files.asked.clear()
    run.of.after_epoch(live(1))
    run.of.finish(live(1))
    assert run.files.contents == before and run.files.asked == []
    stopped = live(1)
    stopped.progress.stopped_by = "SIGTERM"
    run.of.finish(stopped)
    assert run.newest().stopped_by == "SIGTERM"


def test_a_state_that_is_not_finite_is_not_saved(saved, clock):
    for every in ("auto", "epoch", "30s"):
        run = saved(every=every)
        bad = live(1)
        bad.network["fc1.W"][0, 0] = float("nan")
        for act in (run.of.after_epoch, run.of.finish):
            with pytest.raises(FloatingPointError):
                act(bad)
        assert run.files.contents == {}
    # Even where nothing is due: an epoch later it would be too late.
    run = saved(every="30s")
    with pytest.raises(FloatingPointError):
        run.of.after_epoch(bad)


def test_without_files_the_last_good_state_is_in_memory(saved):
    of = Checkpointer(None, Cadence.parse("epoch"))
    assert of.last_good() is None
    one = live(1)
    of.after_batch(one)
    assert of.last_good() is None
    of.after_epoch(one)
    one.network["fc1.W"].zero_()
    kept = of.last_good()
    assert kept.progress.epoch == 1 and kept.network["fc1.W"][0, 0] == 101
    of.wait_briefly()


def test_the_last_good_state_is_the_newest_file(saved):
    run = saved(every="epoch")
    assert run.of.last_good() is None
    run.of.after_epoch(live(1))
    run.of.after_epoch(live(2))
    assert run.of.last_good().progress.epoch == 2


def test_while_the_store_is_away_the_state_is_kept_here_and_no_longer_than_that(saved):
    run = saved(every="epoch", keep_all=True)
    run.of.after_epoch(live(1))
    run.files.is_away = True
    for epoch in (2, 3):
        with pytest.warns(
            ArignoteWarning,
            match=r"does not answer\. Kept in \S+spool_last\.ckpt until the store answers\. Training continues",
        ):
            run.of.after_epoch(live(epoch))
    # The folder is made, or found to be full, before it is relied on.
    assert ("prepare", ".spool.probe") in run.spool.asked
    # The state alone: files of epochs are for the store.
    assert list(run.spool.contents) == ["spool_last.1.ckpt", "spool_last.ckpt"]
    assert run.newest(run.spool, "spool").epoch == 3
    run.files.is_away = False
    run.of.finish(live(4))
    assert run.newest().epoch == 4 and run.spool.contents == {}
    # There is nothing there now, so that nobody asks.
    run.spool.asked.clear()
    run.of.after_epoch(live(5))
    assert run.spool.asked == []


def test_files_that_an_earlier_process_kept_here_are_deleted_once_the_store_has_a_newer_state(saved, tmp_path, clock):
    first = saved(every="epoch")
    first.of._spool.save(live(1).snapshot())
    again = Checkpointer(first.of.files, Cadence.parse("epoch"), spool=first.of._spool)
    assert first.spool.contents
    again.after_epoch(live(2))
    assert first.spool.contents == {} and first.newest().epoch == 2


def test_if_neither_store_nor_this_machine_stores_the_state_both_errors_are_named(saved):
    run = saved(every="epoch")
    run.files.is_away = run.spool.is_away = True
    with pytest.raises(
        CheckpointError, match=r"files/: the store does not answer\. It could not be kept locally either: files/"
    ):
        run.of.finish(live(1))
    run = saved(every="epoch", has_spool=False)
    run.files.is_away = True
    with pytest.raises(CheckpointError) as refused:
        run.of.finish(live(1))
    assert "Kept in" not in str(refused.value) and "kept here" not in str(refused.value)


@pytest.mark.parametrize("n_failures", [1, 2])
def test_the_last_save_is_tried_twice(n_failures, saved):
    run, tried = saved(every="epoch", has_spool=False), []

    def fail(act, name):
        if act == "prepare":
            tried.append(name)
            if len(tried) <= n_failures:
                raise CheckpointError("full")

    run.files.before_act = fail
    if n_failures == 2:
        with pytest.raises(CheckpointError, match="full"):
            run.of.finish(live(1))
    else:
        run.of.finish(live(1))
        assert run.newest().epoch == 1
    assert len(tried) == 2


@pytest.mark.parametrize("fault", [LeaseLostError("lost"), ZeroDivisionError("a bug")], ids=type)
def test_a_lost_lease_and_an_error_of_the_program_are_raised_and_nothing_is_kept_here(fault, saved):
    run = saved(every="epoch")

    def fail(act, name):
        raise fault

    run.files.before_act = fail
    with pytest.raises(type(fault)):
        run.of.after_epoch(live(1))
        run.of.after_epoch(live(2))
    assert run.spool.contents == {}


def test_a_save_that_failed_is_made_again_at_the_same_position(saved):
    run = saved(every="epoch", has_spool=False)
    run.files.is_away = True
    with pytest.warns(ArignoteWarning, match="does not answer. Training continues; the last valid file is kept"):
        run.of.after_epoch(live(1))
        run.files.is_away = False
        run.of.after_epoch(live(1))
    assert run.newest().epoch == 1


@pytest.fixture
def writing(monkeypatch):
    """Returns what was asked of the threads that write: whether in the background."""
    found = []
    really = schedule._Writing

    class Writing(really):
        def __init__(self, act, in_background):
            found.append(in_background)
            super().__init__(act, in_background)

    monkeypatch.setattr(schedule, "_Writing", Writing)
    return found


def test_states_up_to_a_million_bytes_are_waited_for_and_larger_ones_written_in_the_background(
    saved, writing, monkeypatch
):
    assert schedule.SMALL == 1_000_000
    run = saved(every="epoch")
    # network 16, slots 16, history 2 columns of 8 bytes a row.
    size = 16 + 16 + 16
    for small, background in ((size, False), (size - 1, True)):
        monkeypatch.setattr(schedule, "SMALL", small)
        run.of.after_epoch(live(1))
        run.of.wait_briefly()
        run.of._wait(None)
        assert writing.pop() is background
        run.of._saved_position = None
    # The end of a run is waited for, however large.
    run.of.finish(live(2))
    assert writing == [False] and run.newest().epoch == 2


def test_the_bounds_are_a_million_bytes_ten_seconds_and_five_minutes():
    assert (schedule.SMALL, schedule.PATIENCE, schedule.LONG_EPOCH) == (1_000_000, 10.0, 300.0)


def test_a_write_that_takes_ten_seconds_is_reported_once_and_training_continues(saved, clock, monkeypatch):
    monkeypatch.setattr(schedule, "SMALL", 0)
    run, may_end = saved(every="epoch"), threading.Event()
    run.files.before_act = lambda act, name: may_end.wait(60)
    run.of.after_epoch(live(1))
    clock.now += 9.9
    run.of.after_epoch(live(2))
    clock.now += 0.1
    with pytest.warns(ArignoteWarning, match=r"run_last\.ckpt: write still running after 10 s; training continues"):
        run.of.after_epoch(live(3))
    clock.now += 100
    run.of.after_epoch(live(4))
    may_end.set()
    # What had to wait is saved with the next batch.
    assert run.of._wait(None)
    run.of.after_batch(live(4, 1))
    run.of._wait(None)
    assert run.newest().batch == 1 and read_epoch(run.files.contents["run_last.1.ckpt"]) == 1


def read_epoch(data):
    return decode(data, "")[0].progress.epoch


@pytest.mark.skipif(not hasattr(os, "setpriority"), reason="no priorities here")
@pytest.mark.parametrize("in_background", [True, False])
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_thread_that_writes_in_the_background_gives_way_to_training_and_to_the_end(
    in_background, platform, monkeypatch
):
    asked, threads = [], []
    monkeypatch.setattr(os, "setpriority", lambda *given: asked.append((*given, threading.get_native_id())))
    monkeypatch.setattr(schedule.sys, "platform", platform)
    writing = schedule._Writing(lambda: threads.append(threading.current_thread()), in_background)
    assert writing.ended(60) and writing.error is None
    (thread,) = threads
    # A daemon: a disk that never answers does not keep the process alive.
    assert thread.name == "arignote-writer" and thread.daemon
    # Linux has a priority for each thread; 10 of -20 (most) to 19 (least).
    own = thread.native_id
    assert asked == ([(os.PRIO_PROCESS, own, 10, own)] if in_background and platform == "linux" else [])


@pytest.mark.parametrize("end", ["wait_briefly", "last_good"])
def test_a_write_under_way_comes_to_its_end_before_a_run_ends_or_its_files_are_read(end, saved, monkeypatch):
    monkeypatch.setattr(schedule, "SMALL", 0)
    run, may_end, waited = saved(every="epoch"), threading.Event(), []
    run.files.before_act = lambda act, name: may_end.wait(60)
    run.of.after_epoch(live(1))
    really = threading.Event.wait

    def wait(self, seconds=None):
        if threading.current_thread() is threading.main_thread():
            waited.append(seconds)
            may_end.set()
        return really(self, seconds)

    monkeypatch.setattr(threading.Event, "wait", wait)
    found = getattr(run.of, end)()
    # At most so long where the process is about to end anyway.
    assert waited[0] == 10.0 and run.newest().epoch == 1
    assert end == "wait_briefly" or found.progress.epoch == 1
    may_end.set()


def test_training_does_not_wait_for_a_write_in_the_background(saved, monkeypatch):
    monkeypatch.setattr(schedule, "SMALL", 0)
    run, may_end, waited = saved(every="epoch"), threading.Event(), []
    run.files.before_act = lambda act, name: may_end.wait(60)
    run.of.after_epoch(live(1))
    really = threading.Event.wait

    def wait(self, seconds=None):
        if threading.current_thread() is threading.main_thread():
            waited.append(seconds)
        return really(self, seconds)

    with monkeypatch.context() as recorded:
        recorded.setattr(threading.Event, "wait", wait)
        run.of.after_epoch(live(2))
        run.of.after_batch(live(2, 1))
    may_end.set()
    assert waited == [0.0, 0.0]


def test_a_write_in_the_background_that_fails_at_the_end_is_reported_and_made_again(saved, monkeypatch):
    monkeypatch.setattr(schedule, "SMALL", 0)
    run, tried = saved(every="epoch", has_spool=False), []

    def fail(act, name):
        if act == "prepare" and not tried:
            tried.append(name)
            raise CheckpointError("full")

    run.files.before_act = fail
    run.of.after_epoch(live(1))
    with pytest.warns(ArignoteWarning, match=r"full\. Training continues; the last valid file is kept"):
        run.of.finish(live(1))
    assert tried and run.newest().epoch == 1
