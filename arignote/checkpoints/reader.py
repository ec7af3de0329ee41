"""The files of one run: their names, and the newest one that is not damaged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
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
    """The files of a stem, for reading.

    ``_last.ckpt`` holds the digest of the file of the best network.

    Parameters
    ----------
    stem : str
        Path or URL of the files without their suffixes.

    Attributes
    ----------
    damaged : set of str
        Names of files that were read and found damaged.
    """

    def __init__(self, stem: str):
        self.stem = normal_stem(stem)
        self.folder, self._name = folder_of(self.stem)
        self.damaged: set[str] = set()

    def name(self, kind: str, number: int = 0) -> str:
        """Return the name of a file of kind "last" or "best" (number 0 is the newest) or "epoch"."""
        if kind == "epoch":
            return f"{self._name}_epoch{number}.ckpt"
        return f"{self._name}_{kind}{f'.{number}' if number else ''}.ckpt"

    @property
    def report(self) -> str:
        """Name of the page of the run."""
        return f"{self._name}_report.html"

    def path(self, kind: str, number: int = 0) -> str:
        """Return the path of a file, for messages."""
        return self.folder.path_of(self.name(kind, number))

    def existing(self, *kinds: str) -> list[str]:
        """Return the names of existing files by kind (default all), in the order of the kinds, each from the newest."""
        keyed: list[tuple[int, int, str]] = []
        wanted = kinds or ("last", "best", "epoch")
        for name in self.folder.names():
            match = FILE_OF_A_RUN.fullmatch(name[len(self._name) :]) if name.startswith(self._name) else None
            if match is None:
                continue
            kind = match[1] or "epoch"
            if kind in wanted:
                # Of epochs the highest number is the newest, of the others the lowest.
                keyed.append((wanted.index(kind), -int(match[4]) if match[4] else int(match[3] or 0), name))
        return [name for _, _, name in sorted(keyed)]

    def read(self, name: str) -> tuple[TrainingState, str]:
        """Read and verify one file, without running any code from it.

        Returns
        -------
        tuple of (TrainingState, str)
            The state, and the digest of the file.

        Raises
        ------
        CheckpointError
            If the file is missing or damaged; its name is added to `damaged`.
        """
        try:
            # Not the whole file: a large file of another kind is rejected by its header, a longer one by one byte.
            n_bytes = self._head(name).n_bytes
            return decode(self.folder.read(name, n_bytes + 1), self.folder.path_of(name))
        except CheckpointError:
            self.damaged.add(name)
            raise

    def digest(self, name: str) -> str:
        """Return the digest of a file from its header alone; empty if this cannot be read."""
        try:
            return self._head(name).digest
        except CheckpointError:
            return ""

    def _head(self, name: str) -> Head:
        return read_head(lambda n_bytes: self.folder.read(name, n_bytes), self.folder.path_of(name))

    def complete_epochs(self) -> int:
        """Return the number of complete epochs in the newest file ``_last`` whose header can be read; 0 without any."""
        for name in self.existing("last"):
            with contextlib.suppress(CheckpointError):
                return self._head(name).epoch
        return 0

    def states(
        self,
        problems: list[str],
        needs_best: bool = True,
        decoded: Mapping[str, tuple[TrainingState, str]] | None = None,
    ) -> Iterator[tuple[str, TrainingState]]:
        """Yield path and state of the valid ``_last`` files with their best networks, the newest first.

        Parameters
        ----------
        problems : list of str
            A message for each file that is missing or skipped is appended.
        needs_best : bool, default True
            Whether a state whose best network is lost is skipped.
        decoded : dict of str to (TrainingState, str), optional
            By name of the file, what `read` returned; these files are not read again.
        """
        lasts, decoded = self.existing("last"), decoded or {}
        if lasts and lasts[0] != self.name("last"):
            problems.append(f"{self.path('last')}: is missing")
        for name in lasts:
            try:
                state, _ = decoded.get(name) or self.read(name)
                if state.best is not None:
                    best = self._best_network(state.best.digest, decoded)
                    if best is None and needs_best:
                        raise CheckpointError(
                            f"{self.folder.path_of(name)}: the file of its best network ({self.path('best')}) is "
                            "missing or damaged"
                        )
                    state.best.network = best or {}
            except CheckpointError as error:
                problems.append(str(error))
                self.damaged.add(name)
                continue
            yield self.folder.path_of(name), state
        if not lasts and self.existing():
            problems.append(f"{self.path('last')}: is missing, though there are other files of the run")

    def newest(self, needs_best: bool = True) -> tuple[str, TrainingState] | None:
        """Return path and state of the newest valid ``_last`` file, as `states` does; None if there are no files.

        Raises
        ------
        CheckpointError
            If there are files, but none of them is valid.

        Warns
        -----
        ArignoteWarning
            For each newer file that is missing or skipped.
        """
        problems: list[str] = []
        for path, state in self.states(problems, needs_best):
            for problem in problems:
                warn(f"{problem}. Used instead: {path}")
            return path, state
        if problems:
            raise CheckpointError("\n".join([*problems, "No good checkpoint is left: copy one back, or train again"]))
        return None

    def _best_network(
        self, digest: str, decoded: Mapping[str, tuple[TrainingState, str]]
    ) -> dict[str, NDArray[Any]] | None:
        return next((best.network for best, its_digest in self._valid_bests(decoded) if its_digest == digest), None)

    def has_best(self, digest: str) -> bool:
        """Return whether a valid file of the best network has this digest."""
        return any(its_digest == digest for _, its_digest in self._valid_bests({}))

    def _valid_bests(self, decoded: Mapping[str, tuple[TrainingState, str]]) -> Iterator[tuple[TrainingState, str]]:
        for name in self.existing("best"):
            with contextlib.suppress(CheckpointError):
                yield decoded.get(name) or self.read(name)


def resolve(run: str, which: str | None = None) -> tuple[RunFiles, list[str]]:
    """Return the files of a run, and the names of those that a command may use, the preferred one first.

    Parameters
    ----------
    run : str
        A stem, or the path of one file of a run.
    which : str, optional
        "best", "last" (the default), or the number of an epoch.

    Raises
    ------
    CheckpointError
        If the file does not exist.
    ConfigError
        If `which` is none of these.
    """
    folder, name = folder_of(run)
    if name in folder.names() and not Path(run).is_dir():
        match = FILE_OF_A_RUN.search(run)
        return RunFiles(run[: match.start()] if match else run), [name]
    if FILE_OF_A_RUN.search(run):
        raise CheckpointError(f"{run}: there is no such file")
    files = RunFiles(run)
    if which in (None, "last"):
        return files, files.existing("last")
    if which == "best" or which.isdigit():
        name = files.name("best") if which == "best" else files.name("epoch", int(which))
        if name not in files.existing():
            names = ", ".join(files.existing()) or "none"
            hint = " checkpoint_all keeps that of each epoch." if which.isdigit() else ""
            raise CheckpointError(f"{run}: there is no {name}.{hint} There are: {names}")
        return files, [name]
    raise ConfigError(f"--which must be best, last or the number of an epoch; got {which!r}")
