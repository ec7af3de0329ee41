"""One writer per run where nothing can be locked: holder and newcomers in every order of their steps."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import warnings
from types import SimpleNamespace

import pytest
from stepped import Clock, Files, Process, World, every_order

from arignote import CheckpointError, NNClassifier
from arignote.checkpoints.format import decode
from arignote.checkpoints.storage import lease
from arignote.checkpoints.storage.lease import Lease, LeaseLapsedError, LeaseLostError
from arignote.checkpoints.storage.local import LocalFolder
from arignote.errors import ArignoteWarning

FOREIGN = {"host": "elsewhere", "pid": 4711, "id": "f" * 32}
NAME = ".run.lease"


def nothing():
    pass


def stop():
    raise InterruptedError


def foreign(count=1):
    return json.dumps(FOREIGN | {"renewed": count}).encode()


@pytest.fixture
def files():
    return Files()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def held(files, clock):
    """The lease of a run, taken at 1000 s; the wait after that ended at 1000.5 s."""
    return Lease(files, "run", nothing, clock)


def is_held(one):
    """Return whether a process believes that it holds the run."""
    try:
        one.check_deadline()
    except CheckpointError:
        return False
    return True


def test_the_periods_are_those_of_the_documentation():
    # A holder that renews on time misses four renewals before it gives up, and gives up before others take over.
    assert (lease.RENEW_AFTER, lease.STALE_AFTER, lease.MARGIN) == (10.0, 60.0, 10.0)


def test_a_lease_names_its_holder_is_renewed_and_leaves_no_file(files, clock, held):
    first = json.loads(files.contents[NAME])
    assert (first["host"], first["pid"]) == (socket.gethostname(), os.getpid())
    assert len(first["id"]) == 32 and first["renewed"] == 1
    held.check()
    (renew,) = clock.renewals
    for n in (2, 3):
        renew()
        assert json.loads(files.contents[NAME]) == first | {"renewed": n}
    held.release()
    assert files.contents == {} and clock.renewals == []
    with pytest.raises(LeaseLapsedError):
        held.check()


def test_two_leases_of_one_process_are_not_the_same(held, clock):
    other = Lease(Files(), "run", nothing, clock)
    other._folder.contents[NAME] = held._folder.contents[NAME]
    with pytest.raises(LeaseLostError, match=f"process {os.getpid()} on {socket.gethostname()}"):
        other.check()


@pytest.mark.parametrize("n_renewals", [0, 3])
def test_a_lease_is_taken_over_when_it_was_not_renewed_for_60_seconds(n_renewals, files, clock):
    files.contents[NAME] = foreign()
    looks = []

    def check_stop():
        looks.append(clock.time)
        assert files.contents[NAME] == foreign(len(renewed))
        if len(renewed) <= n_renewals and clock.time >= 1000 + 59 * len(renewed):
            # The last moment but one: the other still lives.
            renewed.append(clock.time)
            files.contents[NAME] = foreign(len(renewed))

    renewed = [1000.0]
    with pytest.warns(ArignoteWarning, match=r"run: process 4711 on elsewhere holds this run; waiting") as caught:
        held = Lease(files, "run", check_stop, clock)
    assert "or has not been renewed for 60 s" in str(caught[0].message) and len(caught) == 1
    # It looks every half second, so it sees a renewal as late as that; 2 s after its write it reads the lease again.
    seen = renewed[-1] + (0.5 if n_renewals else 0)
    assert clock.time == seen + 60 + 2 or n_renewals
    assert 60 <= clock.time - 2 - renewed[-1] <= 61
    assert looks[:3] == [1000.0, 1000.5, 1001.0]
    held.check()
    held.release()
    assert files.contents == {}


def test_a_released_lease_is_taken_at_once(files, clock):
    files.contents[NAME] = foreign()
    looks = []

    def check_stop():
        looks.append(clock.time)
        if len(looks) == 3:
            files.contents.clear()

    with pytest.warns(ArignoteWarning, match="4711 on elsewhere"):
        Lease(files, "run", check_stop, clock).check()
    # The third look, the pause after it, and the pause after the write.
    assert clock.time == 1001.0 + 0.5 + 0.5


def test_a_damaged_lease_ends_as_any_other(files, clock):
    files.contents[NAME] = b"\xff\x00"
    with pytest.warns(ArignoteWarning, match="another process holds this run"):
        Lease(files, "run", nothing, clock).release()
    assert files.contents == {} and clock.time == 1062.0


def test_an_exception_of_the_waiting_ends_it(files, clock):
    files.contents[NAME] = foreign()
    with pytest.warns(ArignoteWarning), pytest.raises(InterruptedError):
        Lease(files, "run", stop, clock)
    assert files.contents == {NAME: foreign()} and clock.renewals == []


def test_a_machine_that_was_suspended_takes_nothing_over_from_the_living(files, clock):
    """Between looking at the clock and at the lease the newcomer is suspended; the lease is renewed meanwhile."""
    files.contents[NAME] = foreign(0)
    n_reads = 0

    def suspended(act, name):
        nonlocal n_reads
        n_reads += 1
        clock.time += 1000
        # Each read sees what was renewed long ago, and right after it comes the next renewal.
        if n_reads > 5:
            stop()
        files.contents[NAME] = foreign(n_reads)

    files.before_act = suspended
    with pytest.warns(ArignoteWarning), pytest.raises(InterruptedError):
        Lease(files, "run", nothing, clock)
    assert json.loads(files.contents[NAME])["pid"] == 4711


def test_a_newcomer_that_is_suspended_after_it_read_the_lease_starts_to_wait_then(files, clock):
    """The contents may be as old as the end of the read, not as its beginning."""
    files.contents[NAME] = foreign()
    looks = []

    def suspended(act, name):
        if not looks:
            clock.time += 59.9

    files.before_act = suspended
    with pytest.warns(ArignoteWarning):
        Lease(files, "run", lambda: looks.append(clock.time), clock)
    assert looks[0] == 1059.9 and clock.time >= 1059.9 + 60


def test_the_holder_gives_up_50_seconds_after_its_last_renewal_began_without_asking_the_store(files, clock, held):
    for now, good in ((1049.9, True), (1050.0, False), (1e6, False)):
        clock.time = now
        files.asked.clear()
        assert is_held(held) is good and files.asked == []
        if not good:
            with pytest.raises(
                LeaseLapsedError, match=r"files/run: .* could not be renewed within 60 s.*nothing is wri"
            ):
                held.check()
            assert files.asked == []
    # A renewal that succeeds counts from its beginning, however long it takes.
    clock.time = 1049.0
    files.before_act = lambda act, name: setattr(clock, "time", clock.time + 0.25)
    held.renew()
    assert json.loads(files.contents[NAME])["renewed"] == 2
    clock.time = 1098.9
    assert is_held(held)
    clock.time = 1099.0
    assert not is_held(held)


def test_a_check_that_takes_too_long_does_not_pass(files, clock, held):
    files.before_act = lambda act, name: setattr(clock, "time", 1050.0)
    with pytest.raises(LeaseLapsedError):
        held.check()


@pytest.mark.parametrize("atomic", [True, False])
def test_a_renewal_that_comes_to_its_write_too_late_writes_nothing(atomic, clock):
    files = Files(atomic)
    held = Lease(files, "run", nothing, clock)
    before = files.contents[NAME]
    # The process is paused between reading and writing; what is paused is the newest access before the write.
    pauses = []

    def pause(act, name):
        pauses.append(act)
        if len(pauses) == (1 if atomic else 3):
            clock.time = 1051.0

    files.before_act = pause
    held.renew()
    assert pauses == (["read"] if atomic else ["read", "compare", "clock"])
    assert files.contents[NAME] == before and not is_held(held)


@pytest.mark.parametrize(("pause", "n_tries"), [(0.99, 1), (1.0, 2)])
def test_a_newcomer_writes_within_a_second_of_its_comparison_or_compares_again(pause, n_tries, clock):
    """Half of the 2 s after which another newcomer, that has written, reads the lease again."""
    files, acts = Files(atomic=False), []

    def act(what, name):
        acts.append(what)
        if what == "clock" and acts.count("clock") == 1:
            clock.time += pause

    files.before_act = act
    files.contents[NAME] = foreign()
    with pytest.warns(ArignoteWarning):
        Lease(files, "run", nothing, clock)
    assert acts.count("compare") == n_tries and acts.count("land") == 1
    assert clock.time == 1000 + 60 + pause + 2


def test_past_the_deadline_a_free_lease_is_acquired_again_after_60_seconds(files, clock, held):
    first = json.loads(files.contents[NAME])
    for now in (1050.0, 1059.9):
        clock.time = now
        held.renew()
        assert json.loads(files.contents[NAME]) == first and not is_held(held)
    clock.time = 1060.0
    held.renew()
    # It reads the lease again 2 s after its write, like a newcomer.
    assert clock.time == 1062.0 and is_held(held)
    found = json.loads(files.contents[NAME])
    assert found["id"] == first["id"] and found["renewed"] > first["renewed"]
    clock.time = 1109.9
    assert is_held(held)
    clock.time = 1110.0
    assert not is_held(held)


@pytest.mark.parametrize("now", [1010.0, 1055.0, 1060.0, 9000.0])
@pytest.mark.parametrize("taken", ["by another", "and released"])
def test_a_lease_that_was_taken_over_is_lost_for_good(taken, now, files, clock, held):
    mine = files.contents[NAME]
    files.contents = {NAME: foreign()} if taken == "by another" else {}
    after = dict(files.contents)
    clock.time = now
    held.renew()
    files.asked.clear()
    whose = "process 4711 on elsewhere" if taken == "by another" else "another process, or removed"
    for check in (held.check, held.check_deadline):
        with pytest.raises(LeaseLostError, match=f"taken over by {whose}, because.*stops without writing"):
            check()
    # Were it to look as before, it would be lost all the same.
    files.contents[NAME] = mine
    held.renew()
    with pytest.raises(LeaseLostError):
        held.check()
    files.contents = dict(after)
    held.release()
    assert files.contents == after and files.asked == []


def test_a_check_sees_that_the_lease_was_taken(files, held):
    files.contents[NAME] = foreign()
    with pytest.raises(LeaseLostError, match="4711 on elsewhere"):
        held.check()


def test_while_the_store_is_away_a_lease_is_held_until_its_deadline_and_again_afterwards(files, clock, held):
    files.is_away = True
    for now, good in ((1010, True), (1040, True), (1060, False), (2000, False)):
        clock.time = now
        held.renew()
        assert is_held(held) is good
    with pytest.raises(CheckpointError, match="could not be renewed"):
        held.check()
    files.is_away = False
    held.renew()
    held.check()


def test_a_write_that_arrived_though_it_failed_does_not_end_the_renewals(files, clock, held):
    def lost_answer(name, pieces, expected, before):
        files.contents[name] = b"".join(pieces)
        raise CheckpointError("no answer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "write_if", lost_answer)
        held.renew()
    clock.time = 1040.0
    held.renew()
    clock.time = 1089.0
    held.check()


@pytest.mark.parametrize("expected", [None, b"stale"])
def test_a_refused_write_of_the_same_contents_was_a_repeated_request(expected, files, clock):
    def repeated(name, pieces, expected, before):
        files.contents[name] = b"".join(pieces)
        return False

    if expected is not None:
        files.contents[NAME] = expected
    files.write_if = repeated
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        held = Lease(files, "run", nothing, clock)
    held.check()


def test_a_lease_that_cannot_be_released_is_left_as_it_is(files, clock, held):
    clock.time = 1050.0
    before = dict(files.contents)
    held.release()
    assert files.contents == before and clock.renewals == []


def test_a_release_past_its_deadline_removes_nothing_though_it_read_its_own_lease(files, clock, held):
    before = dict(files.contents)
    files.before_act = lambda act, name: setattr(clock, "time", 1050.0)
    held.release()
    assert files.contents == before


def test_a_renewal_that_outlives_the_release_writes_nothing(files, held):
    """A store that does not answer keeps the thread in its renewal, longer than the release waits for it."""
    files.before_act = lambda act, name: (setattr(files, "before_act", lambda *of: None), held.release())
    held.renew()
    assert files.contents == {}


# -- Every order of steps ----------------------------------------------------------------------------------------------


@pytest.fixture
def contests(monkeypatch):
    """A newcomer looks every 30 s, and processes are known by their names."""
    monkeypatch.setattr(lease, "LOOK_AFTER", 30.0)

    def name():
        thread = threading.current_thread()
        return SimpleNamespace(hex="holder" if thread is threading.main_thread() else thread.name)

    monkeypatch.setattr(lease.uuid, "uuid4", name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ArignoteWarning)
        yield


class Recorded(dict):
    """What is in a store, whose lease was written over by whom, and whether it was still held."""

    def __init__(self, leases):
        super().__init__()
        self.over, self._leases = [], leases

    def __setitem__(self, name, data):
        new = json.loads(data)["id"]
        if name in self and self.owner(name) != new:
            old = self.owner(name)
            self.over.append((old, new, old in self._leases and is_held(self._leases[old])))
        super().__setitem__(name, data)

    def owner(self, name):
        return json.loads(self[name])["id"]


class Contest:
    """Processes that hold a run, or want to, and take turns.

    Parameters
    ----------
    atomic : bool
        Whether the store has conditional writes.
    lands_late : bool
        Whether others may have turns between the last look at the clock and the landing of a write. With conditional
        writes they always do.
    """

    def __init__(self, atomic, lands_late=False):
        self.leases = {}
        self.contents = Recorded(self.leases)
        self.world = World(lambda: (tuple(self.contents.items()), tuple(self.contents.over)))
        self._atomic, self._lands_late = atomic, lands_late

    def holder(self, act):
        """Add a process that holds the run, and then does something with its lease."""
        process = Process(self.world, "holder")
        held = self.leases["holder"] = Lease(self._files(process), "run", nothing, process)
        process.start(lambda: act(held, process))

    def newcomer(self, name, n_looks):
        """Add a process that waits for the run, and gives up after so many looks."""
        process, looks = Process(self.world, name), []

        def check_stop():
            looks.append(process.now())
            if len(looks) == n_looks:
                stop()

        def act():
            with contextlib.suppress(InterruptedError):
                self.leases[name] = Lease(self._files(process), "run", check_stop, process)

        process.start(act)

    def _files(self, process):
        def before_act(act, name):
            if act != "land" or self._lands_late:
                process.step(act)

        return Files(self._atomic, before_act, self.contents)

    def run(self, choose):
        """Run all, in one order."""

        def after_each():
            if not self._lands_late:
                assert sum(is_held(one) for one in self.leases.values()) <= 1
                # Nobody writes over the lease of a process that holds it.
                assert not any(was_held for _, _, was_held in self.contents.over)

        self.world.run(choose, after_each)


def renewing(held, process):
    process.sleep(20)
    held.renew()
    held.renew()


def releasing(held, process):
    process.sleep(20)
    held.release()


@pytest.mark.slow
@pytest.mark.parametrize("act", [renewing, releasing])
@pytest.mark.parametrize("atomic", [True, False], ids=["conditional writes", "read, then write"])
def test_in_no_order_of_steps_do_holder_and_newcomer_both_hold_the_run(atomic, act, contests):
    ends = []

    def one_order(choose):
        contest = Contest(atomic)
        contest.holder(act)
        contest.newcomer("newcomer", 3)
        contest.run(choose)
        changes = [(old, new) for old, new, _ in contest.contents.over]
        # With conditional writes the former holder never writes over the lease of the newcomer at all.
        assert changes in ([], [("holder", "newcomer")]) or not atomic
        ends.append((bool(changes), contest.contents.get(NAME, b"")))

    assert every_order(one_order) > 90
    # Taken over, and not.
    assert {taken for taken, _ in ends} == {True, False}
    assert act is renewing or b"" in {left for _, left in ends}


def test_with_read_then_write_a_write_that_lands_late_is_the_window_that_stays_open(contests, monkeypatch):
    """Named in docs/preemptible.md: only a conditional write closes it."""
    monkeypatch.setattr(lease, "LOOK_AFTER", 60.0)

    class FoundError(Exception):
        pass

    def one_order(choose):
        contest = Contest(atomic=False, lands_late=True)
        contest.holder(renewing)
        contest.newcomer("newcomer", 2)
        contest.run(choose)
        if ("newcomer", "holder", True) in contest.contents.over:
            raise FoundError

    with pytest.raises(FoundError):
        every_order(one_order)


@pytest.mark.slow
@pytest.mark.parametrize("atomic", [True, False], ids=["conditional writes", "read, then write"])
@pytest.mark.parametrize("left", [None, b'{"id": "dead"}'], ids=["free", "of the dead"])
def test_of_two_newcomers_one_holds_the_run_in_every_order_of_steps(left, atomic, contests, monkeypatch):
    monkeypatch.setattr(lease, "LOOK_AFTER", 60.0 if left else 30.0)
    ends = []

    def one_order(choose):
        contest = Contest(atomic)
        if left is not None:
            contest.contents[NAME] = left
        for name in ("one", "two"):
            contest.newcomer(name, 2)
        contest.run(choose)
        ends.append(list(contest.leases))

    assert every_order(one_order) > 50
    assert ["one"] in ends and ["two"] in ends


# -- Runs with a lease -------------------------------------------------------------------------------------------------


@pytest.fixture
def no_locks(monkeypatch):
    """A network file system without locks: the runs in its folders have leases, of which none ends by itself."""

    def none(*args):
        raise OSError("Operation not supported")

    monkeypatch.setattr("fcntl.flock", none)
    monkeypatch.setattr(lease, "STALE_AFTER", 1e9)
    monkeypatch.setattr(lease, "SETTLE_FREE", 0.001)
    monkeypatch.setattr(lease, "LOOK_AFTER", 0.01)


def test_who_lost_the_lease_stops_without_writing(digits, layers, tmp_path, no_locks):
    stem, folder = str(tmp_path / "run"), LocalFolder(tmp_path)
    taken = {}

    def load_into(event):
        if event.kind == "batch" and event.epoch == 2 and not taken:
            # The newcomer's lease, and the file that it wrote.
            folder.write(NAME, [foreign()])
            taken.update({name: folder.read(name) for name in folder.names()})

    with pytest.raises(CheckpointError, match=r"taken over by process 4711 on elsewhere.*stops without writing"):
        NNClassifier(layers, rng=3).fit(
            *digits, n_epochs=4, checkpoint=stem, checkpoint_every="epoch", observers=load_into
        )
    assert taken and {name: folder.read(name) for name in folder.names()} == taken


def test_a_second_fit_waits_for_the_first_and_resumes_from_its_files(digits, layers, tmp_path, no_locks):
    stem = str(tmp_path / "run")
    settings = {"n_epochs": 3, "checkpoint": stem, "checkpoint_every": "epoch"}
    begun, seen, ended = threading.Event(), threading.Event(), []

    def hold(event):
        begun.set()
        # The first fit goes no further before the second has seen its lease.
        assert seen.wait(60)

    first = threading.Thread(
        target=lambda: ended.append(NNClassifier(layers, rng=3).fit(*digits, **settings, observers=hold))
    )
    really = LocalFolder.read

    def read(self, name, n_bytes=None):
        found = really(self, name, n_bytes)
        if threading.current_thread() is threading.main_thread() and name == NAME:
            seen.set()
        return found

    first.start()
    assert begun.wait(60)
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.warns(ArignoteWarning, match=f"process {os.getpid()} on {socket.gethostname()} holds this run"),
    ):
        patch.setattr(LocalFolder, "read", read)
        second = NNClassifier(layers, rng=3).fit(*digits, **settings)
    first.join()
    assert second.status_.startswith("finished, 3 of 3 epochs")
    assert second.state_.history.sha256() == ended[0].state_.history.sha256()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    assert decode((tmp_path / "run_last.ckpt").read_bytes(), "")[0].starts == [[0, 0]]


def test_a_lapsed_lease_does_not_end_training_and_a_lost_one_does(digits, layers, tmp_path, no_locks, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(lease, "Clock", lambda: clock)
    monkeypatch.setattr(lease, "STALE_AFTER", 60.0)

    def lapse(event):
        # A pause of the process after the second epoch; the renewal comes after the third.
        if event.kind == "validation" and event.epoch == 2:
            clock.time += 1000
        elif event.kind == "validation" and event.epoch == 4:
            clock.renewals[0]()

    with pytest.warns(ArignoteWarning, match="could not be renewed within 60 s.*Training continues") as caught:
        fitted = NNClassifier(layers, rng=3).fit(
            *digits, n_epochs=5, checkpoint=str(tmp_path / "run"), checkpoint_every="epoch", observers=lapse
        )
    assert len(caught) == 2 and fitted.state_.finished
    assert decode((tmp_path / "run_last.ckpt").read_bytes(), "")[0].progress.epoch == 5
    assert decode((tmp_path / "run_last.1.ckpt").read_bytes(), "")[0].progress.epoch == 4


# -- The clock of the machine ------------------------------------------------------------------------------------------


def test_a_clock_that_counts_suspended_time_is_used_where_there_is_one(monkeypatch):
    monkeypatch.setattr(time, "clock_gettime", lambda which: {7: 70.0, 6: 60.0}[which], raising=False)
    monkeypatch.setattr(time, "monotonic", lambda: 1.0)
    assert lease._clock_of({"CLOCK_BOOTTIME": 7, "CLOCK_MONOTONIC": 6}, "linux")() == 70.0
    # clock_gettime(3) of macOS: CLOCK_MONOTONIC continues while the system is asleep; time.monotonic() does not.
    assert lease._clock_of({"CLOCK_MONOTONIC": 6}, "darwin")() == 60.0
    assert lease._clock_of({"CLOCK_MONOTONIC": 6}, "freebsd14")() == 1.0
    assert lease._clock_of({}, "win32")() == 1.0


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="a clock of Linux")
def test_the_clock_of_linux_counts_suspended_time():
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    now = lease.Clock().now()
    assert before <= now <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_what_is_repeated_is_called_in_a_thread_until_it_is_ended(monkeypatch):
    monkeypatch.setattr(lease, "RENEW_AFTER", 0.001)
    calls, often = [], threading.Event()

    def act():
        calls.append(threading.current_thread())
        if len(calls) == 3:
            often.set()

    end = lease.Clock().repeat(act)
    assert often.wait(60)
    monkeypatch.setattr(lease, "RENEW_AFTER", 60.0)
    end()
    assert calls[0].name == "arignote-lease" and calls[0].daemon and not calls[0].is_alive()
    assert threading.main_thread() not in calls


def test_the_first_renewal_comes_after_10_seconds_and_the_end_of_a_run_does_not_wait_for_it(monkeypatch):
    waits = []
    really = threading.Event.wait
    monkeypatch.setattr(
        threading.Event, "wait", lambda self, seconds=None: (waits.append(seconds), really(self, seconds))[1]
    )
    end = lease.Clock().repeat(lambda: waits.append("renewed"))
    end()
    assert "renewed" not in waits and waits.count(10.0) <= 1


def test_the_end_of_a_run_waits_so_long_for_a_renewal_and_no_longer(monkeypatch):
    monkeypatch.setattr(lease, "RENEW_AFTER", 0.01)
    begun, may_end = threading.Event(), threading.Event()

    def act():
        begun.set()
        may_end.wait(60)

    end = lease.Clock().repeat(act)
    assert begun.wait(60)
    # A store that does not answer; without a limit this would wait for ever.
    end()
    assert not may_end.is_set()
    may_end.set()
    for thread in threading.enumerate():
        if thread.name == "arignote-lease":
            thread.join(60)


def test_a_wait_of_the_clock_is_one_of_the_machine(monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    lease.Clock().sleep(0.25)
    assert waits == [0.25]
