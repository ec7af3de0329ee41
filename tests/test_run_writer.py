"""Which files of a run are written, in which order, which are kept; and that only the holder of the run writes."""

from __future__ import annotations

import numpy as np
import pytest
from stepped import Clock, Files

from arignote.checkpoint import decode
from arignote.optim.rules import RuleState
from arignote.progress import Best, History, Progress
from arignote.run_writer import RunWriter
from arignote.state import TrainingState
from arignote.storage.lease import Lease, LeaseLapsedError

RUN, OTHER = "a" * 32, "b" * 32


def network(value):
    return {"fc1.W": np.full((2, 2), value, dtype=np.float32)}


def state(epoch, best=None, run_id=RUN, batch=0):
    """Return a state after so many epochs, with a validation each, of which that of epoch `best` is the best."""
    losses = [9.0 - n if best is None or n <= best else 9.0 for n in range(1, epoch + 1)]
    found = None
    if best is not None:
        found = Best(losses[best - 1], best, 10 * best, best, network=network(best))
    return TrainingState(
        network=network(100.0 + epoch),
        slots={"velocity/fc1.W": np.ones((2, 2), dtype=np.float32)},
        epoch_loss=np.float64(1.5),
        rules={"lr": RuleState(0.1), "momentum": RuleState(0.9)},
        rng=3,
        run_id=run_id,
        spec={"name": None, "n_in": [2], "layers": [], "fit": {"n_epochs": 9}},
        classes={"dtype": "<i8", "values": [0, 1]},
        data={},
        environment={},
        progress=Progress(epoch=epoch, batch=batch, examples_seen=10 * epoch, n_updates=epoch, n_validations=epoch),
        history=History({"epoch": np.arange(1.0, epoch + 1), "valid_nll": losses}),
        best=found,
        starts=[[0, 0]],
    )


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
        clock, writer = Clock(), make(keep_last=1, keep_epochs=1)
        writer.save(first, epoch_too=True)
        writer._lock = Lease(files, "run", lambda: None, clock)
        before, after = [], []

        def pause(act, name, at=at, clock=clock, before=before, after=after):
            (before if len(before) <= at else after).append((act, name))
            clock.time += 50 * (len(before) == at + 1 and not after)

        files.before_act = pause
        try:
            writer.save(second, epoch_too=True)
        except LeaseLapsedError:
            assert len(before) == at + 1
        # The access right after the pause arrives: the window that the documentation names.
        assert not [act for act, _ in after if act not in ("list", "read", "prepare")]
        if len(before) <= at:
            break
    # The best file, its own set aside, that of the epoch, the last one, and two that nobody needs.
    assert at > 12 and {act for act, _ in before} == {"list", "read", "prepare", "write", "set aside", "remove"}


def test_a_writer_without_a_lock_writes(make, files):
    writer = make()
    writer.prepare()
    writer.save(state(1))
    assert sorted(files.contents) == ["run_last.ckpt"]
    writer.clear()
    assert files.contents == {}
