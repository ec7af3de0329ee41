"""The files of one run: their names, and which is the newest good one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from arignote.checkpoints.format import Head, decode, read_head
from arignote.checkpoints.names import FILE_OF_A_RUN, normal_stem
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.storage import folder_of
from arignote.errors import CheckpointError, ConfigError, warn

__all__ = ["RunFiles", "resolve"]


class RunFiles:
    """Reads the files of a stem.

    ``_last.ckpt`` names, by digest, the file of the best network.

    Parameters
    ----------
    stem : str
        Path or URL of the files without their endings.

    Attributes
    ----------
    damaged : set of str
        Names of files that were read, and are not what they should be.
    """

    def __init__(self, stem: str):
        self.stem = normal_stem(stem)
        self.folder, self._name = folder_of(self.stem)
        self.damaged: set[str] = set()

    def name(self, kind: str, number: int = 0) -> str:
        """Return the name of a file: "last", "best" (0 the newest) or "epoch"."""
        if kind == "epoch":
            return f"{self._name}_epoch{number}.ckpt"
        return f"{self._name}_{kind}{f'.{number}' if number else ''}.ckpt"

    def path(self, kind: str, number: int = 0) -> str:
        """Return the path of a file, as it is told to people."""
        return self.folder.path_of(self.name(kind, number))

    def existing(self, *kinds: str) -> list[str]:
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
            return decode(self.folder.read(name, n_bytes + 1), self.folder.path_of(name))
        except CheckpointError:
            self.damaged.add(name)
            raise

    def _head(self, name: str) -> Head:
        return read_head(lambda n_bytes: self.folder.read(name, n_bytes), self.folder.path_of(name))

    def states(self, faults: list[str], needs_best: bool = True) -> Iterator[tuple[str, TrainingState]]:
        """Yield the good last states with their best networks, the newest first; what is wrong goes to `faults`.

        One whose best network is lost is no good one, unless it `needs_best` no more.
        """
        lasts = self.existing("last")
        if lasts and lasts[0] != self.name("last"):
            faults.append(f"{self.path('last')}: is missing")
        for name in lasts:
            try:
                state, _ = self.read(name)
                if state.best is not None:
                    best = self._best_network(state.best.digest)
                    if best is None and needs_best:
                        told = f"the file of its best network ({self.path('best')}) is missing or damaged"
                        raise CheckpointError(f"{self.folder.path_of(name)}: {told}")
                    state.best.network = best or {}
            except CheckpointError as fault:
                faults.append(str(fault))
                self.damaged.add(name)
                continue
            yield self.folder.path_of(name), state
        if not lasts and self.existing():
            faults.append(f"{self.path('last')}: is missing, though there are other files of the run")

    def newest(self, needs_best: bool = True) -> tuple[str, TrainingState] | None:
        """Return path and state of the newest good file; None without any file, CheckpointError if none is good."""
        faults: list[str] = []
        for found in self.states(faults, needs_best):
            for fault in faults:
                warn(f"{fault}. Used instead: {found[0]}")
            return found
        if faults:
            raise CheckpointError("\n".join([*faults, "No good checkpoint is left"]))
        return None

    def _best_network(self, digest: str) -> dict[str, NDArray[Any]] | None:
        return next((best.network for best, found in self._good_bests() if found == digest), None)

    def has_best(self, digest: str) -> bool:
        """Whether a good file of the best network has this digest."""
        return any(found == digest for _, found in self._good_bests())

    def _good_bests(self) -> Iterator[tuple[TrainingState, str]]:
        for name in self.existing("best"):
            with contextlib.suppress(CheckpointError):
                yield self.read(name)


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
        return files, files.existing("last")
    if which == "best" or which.isdigit():
        name = files.name("best") if which == "best" else files.name("epoch", int(which))
        if name not in files.existing():
            there = ", ".join(files.existing()) or "none"
            hint = " checkpoint_all keeps that of each epoch." if which.isdigit() else ""
            raise CheckpointError(f"{run}: there is no {name}.{hint} There are: {there}")
        return files, [name]
    raise ConfigError(f"--which must be best, last or the number of an epoch; got {which!r}")
