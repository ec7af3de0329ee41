"""Which files of a run are written, in which order, which are kept; and that only the holder of the run writes."""

from __future__ import annotations

import pytest
from made_up import OTHER, RUN, state
from stepped import Clock, Files

from arignote import CheckpointError
from arignote.checkpoints.format import decode, encode
from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.storage.lease import Lease, LeaseLapsedError
from arignote.checkpoints.storage.local import LocalLock
from arignote.checkpoints.writer import RunWriter


@pytest.fixture
def files():
    return Files()


@pytest.fixture
def make(files, tmp_path):
    """Return a writer whose files are in memory."""

    def make(keep_last=2, keep_epochs=None):
        writer = RunWriter(str(tmp_path / "run"), keep_last, keep_epochs)
        writer.folder = files
        return writer

    return make


def read(files, name):
    return decode(files.contents[name], name)


def changes(files):
    return [(act, name) for act, name in files.asked if act not in ("list", "read")]


def test_once_the_lease_has_lapsed_no_file_is_written_set_aside_or_removed(make, files):
    """At each access of a save in turn, the process is paused past the deadline, right before the access."""
    first, second = state(1, best=1), state(2, best=2)
    for at in range(1000):
        files.contents.clear()
        files.before_act = lambda act, name: None
        clock, writer = Clock(), make(keep_last=3, keep_epochs=1)
        for _ in range(3):
            writer.save(first, of_epoch=True)
        writer._lock = Lease(files, "run", lambda: None, clock)
        before, after = [], []

        def pause(act, name, at=at, clock=clock, before=before, after=after):
            (before if len(before) <= at else after).append((act, name))
            clock.time += 50 * (len(before) == at + 1 and not after)

        files.before_act = pause
        try:
            writer.save(second, of_epoch=True)
        except LeaseLapsedError:
            assert len(before) == at + 1
        # The access right after the pause arrives: the window that the documentation names.
        assert not [act for act, _ in after if act not in ("list", "read", "prepare")]
        if len(before) <= at:
            break
    # The best file, the one before set aside, that of the epoch, and the last one, two before set aside, one removed.
    assert at > 12 and {act for act, _ in before} == {"list", "read", "prepare", "write", "set aside", "remove"}


def test_a_writer_without_a_lock_writes(make, files):
    writer = make()
    writer.prepare()
    writer.save(state(1))
    assert sorted(files.contents) == ["run_last.ckpt"]
    writer.release()


def test_the_run_is_locked_from_begin_to_end(tmp_path):
    checked = []
    writer = RunWriter(str(tmp_path / "run"))
    writer.acquire(lambda: checked.append(1))
    assert isinstance(writer._lock, LocalLock) and (tmp_path / ".run.lock").exists()
    for _ in range(2):
        writer.release()
        assert not (tmp_path / ".run.lock").exists() and writer._lock is None


def test_a_lost_lease_stops_a_save_before_its_first_change(make, files):
    writer = make()
    writer.save(state(1, best=1))
    writer._lock = Lease(files, "run", lambda: None, Clock())
    files.contents[".run.lease"] = b'{"id": "another"}'
    before = dict(files.contents)
    with pytest.raises(CheckpointError, match="taken over by another process"):
        writer.save(state(2, best=2))
    assert files.contents == before


def test_the_best_file_comes_before_that_of_the_epoch_and_that_before_the_last(make, files):
    make().save(state(3, best=2), of_epoch=True)
    assert [name for act, name in changes(files) if act == "write"] == [
        "run_best.ckpt",
        "run_epoch3.ckpt",
        "run_last.ckpt",
    ]
    assert files.contents["run_epoch3.ckpt"] == files.contents["run_last.ckpt"]


def test_the_best_file_holds_the_best_network_and_the_history_up_to_it(make, files):
    make().save(state(5, best=3))
    best, digest = read(files, "run_best.ckpt")
    last, _ = read(files, "run_last.ckpt")
    # Of five validations the third was the best: the counts are those of that moment.
    assert best.network["fc1.W"].tolist() == [[3, 3], [3, 3]] and best.slots == {} and float(best.epoch_loss) == 0.0
    assert vars(best.progress) | {"stopped_by": None} == {
        "epoch": 3,
        "batch": 0,
        "examples_seen": 30,
        "n_updates": 0,
        "slots_since": 0,
        "n_validations": 3,
        "epoch_examples": 0,
        "validation_due": False,
        "ended": False,
        "stopped_by": None,
        "final_since": None,
        "final_after": None,
    }
    assert len(best.history) == 3 and len(last.history) == 5
    assert (best.best.value, best.best.epoch, best.best.examples_seen, best.best.n_rows) == (6.0, 3, 30, 3)
    assert best.best.digest == "" and last.best.digest == digest
    assert last.network["fc1.W"][0, 0] == 105 and last.progress.n_validations == 5


def test_a_best_network_is_written_once(make, files):
    writer, best = make(keep_last=3), state(2, best=2).best
    for epoch in (2, 3, 4):
        later = state(epoch, best=2)
        # A run that continues in the same process keeps its best; one that is resumed has only the digest.
        later.best = best if epoch < 4 else later.best
        files.asked.clear()
        writer.save(later)
        written = [name for act, name in changes(files) if act == "write"]
        assert written == (["run_best.ckpt", "run_last.ckpt"] if epoch == 2 else ["run_last.ckpt"])
        assert read(files, "run_last.ckpt")[0].best.digest == read(files, "run_best.ckpt")[1]


@pytest.mark.parametrize("same_writer", [True, False])
def test_a_best_file_that_was_lost_is_written_again(same_writer, make, files):
    writer, best = make(), state(2, best=2).best
    first = state(2, best=2)
    first.best = best
    writer.save(first)
    before = files.contents.pop("run_best.ckpt")
    if same_writer:
        # A save that fails makes it look at the files again.
        files.is_away = True
        with pytest.raises(CheckpointError):
            writer.save(state(3, best=3))
        files.is_away = False
    else:
        writer = make()
    later = state(3, best=2)
    later.best = best
    writer.save(later)
    assert decode(before, "")[0].network["fc1.W"].tolist() == read(files, "run_best.ckpt")[0].network["fc1.W"].tolist()
    assert read(files, "run_last.ckpt")[0].best.digest == read(files, "run_best.ckpt")[1]
    assert next(RunFiles.states(writer, []))[1].progress.epoch == 3


@pytest.mark.parametrize("change", ["run", "validation"])
def test_another_best_network_is_written_whatever_was_written_before(change, make, files):
    writer = make()
    writer.save(state(3, best=2))
    other = state(3, best=2, run_id=OTHER) if change == "run" else state(3, best=3)
    writer.save(other)
    best = read(files, "run_best.ckpt")[0]
    assert best.run_id == other.run_id and best.best.n_rows == other.best.n_rows
    assert read(files, "run_last.ckpt")[0].best.digest == read(files, "run_best.ckpt")[1]


@pytest.mark.parametrize("keep_last", [2, 3, 4])
def test_the_last_files_are_numbered_from_the_newest(keep_last, make, files):
    writer = make(keep_last)
    for epoch in range(1, 7):
        writer.save(state(epoch))
    names = ["run_last.ckpt", *(f"run_last.{n}.ckpt" for n in range(1, keep_last))]
    assert sorted(files.contents) == sorted(names)
    assert [read(files, name)[0].progress.epoch for name in names] == [6, 5, 4, 3][:keep_last]


def test_with_room_for_none_but_the_newest_nothing_is_set_aside(make, files):
    writer = make(keep_last=1)
    for epoch in (1, 2):
        writer.save(state(epoch))
    assert list(files.contents) == ["run_last.ckpt"] and "set aside" not in [act for act, _ in files.asked]


def test_a_gap_in_the_numbers_stays_where_it_is(make, files):
    writer = make(keep_last=4)
    for epoch in (1, 2, 3):
        writer.save(state(epoch))
    del files.contents["run_last.1.ckpt"]
    writer = make(keep_last=4)
    writer.save(state(4))
    found = {name: read(files, name)[0].progress.epoch for name in files.contents}
    assert found == {"run_last.ckpt": 4, "run_last.1.ckpt": 3, "run_last.3.ckpt": 1}


@pytest.mark.parametrize(("keep", "kept"), [(None, [8, 9, 10, 11]), (3, [9, 10, 11]), (1, [11])])
def test_the_newest_epochs_are_kept_by_number(keep, kept, make, files):
    writer = make(keep_epochs=keep)
    for epoch in (8, 9, 10, 11):
        writer.save(state(epoch), of_epoch=True)
    assert sorted(name for name in files.contents if "epoch" in name) == sorted(f"run_epoch{n}.ckpt" for n in kept)
    for n in kept:
        assert read(files, f"run_epoch{n}.ckpt")[0].progress.epoch == n


def test_without_being_asked_no_file_of_an_epoch_is_written(make, files):
    make().save(state(1))
    assert sorted(files.contents) == ["run_last.ckpt"]


def test_a_best_file_is_kept_while_any_file_names_it(make, files):
    writer = make(keep_last=3)
    for epoch, best, there in (
        (1, 1, [1]),
        (2, 2, [1, 2]),
        (3, 3, [1, 2, 3]),
        # The first has no last file any more.
        (4, 4, [2, 3, 4]),
        (5, 4, [3, 4]),
        (6, 4, [4]),
    ):
        writer.save(state(epoch, best=best))
        bests = {name: read(files, name)[0].best.n_rows for name in files.contents if "best" in name}
        assert sorted(bests.values()) == there and bests["run_best.ckpt"] == best
    assert list(bests) == ["run_best.ckpt"]


def test_a_best_file_is_kept_while_a_file_of_an_epoch_names_it(make, files):
    writer = make(keep_last=2)
    writer.save(state(1, best=1), of_epoch=True)
    for epoch in (2, 3, 4):
        writer.save(state(epoch, best=epoch))
    assert 1 in {read(files, name)[0].best.n_rows for name in files.contents if "best" in name}
    # And no longer, once that is gone.
    del files.contents["run_epoch1.ckpt"]
    make().save(state(5, best=5))
    assert 1 not in {read(files, name)[0].best.n_rows for name in files.contents if "best" in name}


def test_a_best_file_that_no_file_names_is_written_over(make, files):
    files.contents["run_best.ckpt"] = b"".join(encode(state(1, best=1).at_best())[0])
    make().save(state(2, best=2))
    assert sorted(files.contents) == ["run_best.ckpt", "run_last.ckpt"]
    assert "set aside" not in [act for act, _ in files.asked]


def test_files_of_another_run_give_way(make, files):
    writer = make(keep_last=3, keep_epochs=5)
    for epoch in (1, 2):
        writer.save(state(epoch, best=epoch, run_id=OTHER), of_epoch=True)
    writer.save(state(1, run_id=RUN))
    assert list(files.contents) == ["run_last.ckpt"] and read(files, "run_last.ckpt")[0].run_id == RUN


def test_a_file_that_is_known_to_be_damaged_takes_the_place_of_no_good_one(make, files):
    writer = make()
    for epoch in (1, 2):
        writer.save(state(epoch))
    whole = files.contents["run_last.ckpt"]
    files.contents["run_last.ckpt"] = whole[:-1] + bytes([whole[-1] ^ 1])
    writer = make()
    found, faults = [], []
    for _, one in writer.states(faults):
        found.append(one.progress.epoch)
    assert found == [1] and writer.damaged == {"run_last.ckpt"} and len(faults) == 1
    writer.save(state(3))
    assert [read(files, name)[0].progress.epoch for name in ("run_last.ckpt", "run_last.1.ckpt")] == [3, 1]
    # The next one is good, and is set aside.
    assert writer.damaged == set()
    writer.save(state(4))
    assert [read(files, name)[0].progress.epoch for name in ("run_last.ckpt", "run_last.1.ckpt")] == [4, 3]


def test_after_a_failed_save_the_files_are_listed_again(make, files):
    writer = make()
    writer.save(state(1))
    files.asked.clear()
    writer.save(state(2))
    # What is known is not asked for again.
    assert [name for act, name in files.asked if act == "read"] == []
    files.is_away = True
    with pytest.raises(CheckpointError, match="does not answer"):
        writer.save(state(3))
    files.is_away = False
    files.asked.clear()
    writer.save(state(4))
    assert {name for act, name in files.asked if act == "read"} == {"run_last.ckpt", "run_last.1.ckpt"}
    assert [read(files, name)[0].progress.epoch for name in ("run_last.ckpt", "run_last.1.ckpt")] == [4, 2]


def test_tidying_up_removes_what_a_save_would_have_removed(make, files):
    writer = make()
    for epoch in (1, 2, 3):
        writer.save(state(epoch, best=epoch))
    good = dict(files.contents)
    files.contents |= {"run_last.7.ckpt": good["run_last.ckpt"], "run_best.9.ckpt": b"half", ".run.probe": b"probe"}
    make().clean_up(RUN)
    assert files.contents == good
    files.is_away = True
    make().clean_up(RUN)


def test_clear_removes_the_files_of_the_stem_alone(make, files):
    writer = make()
    writer.save(state(1, best=1), of_epoch=True)
    others = {name: b"other" for name in ("run_2_last.ckpt", "run.txt", "a_run_last.ckpt")}
    files.contents |= others
    writer.clear()
    assert files.contents == others
    files.asked.clear()
    # Nothing is known of the files that were removed.
    writer.save(state(2, best=2))
    assert sorted(set(files.contents) - set(others)) == ["run_best.ckpt", "run_last.ckpt"]


def test_nothing_is_prepared_once_the_lease_has_lapsed(make, files):
    writer, clock = make(), Clock()
    writer._lock = Lease(files, "run", lambda: None, clock)
    writer.prepare()
    clock.time += 50
    files.asked.clear()
    with pytest.raises(LeaseLapsedError):
        writer.prepare()
    assert files.asked == []


def test_two_last_files_and_all_those_of_epochs_are_kept_by_default(tmp_path):
    writer = RunWriter(str(tmp_path / "run"))
    assert (writer.keep_last, writer.keep_epochs) == (2, None)


def test_a_stem_of_any_length_has_its_own_files(make, files, tmp_path):
    for stem in ("a", "a_long_name_best_of_all"):
        writer = RunWriter(str(tmp_path / stem))
        writer.folder = files
        for epoch in (1, 2, 3, 4):
            writer.save(state(epoch, best=min(epoch, 2)), of_epoch=epoch == 4)
        names = ["best", "epoch4", "last.1", "last"]
        assert sorted(files.contents) == sorted(f"{stem}_{name}.ckpt" for name in names)
        writer.clear()


def test_what_is_not_read_as_a_checkpoint_gives_way_like_that_of_another_run(make, files):
    files.contents |= {"run_last.ckpt": b"no checkpoint", "run_last.3.ckpt": b"", "run_best.ckpt": b"half"}
    writer = make()
    faults = []
    assert list(writer.states(faults)) == [] and writer.damaged == {"run_last.ckpt", "run_last.3.ckpt"}
    writer.save(state(1))
    assert list(files.contents) == ["run_last.ckpt"] and read(files, "run_last.ckpt")[0].progress.epoch == 1


def test_a_best_file_that_is_set_aside_has_the_lowest_free_number(make, files):
    writer = make(keep_last=3)
    for epoch in (1, 2, 3):
        writer.save(state(epoch, best=epoch))
    bests = {name: read(files, name)[0].best.n_rows for name in files.contents if "best" in name}
    assert bests == {"run_best.ckpt": 3, "run_best.1.ckpt": 1, "run_best.2.ckpt": 2}
    # That of the first goes with its last file, after the third was set aside; its number is free for the fourth.
    for epoch in (4, 5):
        writer.save(state(epoch, best=epoch))
    bests = {name: read(files, name)[0].best.n_rows for name in files.contents if "best" in name}
    assert bests == {"run_best.ckpt": 5, "run_best.1.ckpt": 4, "run_best.3.ckpt": 3}


def test_a_best_file_that_was_removed_is_written_again_for_a_state_that_names_it(make, files):
    writer, first = make(keep_last=1), state(1, best=1)
    writer.save(first)
    digest = first.best.digest
    writer.save(state(2, best=2))
    assert digest not in {read(files, name)[1] for name in files.contents}
    # As after a return to an earlier state.
    writer.save(first)
    assert read(files, "run_last.ckpt")[0].best.digest == read(files, "run_best.ckpt")[1] == digest
