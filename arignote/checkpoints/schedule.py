"""When the state is saved. A thread writes it, one snapshot at a time, while training continues."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from math import inf

from arignote.checkpoints.cadence import AUTO, Cadence
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.storage.lease import LeaseLostError
from arignote.checkpoints.writer import RunWriter
from arignote.errors import CheckpointError, warn

__all__ = ["Checkpointer"]

# Bytes. Training waits until a smaller state is written; larger ones are written in the background. A rule of sizes,
# not of measured times, so that equal runs write the same files.
SMALL = 1_000_000
# Seconds after which a running write is reported, and for which training waits at most.
PATIENCE = 10.0
# Seconds between saves within an epoch, with the cadence "auto".
LONG_EPOCH = 300.0


class _Writing:
    """The write of one snapshot, in a thread of its own."""

    def __init__(self, act: Callable[[], tuple[str, ...]], in_background: bool):
        self._act, self._in_background = act, in_background
        self._done = threading.Event()
        self.error: BaseException | None = None
        self.files: tuple[str, ...] = ()
        self.began = time.monotonic()
        self.reported = False
        # A daemon, so that a disk that never answers does not keep the process from exiting.
        threading.Thread(target=self._run, name="arignote-writer", daemon=True).start()

    def _run(self) -> None:
        try:
            if self._in_background and sys.platform == "linux":
                # Linux applies this to the thread alone; with few cores, training takes precedence.
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
            self.files = self._act()
        # `_collect` raises it in the thread that trains.
        except BaseException as error:
            self.error = error
        finally:
            self._done.set()

    def ended(self, seconds: float | None) -> bool:
        """Wait for at most so many seconds (None: without limit), and return whether the write has ended."""
        return self._done.wait(seconds)


class Checkpointer:
    """Decides when the state is saved, and verifies before each save that it is finite.

    A save that fails is reported by a warning, and training continues; only `finish` raises.

    Parameters
    ----------
    files : RunWriter or None
        The files to write; None keeps the last valid state in memory.
    every : Cadence
        "auto": after each epoch, but at most once a second, and every 5 minutes within long epochs.
    keep_all : bool
        Whether the state after each epoch is kept in a file of its own.
    spool : RunWriter, optional
        Local files to which the state is written while `files` cannot be reached.
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
        # What an earlier process spooled is removed as well, once the store has a newer state.
        self._spooled = spool is not None and bool(spool.existing())
        self._saved_at = -inf
        self._began = time.monotonic()
        self._memory: TrainingState | None = None
        self._snapshot: TrainingState | None = None
        self._saved_position: tuple[int, int, bool] | None = None
        self._writing: _Writing | None = None
        self._postponed = False
        self._written: tuple[str, ...] = ()

    def take_written(self) -> tuple[str, ...]:
        """Return the paths of the files that were written since the last call."""
        files, self._written = self._written, ()
        return files

    def after_batch(self, state: TrainingState) -> None:
        """Save within an epoch if the cadence requires it, or if a save was postponed and can be done now."""
        if self.files is None:
            return
        seconds = LONG_EPOCH if self.every == AUTO else self.every.seconds
        if self.every.n_batches is not None:
            due = state.progress.n_updates % self.every.n_batches == 0
        elif seconds is not None:
            due = time.monotonic() - max(self._saved_at, self._began) >= seconds
        else:
            due = False
        has_ended = self._wait(0.0)
        if due or (self._postponed and has_ended):
            self._save(state)

    def after_epoch(self, state: TrainingState) -> None:
        """Save at the end of an epoch, unless the last save is less than a second old."""
        is_recent = self.every == AUTO and time.monotonic() - self._saved_at < 1.0
        if self.keep_all or not (is_recent or self.every.seconds is not None):
            self._save(state, of_epoch=True)
        else:
            self.check(state)

    def finish(self, state: TrainingState) -> None:
        """Save, and return when the file is written.

        Raises
        ------
        CheckpointError
            If the second attempt to write fails too.
        FloatingPointError
            If the state is not finite.
        """
        self._wait(None)
        error = None
        # No later save would repeat it: a store that fails once is asked again.
        for _ in range(2):
            self._save(state, of_epoch=state.progress.batch == 0, is_final=True)
            error = self._collect()
            if error is None:
                return
        assert error is not None
        raise error

    def _save(self, state: TrainingState, of_epoch: bool = False, is_final: bool = False) -> None:
        progress = state.progress
        # A stop is a part of it: the state that a signal leaves differs from the one of the batch before.
        position = (progress.epoch, progress.batch, progress.stopped_by is not None)
        if position == self._saved_position:
            return
        self.check(state)
        if self.files is None:
            # A copy of all weights takes a fifth of an epoch of some hundred rows.
            self._memory, self._saved_at = state.snapshot(), time.monotonic()
            return
        of_epoch = of_epoch and self.keep_all
        # A state that is kept for its epoch must not be skipped; that of a later batch replaces any other.
        if not self._wait(None if of_epoch or is_final else 0.0):
            self._postponed = True
            return
        # No write is running, so that the arrays of the last snapshot can be overwritten.
        snapshot = self._snapshot = state.snapshot(self._snapshot)
        is_small = snapshot.n_bytes <= SMALL
        self._writing = _Writing(lambda: self._write(snapshot, of_epoch), not (is_final or is_small))
        self._saved_at, self._saved_position, self._postponed = time.monotonic(), position, False
        if not is_final and is_small:
            self._wait(PATIENCE)

    def _write(self, state: TrainingState, of_epoch: bool) -> tuple[str, ...]:
        assert self.files is not None
        try:
            names = self.files.save(state, of_epoch)
        # Not kept locally: another process trains this run now, and its files are the newer ones.
        except LeaseLostError:
            raise
        except CheckpointError as error:
            if self._spool is None:
                raise
            try:
                self._spool.prepare()
                self._spool.save(state)
            except CheckpointError as second:
                raise CheckpointError(f"{error}. It could not be kept locally either: {second}") from None
            self._spooled = True
            raise CheckpointError(f"{error}. Kept in {self._spool.path('last')} until the store answers") from None
        if self._spool is not None and self._spooled:
            self._spool.clear()
            self._spooled = False
        return tuple(map(self.files.folder.path_of, names))

    def _wait(self, seconds: float | None) -> bool:
        """Wait for a running write for so many seconds (None: without limit), and return whether it has ended."""
        writing = self._writing
        if writing is None:
            return True
        ended = writing.ended(PATIENCE if seconds is None else seconds)
        if not ended and not writing.reported and time.monotonic() - writing.began >= PATIENCE:
            writing.reported = True
            assert self.files is not None
            warn(f"{self.files.path('last')}: write still running after {PATIENCE:g} s; training continues")
        if not ended and seconds is not None:
            return False
        error = self._collect()
        if error is not None:
            warn(f"{error}. Training continues; the last valid file is kept")
        return True

    def _collect(self) -> CheckpointError | None:
        """Wait for the running write, and return the CheckpointError it failed with, if any; raise other exceptions."""
        writing, self._writing = self._writing, None
        if writing is None:
            return None
        writing.ended(None)
        error = writing.error
        if error is None:
            self._written += writing.files
            return None
        # So that this position is saved again.
        self._saved_position = None
        if isinstance(error, LeaseLostError) or not isinstance(error, CheckpointError):
            raise error
        return error

    def wait_briefly(self) -> None:
        """Wait for a running write, for `PATIENCE` seconds at most."""
        if self._writing is not None:
            self._writing.ended(PATIENCE)

    def check(self, state: TrainingState) -> None:
        """Raise FloatingPointError if the state is not finite, so that it is never saved."""
        if not state.is_finite():
            raise FloatingPointError

    def last_good(self, run_id: str | None = None) -> TrainingState | None:
        """Return the newest saved state (of the run `run_id`, if given); None if there is none."""
        if self.files is None:
            return self._memory
        self._wait(None)
        # The run id matters: with resume="fresh" the files may still be those of the run that is being replaced.
        return next((state for _, state in self.files.states([]) if run_id in (None, state.run_id)), None)
