"""Writing the files of a run: one writer at a time, which files are kept, and which are removed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from itertools import count

from arignote.checkpoints.format import Head, encode
from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.storage import CheckStop, Chunks, Lock, RunHeldError
from arignote.errors import CheckpointError, warn

__all__ = ["RunWriter"]

# Seconds between two attempts to acquire a run that another process trains.
POLL = 0.1


class RunWriter(RunFiles):
    """The files of a stem, for reading and writing.

    A best file is kept while any kept ``_last`` holds its digest. Each file holds a run id, so that files of another
    run with the same stem are recognised and removed.

    Parameters
    ----------
    stem : str
        Path or URL of the files without their suffixes.
    keep_last : int >= 2
        Number of last checkpoints that are kept.
    keep_epochs : int >= 1, optional
        Number of checkpoints of single epochs that are kept; None: all.
    """

    def __init__(self, stem: str, keep_last: int = 2, keep_epochs: int | None = None):
        super().__init__(stem)
        self.keep_last, self.keep_epochs = keep_last, keep_epochs
        self._lock: Lock | None = None
        self._heads: dict[str, Head] | None = None
        # The digest of the best file that was written last, by its run and its rows of the history.
        self._best_written: dict[tuple[str, int], str] = {}

    def acquire(self, check_stop: CheckStop, wait: bool = False) -> None:
        """Acquire the lock of the run; `check_stop` is called repeatedly while waiting, and may raise.

        Parameters
        ----------
        check_stop : callable
        wait : bool
            Whether to wait while another process of this machine trains the run.

        Raises
        ------
        CheckpointError
            If another process holds the run, or its folder cannot be used.
        """
        is_reported = False
        while self._lock is None:
            try:
                self._lock = self.folder.lock(self._name, check_stop)
            except RunHeldError as held:
                if not wait:
                    raise
                if not is_reported:
                    warn(f"{str(held).partition(';')[0]}; waiting until it ends")
                is_reported = True
                check_stop()
                time.sleep(POLL)

    def prepare(self) -> None:
        """Test that the folder is writable, and remove temporary files that killed writes left."""
        self._check_deadline()
        self.folder.prepare(self._name)

    def clean_up(self, run_id: str) -> None:
        """Remove what a kill during the last save of a finished run left; ignore errors of the storage."""
        with contextlib.suppress(CheckpointError):
            self.prepare()
            self._prune(self._valid_heads(), run_id)

    def release(self) -> None:
        """Release the lock of the run, if it is held."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def holds_other_run(self, run_id: str) -> bool:
        """Return whether a valid last file is of another run."""
        heads = self._valid_heads()
        return any(heads[name].run_id != run_id for name in self.existing("last") if name in heads)

    def clear(self) -> None:
        """Remove every file of the stem."""
        for name in self.existing():
            self._remove(name)
        self._heads = None

    def _valid_heads(self) -> dict[str, Head]:
        """Return the heads of the files by name, without those of damaged files."""
        if self._heads is None:
            self._heads = {}
            for name in self.existing():
                with contextlib.suppress(CheckpointError):
                    self._heads[name] = self._head(name)
        for name in self.damaged:
            # Though its head is valid: rotated, the damaged file would replace a valid one.
            self._heads.pop(name, None)
        return self._heads

    def save(self, state: TrainingState, of_epoch: bool = False) -> list[str]:
        """Write the best checkpoint if it is new, that of the epoch and the last one, in this order; then prune.

        Parameters
        ----------
        state : TrainingState
            The state; the digest of its best file is set.
        of_epoch : bool
            Whether a checkpoint of the epoch is written, which stays when the last one is replaced.

        Returns
        -------
        list of str
            Names of the files that were written, in order.

        Raises
        ------
        CheckpointError
            If the storage fails, or another process may have taken over the run.
        """
        try:
            return self._save(state, of_epoch)
        except BaseException:
            # Which files are there is not certain any more: their heads are read again before the next save.
            self._heads = None
            raise

    def _save(self, state: TrainingState, of_epoch: bool) -> list[str]:
        heads, written = self._valid_heads(), []
        best = state.best
        best_digests = {head.digest for name, head in heads.items() if self._is_best(name)}
        # The digest of a state from elsewhere (the spool, memory) may be that of a best file which exists only there.
        if best is not None and best.digest not in best_digests:
            position = (state.run_id, best.n_rows)
            digest = self._best_written.get(position, "")
            if digest not in best_digests:
                chunks, digest = encode(state.at_best())
                self._write(self.name("best"), chunks, lambda: self._set_best_aside(heads))
                heads[self.name("best")] = Head(state.run_id, digest, "", 0, best.epoch)
                written.append(self.name("best"))
                self._best_written = {position: digest}
            best.digest = digest
        # After the best file: a last file that names a best one which is not there could not be resumed.
        chunks, digest = encode(state)
        head = Head(state.run_id, digest, best.digest if best else "", 0, state.progress.epoch)
        if of_epoch:
            name = self.name("epoch", state.progress.epoch)
            self._write(name, chunks, lambda: None)
            heads[name] = head
            written.append(name)
        self._write(self.name("last"), chunks, lambda: self._rotate(heads, state.run_id))
        heads[self.name("last")] = head
        self._prune(heads, state.run_id)
        # They were overwritten or pruned; their names may be those of good files now.
        self.damaged.clear()
        return [*written, self.name("last")]

    def _write(self, name: str, chunks: Chunks, before: Callable[[], None]) -> None:
        """Write a file; just before it becomes visible, verify the lock and call `before`, which frees its name."""

        def before_commit() -> None:
            if self._lock is not None:
                self._lock.check()
            before()
            # Again, as `before` may take long: copies in a store, a pause of the process.
            self._check_deadline()

        self.folder.write(name, chunks, before_commit)

    def _check_deadline(self) -> None:
        """Raise CheckpointError if another process may hold the run; called before each change of its files."""
        if self._lock is not None:
            self._lock.check_deadline()

    def _set_aside(self, old: str, new: str) -> None:
        self._check_deadline()
        self.folder.set_aside(old, new)

    def _remove(self, name: str) -> None:
        self._check_deadline()
        self.folder.remove(name)

    def _is_best(self, name: str) -> bool:
        return name.startswith(self.name("best")[: -len(".ckpt")])

    def _rotate(self, heads: dict[str, Head], run_id: str) -> None:
        """Rename each last file of this run to the next number; a file of another run stays, to be overwritten."""
        last = self.name("last")
        if last not in heads or heads[last].run_id != run_id:
            return
        # From the oldest, so that each name is free before it is taken.
        for number in range(self.keep_last - 1, 0, -1):
            older = self.name("last", number - 1)
            if older in heads:
                self._set_aside(older, self.name("last", number))
                heads[self.name("last", number)] = heads.pop(older)

    def _set_best_aside(self, heads: dict[str, Head]) -> None:
        """Rename the best file to the next free number, if a last file still holds its digest."""
        best = self.name("best")
        if best in heads and heads[best].digest in {head.best for head in heads.values()}:
            number = next(n for n in count(1) if self.name("best", n) not in heads)
            self._set_aside(best, self.name("best", number))
            heads[self.name("best", number)] = heads.pop(best)

    def _prune(self, heads: dict[str, Head], run_id: str) -> None:
        """Remove files of other runs, files beyond the number kept, and best files that no last file refers to."""
        names = self.existing("last", "epoch", "best")
        own = {name for name in names if name in heads and heads[name].run_id == run_id}
        epochs = [name for name in names if name in own and name.startswith(f"{self._name}_epoch")]
        kept = {*epochs[: self.keep_epochs], *(self.name("last", number) for number in range(self.keep_last))} & own
        bests = [name for name in names if self._is_best(name)]
        for name in names[: len(names) - len(bests)]:
            if name not in kept:
                self._remove(name)
                heads.pop(name, None)
        # After the last files that are not kept: a best file is needed only by those that remain.
        needed = {head.best for name, head in heads.items() if not self._is_best(name)}
        for name in bests:
            if name not in heads or heads[name].digest not in needed:
                self._remove(name)
                heads.pop(name, None)
