"""One run, one writer, where nothing can be locked: renewed, waited for, taken over, and never written past."""

from __future__ import annotations

import json
import os
import socket
import threading
import time

import pytest

from arignote import CheckpointError, NNClassifier
from arignote.checkpoint import decode
from arignote.errors import ArignoteWarning
from arignote.storage import lease
from arignote.storage.lease import Lease, LeaseLostError
from arignote.storage.local import LocalFolder

FOREIGN = {"host": "elsewhere", "pid": 4711, "id": "f" * 32}


def nothing():
    pass


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Renewed every 0.1 s, taken over after 0.6 s."""
    monkeypatch.setattr(lease, "RENEW_AFTER", 0.1)
    monkeypatch.setattr(lease, "STALE_AFTER", 0.6)
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), thread


@pytest.fixture
def no_locks(monkeypatch):
    """A network file system without locks: the runs in its folders have leases."""

    def none(*args):
        raise OSError("Operation not supported")

    monkeypatch.setattr("arignote.storage.local.fcntl.flock", none)


def foreign(folder, count=1):
    folder.write(".run.lease", [json.dumps(FOREIGN | {"renewed": count}).encode()])


class Elsewhere:
    """Another machine that renews its lease for some seconds, and then is dead."""

    def __init__(self, folder, seconds):
        foreign(folder)
        self._folder, self._ends = folder, time.monotonic() + seconds
        self.died = 0.0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        count = 1
        while time.monotonic() < self._ends:
            time.sleep(0.1)
            count += 1
            foreign(self._folder, count)
        self.died = time.monotonic()

    def join(self):
        self._thread.join()


def test_a_lease_says_whose_it_is_is_renewed_and_leaves_no_file(tmp_path):
    folder = LocalFolder(tmp_path)
    held = Lease(folder, "run", nothing)
    first = json.loads(folder.read(".run.lease"))
    assert (first["host"], first["pid"]) == (socket.gethostname(), os.getpid())
    held.check()
    deadline = time.monotonic() + 10
    while json.loads(folder.read(".run.lease"))["renewed"] < first["renewed"] + 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    held.release()
    assert folder.names() == []
    time.sleep(0.3)
    assert folder.names() == []


def test_the_lease_of_the_living_is_waited_for_and_that_of_the_dead_taken_over(tmp_path):
    folder = LocalFolder(tmp_path)
    other = Elsewhere(folder, 1.5)
    with pytest.warns(ArignoteWarning, match=r"run: process 4711 on elsewhere holds this run; waiting") as told:
        held = Lease(folder, "run", nothing)
    other.join()
    assert time.monotonic() - other.died >= 0.5
    assert len(told) == 1
    held.check()
    held.release()
    assert folder.names() == []


def test_a_released_lease_is_taken_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "STALE_AFTER", 1e9)
    folder = LocalFolder(tmp_path)
    foreign(folder)
    release = threading.Timer(0.3, folder.remove, [".run.lease"])
    release.start()
    with pytest.warns(ArignoteWarning, match="4711 on elsewhere"):
        held = Lease(folder, "run", nothing)
    held.release()
    release.join()


def test_a_damaged_lease_ends_as_any_other(tmp_path):
    (tmp_path / ".run.lease").write_bytes(b"\xff\x00")
    with pytest.warns(ArignoteWarning, match="another process holds this run"):
        Lease(LocalFolder(tmp_path), "run", nothing).release()
    assert os.listdir(tmp_path) == []


def test_a_stop_request_ends_the_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "STALE_AFTER", 1e9)
    folder = LocalFolder(tmp_path)
    foreign(folder)
    calls = []

    def heed():
        calls.append(1)
        if len(calls) == 3:
            raise InterruptedError

    with pytest.warns(ArignoteWarning), pytest.raises(InterruptedError):
        Lease(folder, "run", heed)
    assert json.loads(folder.read(".run.lease")) == FOREIGN | {"renewed": 1}


def test_of_many_that_take_it_at_once_only_one_keeps_it(tmp_path):
    folder = LocalFolder(tmp_path)
    foreign(folder)
    start, end, held, errors = threading.Barrier(4), threading.Event(), [], []

    def gone():
        if end.is_set():
            raise InterruptedError

    def newcomer():
        start.wait()
        try:
            held.append(Lease(LocalFolder(tmp_path), "run", gone))
        except InterruptedError:
            pass
        except Exception as fault:
            errors.append(fault)

    threads = [threading.Thread(target=newcomer) for _ in range(4)]
    with pytest.warns(ArignoteWarning):
        for thread in threads:
            thread.start()
        # Longer than a lease lasts: the others wait, because the one is renewed.
        time.sleep(2.5)
        end.set()
        for thread in threads:
            thread.join()
    assert not errors and held

    def is_good(one):
        try:
            one.check()
        except LeaseLostError:
            return False
        return True

    assert [is_good(one) for one in held].count(True) == 1
    for one in held:
        one.release()
    assert folder.names() == []


def test_a_machine_that_slept_takes_nothing_over_from_the_living(tmp_path, monkeypatch):
    """Between looking at the lease and deciding, the newcomer sleeps for long; the lease was renewed meanwhile."""
    folder = LocalFolder(tmp_path)
    foreign(folder)
    reads = []
    really = LocalFolder.read

    def read(self, name, n_bytes=None):
        found = really(self, name, n_bytes)
        reads.append(name)
        if len(reads) == 2:
            time.sleep(1.0)
            foreign(folder, 2)
        return found

    def heed():
        if len(reads) > 3:
            raise InterruptedError

    monkeypatch.setattr(LocalFolder, "read", read)
    with pytest.warns(ArignoteWarning), pytest.raises(InterruptedError):
        Lease(folder, "run", heed)
    assert json.loads(really(folder, ".run.lease")) == FOREIGN | {"renewed": 2}


def test_who_lost_the_lease_stops_without_writing(digits, layers, tmp_path, no_locks):
    stem, folder = str(tmp_path / "run"), LocalFolder(tmp_path)
    taken = {}

    def take_over(event):
        if event.kind == "batch" and event.epoch == 2 and not taken:
            # The newcomer's lease, and the file that it wrote.
            foreign(folder)
            taken.update({name: folder.read(name) for name in folder.names()})

    with pytest.raises(CheckpointError, match=r"taken over by process 4711 on elsewhere.*stops without writing"):
        NNClassifier(layers, rng=3).fit(
            *digits, n_epochs=4, checkpoint=stem, checkpoint_every="epoch", observers=take_over
        )
    assert taken and {name: folder.read(name) for name in folder.names()} == taken


def test_a_lease_that_is_gone_is_a_lease_that_was_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "RENEW_AFTER", 30.0)
    monkeypatch.setattr(lease.time, "sleep", lambda seconds: None)
    folder = LocalFolder(tmp_path)
    held = Lease(folder, "run", nothing)
    folder.remove(".run.lease")
    for _ in range(2):
        with pytest.raises(LeaseLostError, match="taken over by another process, or removed"):
            held.check()
    held.release()
    assert folder.names() == []


def test_a_second_fit_waits_for_the_first_and_goes_on_from_its_files(digits, layers, tmp_path, no_locks):
    stem = str(tmp_path / "run")
    settings = {"n_epochs": 3, "checkpoint": stem, "checkpoint_every": "epoch"}
    begun, ended = threading.Event(), []

    def slowly(event):
        begun.set()
        time.sleep(0.05)

    first = threading.Thread(
        target=lambda: ended.append(NNClassifier(layers, rng=3).fit(*digits, **settings, observers=slowly))
    )
    first.start()
    assert begun.wait(20)
    with pytest.warns(ArignoteWarning, match=f"process {os.getpid()} on {socket.gethostname()} holds this run"):
        second = NNClassifier(layers, rng=3).fit(*digits, **settings)
    first.join()
    assert second.story_.startswith("finished, 3 of 3 epochs")
    assert second.state_.history.sha256() == ended[0].state_.history.sha256()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    assert decode((tmp_path / "run_last.ckpt").read_bytes(), "")[0].starts == [[0, 0]]
