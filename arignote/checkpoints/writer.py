"""Who writes the files of a run: what is kept, what gives way, and that there is one writer only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from arignote.checkpoints.format import Head, encode
from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.storage import CheckStop, Chunks, Lock
from arignote.errors import CheckpointError

__all__ = ["RunWriter"]


class RunWriter(RunFiles):
    """Reads and writes the files of a stem.

    A best file is kept while any kept ``_last`` names it. Files of another run are never mixed with these: each holds a
    run id.

    Parameters
    ----------
    stem : str
        Path or URL of the files without their endings.
    keep_last : int >= 2
        How many of the last checkpoints are kept.
    keep_epochs : int >= 1, optional
        How many of the checkpoints of single epochs are kept; None: all.
    """

    def __init__(self, stem: str, keep_last: int = 2, keep_epochs: int | None = None):
        super().__init__(stem)
        self.keep_last, self.keep_epochs = keep_last, keep_epochs
        self._lock: Lock | None = None
        self._heads: dict[str, Head] | None = None
        self._best_written: tuple[str, int, str] = ("", -1, "")

    def acquire(self, check_stop: CheckStop) -> None:
        """Become the one writer of the run; `check_stop` is called while waiting, and may raise."""
        self._lock = self.folder.lock(self._name, check_stop)

    def prepare(self) -> None:
        """See that a file can be written, and remove what killed writes left."""
        self._check_deadline()
        self.folder.prepare(self._name)

    def clean_up(self, run_id: str) -> None:
        """Remove what a kill in the last save has left; a finished run needs nothing of it."""
        with contextlib.suppress(CheckpointError):
            self.prepare()
            self._prune(self._known(), run_id)

    def release(self) -> None:
        """Let others have the run."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def clear(self) -> None:
        """Remove every file of the stem."""
        for name in self.existing():
            self._remove(name)
        self._heads = None

    def _known(self) -> dict[str, Head]:
        """Return what the heads of the files say; a file that is known to be bad is not among them."""
        if self._heads is None:
            self._heads = {}
            for name in self.existing():
                with contextlib.suppress(CheckpointError):
                    self._heads[name] = self._head(name)
        for name in self.damaged:
            # A whole beginning is not enough: set aside, it would take the place of a good one.
            self._heads.pop(name, None)
        return self._heads

    def save(self, state: TrainingState, epoch_too: bool = False) -> None:
        """Write the last checkpoint, before it the best and that of the epoch, then drop what none needs."""
        try:
            self._save(state, epoch_too)
        except BaseException:
            self._heads = None
            raise

    def _save(self, state: TrainingState, epoch_too: bool) -> None:
        known = self._known()
        best = state.best
        held = {head.digest for name, head in known.items() if self._is_best(name)}
        # A state of another place (the spool, a memory) names a best file that may be there alone.
        if best is not None and best.digest not in held:
            if self._best_written[:2] != (state.run_id, best.n_rows) or self._best_written[2] not in held:
                chunks, digest = encode(state.at_best())
                self._put(self.name("best"), chunks, lambda: self._set_best_aside(known))
                known[self.name("best")] = Head(state.run_id, digest, "", 0)
                self._best_written = (state.run_id, best.n_rows, digest)
            best.digest = self._best_written[2]
        chunks, digest = encode(state)
        head = Head(state.run_id, digest, best.digest if best else "", 0)
        if epoch_too:
            name = self.name("epoch", state.progress.epoch)
            self._put(name, chunks, lambda: None)
            known[name] = head
        self._put(self.name("last"), chunks, lambda: self._rotate(known, state.run_id))
        known[self.name("last")] = head
        self._prune(known, state.run_id)
        self.damaged.clear()

    def _put(self, name: str, chunks: Chunks, before: Callable[[], None]) -> None:
        """Write a file; at the last moment see that the run is still ours, and make room under its name."""

        def make_room() -> None:
            if self._lock is not None:
                self._lock.check()
            before()
            # To make room may have taken long: copies in a store, a pause of the process.
            self._check_deadline()

        self.folder.write(name, chunks, make_room)

    def _check_deadline(self) -> None:
        """Raise CheckpointError if another process may have the run; called before each act that changes its files."""
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

    def _rotate(self, known: dict[str, Head], run_id: str) -> None:
        """Keep the last file of this run as the one before; that of another run gives way."""
        last = self.name("last")
        if last not in known or known[last].run_id != run_id:
            return
        for number in range(self.keep_last - 1, 0, -1):
            older = self.name("last", number - 1)
            if older in known:
                self._set_aside(older, self.name("last", number))
                known[self.name("last", number)] = known.pop(older)

    def _set_best_aside(self, known: dict[str, Head]) -> None:
        best = self.name("best")
        if best in known and known[best].digest in {head.best for head in known.values()}:
            number = next(n for n in range(1, len(known) + 2) if self.name("best", n) not in known)
            self._set_aside(best, self.name("best", number))
            known[self.name("best", number)] = known.pop(best)

    def _prune(self, known: dict[str, Head], run_id: str) -> None:
        """Remove files of other runs, those too many, and best files that no last file names."""
        there = self.existing("last", "epoch", "best")
        own = {name for name in there if name in known and known[name].run_id == run_id}
        epochs = [name for name in there if name in own and name.startswith(f"{self._name}_epoch")]
        kept = {*epochs[: self.keep_epochs], *(self.name("last", number) for number in range(self.keep_last))} & own
        bests = [name for name in there if self._is_best(name)]
        for name in there[: len(there) - len(bests)]:
            if name not in kept:
                self._remove(name)
                known.pop(name, None)
        needed = {head.best for name, head in known.items() if not self._is_best(name)}
        for name in bests:
            if name not in known or known[name].digest not in needed:
                self._remove(name)
                known.pop(name, None)
