"""The files of one run: their names, which are kept, and which is the newest good one."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from arignote.checkpoint import Head, decode, encode, head_of
from arignote.errors import ArignoteWarning, CheckpointError, ConfigError
from arignote.state import TrainingState
from arignote.stems import FILE_OF_A_RUN, normal_stem
from arignote.storage import Heed, Lock, Pieces, folder_of

__all__ = ["RunFiles", "resolve"]


class RunFiles:
    """Reads and writes the files of a stem.

    ``_last.ckpt`` names, by digest, the file of the best network; a best file is kept while any kept ``_last`` names
    it. Files of another run are never mixed with these: each holds a run id.

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
        self.stem = normal_stem(stem)
        self.folder, self._name = folder_of(self.stem)
        self.keep_last, self.keep_epochs = keep_last, keep_epochs
        self._lock: Lock | None = None
        self._heads: dict[str, Head] | None = None
        self._bad: set[str] = set()
        self._best_written: tuple[str, int, str] = ("", -1, "")

    def name(self, kind: str, number: int = 0) -> str:
        """Return the name of a file: "last", "best" (0 the newest) or "epoch"."""
        if kind == "epoch":
            return f"{self._name}_epoch{number}.ckpt"
        return f"{self._name}_{kind}{f'.{number}' if number else ''}.ckpt"

    def path(self, kind: str, number: int = 0) -> str:
        """Return the path of a file, as it is told to people."""
        return self.folder.where(self.name(kind, number))

    def there(self, *kinds: str) -> list[str]:
        """Return the names of the files there are, of some kinds (default all); of each kind the newest first."""
        found: list[tuple[int, int, str]] = []
        wanted = kinds or ("last", "best", "epoch")
        for name in self.folder.names():
            match = FILE_OF_A_RUN.fullmatch(name[len(self._name) :]) if name.startswith(self._name) else None
            if match is None:
                continue
            kind = match[1] or "epoch"
            if kind in wanted:
                found.append((wanted.index(kind), -int(match[4]) if match[4] else int(match[3] or 0), name))
        return [name for _, _, name in sorted(found)]

    def read(self, name: str) -> tuple[TrainingState, str]:
        """Read and verify one file; no code from it is run."""
        try:
            # A large foreign file is refused by its beginning, and one that is too long by the first byte too many.
            n_bytes = self._head(name).n_bytes
            return decode(self.folder.read(name, n_bytes + 1), self.folder.where(name))
        except CheckpointError:
            self._bad.add(name)
            raise

    def _head(self, name: str) -> Head:
        return head_of(lambda n_bytes: self.folder.read(name, n_bytes), self.folder.where(name))

    def begin(self, heed: Heed) -> None:
        """Become the one writer of the run; `heed` is called while waiting, and may raise."""
        self._lock = self.folder.lock(self._name, heed)

    def prepare(self) -> None:
        """See that a file can be written, and remove what killed writes left."""
        self.folder.prepare(self._name)

    def tidy(self, run_id: str) -> None:
        """Remove what a kill in the last save has left; a finished run needs nothing of it."""
        with contextlib.suppress(CheckpointError):
            self.prepare()
            self._prune(self._known(), run_id)

    def end(self) -> None:
        """Let others have the run."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def clear(self) -> None:
        """Remove every file of the stem."""
        for name in self.there():
            self.folder.remove(name)
        self._heads = None

    def states(self, faults: list[str]) -> Iterator[tuple[str, TrainingState]]:
        """Yield the good last states with their best networks, the newest first; what is wrong goes to `faults`."""
        lasts = self.there("last")
        if lasts and lasts[0] != self.name("last"):
            faults.append(f"{self.path('last')}: is missing")
        for name in lasts:
            try:
                state, _ = self.read(name)
                if state.best is not None:
                    state.best.network = self._best_network(state, name)
            except CheckpointError as fault:
                faults.append(str(fault))
                self._bad.add(name)
                continue
            yield self.folder.where(name), state
        if not lasts and self.there():
            faults.append(f"{self.path('last')}: is missing, though there are other files of the run")

    def newest(self) -> tuple[str, TrainingState] | None:
        """Return path and state of the newest good file; None without any file, CheckpointError if none is good."""
        faults: list[str] = []
        for found in self.states(faults):
            for fault in faults:
                warnings.warn(f"{fault}. Used instead: {found[0]}", ArignoteWarning, stacklevel=4)
            return found
        if faults:
            raise CheckpointError("\n".join([*faults, "No good checkpoint is left"]))
        return None

    def _best_network(self, state: TrainingState, name: str) -> dict[str, NDArray[Any]]:
        assert state.best is not None
        for best, digest in self._good_bests():
            if digest == state.best.digest:
                return best.network
        where = self.folder.where(name)
        raise CheckpointError(f"{where}: the file of its best network ({self.path('best')}) is missing or damaged")

    def has_best(self, digest: str) -> bool:
        """Whether a good file of the best network has this digest."""
        return any(found == digest for _, found in self._good_bests())

    def _good_bests(self) -> Iterator[tuple[TrainingState, str]]:
        for name in self.there("best"):
            with contextlib.suppress(CheckpointError):
                yield self.read(name)

    def _known(self) -> dict[str, Head]:
        """Return what the heads of the files say; a file that is known to be bad is not among them."""
        if self._heads is None:
            self._heads = {}
            for name in self.there():
                with contextlib.suppress(CheckpointError):
                    self._heads[name] = self._head(name)
        for name in self._bad:
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
                pieces, digest = encode(state.at_best())
                self._put(self.name("best"), pieces, lambda: self._set_best_aside(known))
                known[self.name("best")] = Head(state.run_id, digest, "", 0)
                self._best_written = (state.run_id, best.n_rows, digest)
            best.digest = self._best_written[2]
        pieces, digest = encode(state)
        head = Head(state.run_id, digest, best.digest if best else "", 0)
        if epoch_too:
            name = self.name("epoch", state.progress.epoch)
            self._put(name, pieces, lambda: None)
            known[name] = head
        self._put(self.name("last"), pieces, lambda: self._rotate(known, state.run_id))
        known[self.name("last")] = head
        self._prune(known, state.run_id)
        self._bad.clear()

    def _put(self, name: str, pieces: Pieces, before: Callable[[], None]) -> None:
        """Write a file; at the last moment see that the run is still ours, and make room under its name."""

        def make_room() -> None:
            if self._lock is not None:
                self._lock.check()
            before()

        self.folder.write(name, pieces, make_room)

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
                self.folder.set_aside(older, self.name("last", number))
                known[self.name("last", number)] = known.pop(older)

    def _set_best_aside(self, known: dict[str, Head]) -> None:
        best = self.name("best")
        if best in known and known[best].digest in {head.best for head in known.values()}:
            number = next(n for n in range(1, len(known) + 2) if self.name("best", n) not in known)
            self.folder.set_aside(best, self.name("best", number))
            known[self.name("best", number)] = known.pop(best)

    def _prune(self, known: dict[str, Head], run_id: str) -> None:
        """Remove files of other runs, those too many, and best files that no last file names."""
        there = self.there("last", "epoch", "best")
        own = {name for name in there if name in known and known[name].run_id == run_id}
        epochs = [name for name in there if name in own and name.startswith(f"{self._name}_epoch")]
        kept = {*epochs[: self.keep_epochs], *(self.name("last", number) for number in range(self.keep_last))} & own
        bests = [name for name in there if self._is_best(name)]
        for name in there[: len(there) - len(bests)]:
            if name not in kept:
                self.folder.remove(name)
                known.pop(name, None)
        needed = {head.best for name, head in known.items() if not self._is_best(name)}
        for name in bests:
            if name not in known or known[name].digest not in needed:
                self.folder.remove(name)
                known.pop(name, None)


def resolve(run: str, which: str | None = None) -> tuple[RunFiles, list[str]]:
    """Return the run that RUN means, and the names of its files that `which` (best, last, N) may mean, best first.

    RUN is a stem, or one file of a run.
    """
    folder, name = folder_of(run)
    if name in folder.names() and not Path(run).is_dir():
        found = FILE_OF_A_RUN.search(run)
        return RunFiles(run[: found.start()] if found else run), [name]
    if FILE_OF_A_RUN.search(run):
        raise CheckpointError(f"{run}: there is no such file")
    files = RunFiles(run)
    if which in (None, "last"):
        return files, files.there("last")
    if which == "best" or which.isdigit():
        name = files.name("best") if which == "best" else files.name("epoch", int(which))
        if name not in files.there():
            there = ", ".join(files.there()) or "none"
            hint = " checkpoint_all keeps that of each epoch." if which.isdigit() else ""
            raise CheckpointError(f"{run}: there is no {name}.{hint} There are: {there}")
        return files, [name]
    raise ConfigError(f"--which must be best, last or the number of an epoch; got {which!r}")
