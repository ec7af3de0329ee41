"""When the state is saved, and how training goes on meanwhile: a thread writes, at most one snapshot at a time."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

from arignote.checkpoints.cadence import AUTO, Cadence
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.storage.lease import LeaseLostError
from arignote.checkpoints.writer import RunWriter
from arignote.errors import CheckpointError, warn

__all__ = ["Checkpointer"]

# A small state is waited for, a large one written while training goes on: a rule of sizes, never of timing.
SMALL = 1_000_000
PATIENCE = 10.0
LONG_EPOCH = 300.0


class _Writing:
    """One snapshot on its way to the disk, in a thread of its own."""

    def __init__(self, act: Callable[[], None], in_background: bool):
        self._act, self._in_background = act, in_background
        self._done = threading.Event()
        self.fault: BaseException | None = None
        self.began = time.monotonic()
        self.told = False
        # A daemon: a disk that never answers must not keep a process alive that was told to end.
        threading.Thread(target=self._run, name="arignote-writer", daemon=True).start()

    def _run(self) -> None:
        try:
            if self._in_background and sys.platform == "linux":
                # Of this thread alone: training comes first where cores are few.
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
            self._act()
        except BaseException as fault:
            self.fault = fault
        finally:
            self._done.set()

    def ended(self, seconds: float | None) -> bool:
        """Return whether it has ended, after waiting so long."""
        return self._done.wait(seconds)


class Checkpointer:
    """Decides when the state is saved, and sees before each time that it is finite.

    A save that fails is told in a warning and training goes on; only `finish` insists.

    Parameters
    ----------
    files : RunWriter or None
        Where; None keeps the last good state in memory.
    every : Cadence
        "auto": each epoch (saves closer than a second joined, long epochs every 5 minutes).
    keep_all : bool
        Whether each epoch is kept in a file of its own.
    spool : RunWriter, optional
        Where the state is kept while `files` cannot be reached.
    """

    def __init__(
        self,
        files: RunWriter | None,
        every: Cadence = AUTO,
        keep_all: bool = False,
        spool: RunWriter | None = None,
    ):
        self.files = files
        self.every = every
        self.keep_all = keep_all
        self._spool = spool
        # What an earlier process kept goes too, once the store has a newer state.
        self._spooled = spool is not None and bool(spool.existing())
        self._saved_at = -1e9
        self._began = time.monotonic()
        self._memory: TrainingState | None = None
        self._snapshot: TrainingState | None = None
        self._saved_position = (-1, -1, False)
        self._writing: _Writing | None = None
        self._postponed = False

    def after_batch(self, state: TrainingState) -> None:
        """Save in mid-epoch where the cadence says so, or where a save had to be postponed."""
        if self.files is None:
            return
        seconds = LONG_EPOCH if self.every == AUTO else self.every.seconds
        if self.every.n_batches is not None:
            due = state.progress.n_updates % self.every.n_batches == 0
        elif seconds is not None:
            due = time.monotonic() - max(self._saved_at, self._began) >= seconds
        else:
            due = False
        if due or (self._postponed and self._wait(0.0)):
            self._save(state)

    def after_epoch(self, state: TrainingState) -> None:
        """Save at the end of an epoch, unless the last save is less than a second old."""
        joined = self.every == AUTO and time.monotonic() - self._saved_at < 1.0
        if self.keep_all or not (joined or self.every.seconds is not None):
            self._save(state, of_epoch=True)
        else:
            self.check(state)

    def finish(self, state: TrainingState) -> None:
        """Save now, and return when it is on disk; CheckpointError where that is not possible."""
        self._wait(None)
        fault = None
        for _ in range(2):
            self._save(state, of_epoch=state.progress.batch == 0, finally_=True)
            fault = self._collect()
            if fault is None:
                return
        assert fault is not None
        raise fault

    def _save(self, state: TrainingState, of_epoch: bool = False, finally_: bool = False) -> None:
        progress = state.progress
        position = (progress.epoch, progress.batch, progress.stopped_by is not None)
        if position == self._saved_position:
            return
        self.check(state)
        if self.files is None:
            self._memory = state.snapshot()
            return
        of_epoch = of_epoch and self.keep_all
        if not self._wait(None if of_epoch or finally_ else 0.0):
            self._postponed = True
            return
        # None is being written: the arrays of the last one are free.
        snapshot = self._snapshot = state.snapshot(self._snapshot)
        is_small = snapshot.n_bytes <= SMALL
        self._writing = _Writing(lambda: self._write(snapshot, of_epoch), not (finally_ or is_small))
        self._saved_at, self._saved_position, self._postponed = time.monotonic(), position, False
        if not finally_ and is_small:
            self._wait(PATIENCE)

    def _write(self, state: TrainingState, of_epoch: bool) -> None:
        assert self.files is not None
        try:
            self.files.save(state, of_epoch)
        except LeaseLostError:
            raise
        except CheckpointError as fault:
            if self._spool is None:
                raise
            try:
                self._spool.prepare()
                self._spool.save(state)
            except CheckpointError as second:
                raise CheckpointError(f"{fault}. Nor could it be kept here: {second}") from None
            self._spooled = True
            raise CheckpointError(f"{fault}. Kept in {self._spool.path('last')} until the store answers") from None
        if self._spool is not None and self._spooled:
            self._spool.clear()
            self._spooled = False

    def _wait(self, seconds: float | None) -> bool:
        """Return whether no write is under way any more, after so many seconds (None: however long it takes)."""
        writing = self._writing
        if writing is None:
            return True
        ended = writing.ended(PATIENCE if seconds is None else seconds)
        if not ended and not writing.told and time.monotonic() - writing.began >= PATIENCE:
            writing.told = True
            assert self.files is not None
            text = f"{self.files.path('last')}: has been written to for {PATIENCE:g} s and is not done"
            warn(f"{text}; training goes on")
        if not ended and seconds is not None:
            return False
        fault = self._collect()
        if fault is not None:
            warn(f"{fault}. Training goes on; the last good file stays")
        return True

    def _collect(self) -> CheckpointError | None:
        """Wait for the write under way, and return why it failed, if it did."""
        writing, self._writing = self._writing, None
        if writing is None:
            return None
        writing.ended(None)
        fault = writing.fault
        if fault is None:
            return None
        self._saved_position = (-1, -1, False)
        if isinstance(fault, LeaseLostError) or not isinstance(fault, CheckpointError):
            raise fault
        return fault

    def wait_briefly(self) -> None:
        """Let a write under way come to its end, as far as it does soon."""
        if self._writing is not None:
            self._writing.ended(PATIENCE)

    def check(self, state: TrainingState) -> None:
        """Raise FloatingPointError where the state is not finite, so that it is never saved."""
        if not state.is_finite():
            raise FloatingPointError

    def last_good(self, run_id: str | None = None) -> TrainingState | None:
        """Return the newest state that was saved, of one run where its id is given; None before the first."""
        if self.files is None:
            return self._memory
        self._wait(None)
        # With resume="fresh" the files may still be those of the run that this one replaces.
        return next((state for _, state in self.files.states([]) if run_id in (None, state.run_id)), None)
