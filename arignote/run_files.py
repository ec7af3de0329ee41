"""The files of one run: their names, which are kept, which is the newest good one, and when one is written."""

from __future__ import annotations

import glob
import re
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from arignote.checkpoint import encode, read, write
from arignote.errors import ArignoteWarning, CheckpointError, ConfigError
from arignote.state import TrainingState

__all__ = ["Checkpointer", "RunFiles", "normal_stem", "resolve"]

_KIND = re.compile(r"_(last|best)(\.(\d+))?\.ckpt$|_epoch(\d+)\.ckpt$")


def normal_stem(stem: str) -> Path:
    """Return a stem as a path: a final .ckpt, .pkl, .pkl.gz is dropped, the name of a file of a run refused."""
    text = str(stem)
    if text.endswith("/"):
        raise ConfigError(f"checkpoint must name files, not a folder; got {text!r}. Write {text + 'run'!r}")
    found = _KIND.search(text)
    if found:
        raise ConfigError(f"checkpoint {text!r} is one file of a run; did you mean {text[: found.start()]!r}?")
    for ending in (".pkl.gz", ".pkl", ".ckpt"):
        text = text.removesuffix(ending)
    if not Path(text).name:
        raise ConfigError(f"checkpoint must be a path without its ending, such as runs/digits; got {stem!r}")
    return Path(text)


class RunFiles:
    """Reads and writes the files of a stem.

    ``_last.ckpt`` names, by digest, the file of the best network; a best file is kept while any kept ``_last`` names
    it. Files of another run are never mixed with these: each holds a run id.

    Parameters
    ----------
    stem : str
        Path of the files without their endings.
    keep_last : int >= 2
        How many of the last checkpoints are kept.
    """

    def __init__(self, stem: str, keep_last: int = 2):
        self.stem = normal_stem(stem)
        self.keep_last = keep_last
        self._names: dict[Path, tuple[str, str]] | None = None

    def path(self, kind: str, number: int = 0) -> Path:
        """Return the path of "last", "best" or "epoch"."""
        if kind == "epoch":
            return self.stem.with_name(f"{self.stem.name}_epoch{number}.ckpt")
        return self.stem.with_name(f"{self.stem.name}_{kind}{f'.{number}' if number else ''}.ckpt")

    def lasts(self) -> list[Path]:
        """Return the last checkpoints there are, newest first."""
        return self._numbered("last")

    def _numbered(self, kind: str) -> list[Path]:
        found: list[tuple[int, Path]] = []
        if self.stem.parent.is_dir():
            for path in self.stem.parent.glob(f"{glob.escape(self.stem.name)}_{kind}*.ckpt"):
                match = re.fullmatch(rf"_{kind}(?:\.(\d+))?\.ckpt", path.name[len(self.stem.name) :])
                if match:
                    found.append((int(match[1] or 0), path))
        return [path for _, path in sorted(found)]

    def exists(self) -> bool:
        """Whether there is any file of the stem."""
        return bool(self.lasts() or self._numbered("best"))

    def probe(self) -> None:
        """Make the folder and see that a file can be written there; CheckpointError before any training."""
        folder = self.stem.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise CheckpointError(f"{folder}: the folder cannot be made: {fault.strerror}") from None
        trial = folder / f".{self.stem.name}.probe"
        write(b"", trial)
        trial.unlink(missing_ok=True)
        for leftover in folder.glob(f".{glob.escape(self.stem.name)}_*.tmp"):
            leftover.unlink(missing_ok=True)

    def newest(self) -> TrainingState | None:
        """Return the newest good state with its best network; None without any file.

        A broken file is named in a warning, and the one before it of the same run is used; CheckpointError where
        there are files but none is good.
        """
        faults: list[str] = []
        run_id = None
        for path in self.lasts():
            try:
                state, _ = read(path)
                if run_id is not None and state.run_id != run_id:
                    continue
                run_id = state.run_id
                if state.best is not None:
                    state.best.network = self._best_network(state, path)
            except CheckpointError as fault:
                faults.append(str(fault))
                continue
            for fault_text in faults:
                warnings.warn(f"{fault_text}. Going on from {path}", ArignoteWarning, stacklevel=2)
            return state
        if faults or self._numbered("best"):
            raise CheckpointError(
                "\n".join(faults or [f"{self.path('last')}: is missing, though there is a best file"])
                + '\nNo good checkpoint is left; resume="fresh" starts over'
            )
        return None

    def _best_network(self, state: TrainingState, path: Path) -> dict[str, NDArray[Any]]:
        assert state.best is not None
        for best_path in self._numbered("best"):
            try:
                best, digest = read(best_path)
            except CheckpointError:
                continue
            if digest == state.best.digest:
                return best.network
        raise CheckpointError(f"{path}: the file of its best network ({self.path('best')}) is missing or damaged")

    def _named(self) -> dict[Path, tuple[str, str]]:
        """Return (run id, digest of the best) that each kept last file names."""
        if self._names is None:
            self._names = {}
            for path in self.lasts():
                try:
                    state, _ = read(path)
                except CheckpointError:
                    continue
                self._names[path] = (state.run_id, state.best.digest if state.best else "")
        return self._names

    def save(self, state: TrainingState) -> None:
        """Write the last checkpoint, and before it the best where it is new; then drop what none needs."""
        named = self._named()
        if state.best is not None and not state.best.digest:
            data, digest = encode(state.at_best())
            self._make_room_for_best({best for _, best in named.values()})
            write(data, self.path("best"))
            state.best.digest = digest
        data, _ = encode(state)
        last = self.path("last")
        same_run = last in named and named[last][0] == state.run_id
        if same_run:
            for number in range(self.keep_last - 1, 0, -1):
                older = self.path("last", number - 1)
                if older in named:
                    older.replace(self.path("last", number))
                    named[self.path("last", number)] = named.pop(older)
        write(data, last)
        named[last] = (state.run_id, state.best.digest if state.best else "")
        self._prune(state.run_id)

    def save_epoch(self, state: TrainingState) -> None:
        """Write the checkpoint of a complete epoch."""
        write(encode(state)[0], self.path("epoch", state.progress.epoch))

    def _make_room_for_best(self, needed: set[str]) -> None:
        best = self.path("best")
        if not best.exists():
            return
        try:
            digest = read(best)[1]
        except CheckpointError:
            return
        if digest in needed:
            taken = set(self._numbered("best"))
            number = next(n for n in range(1, len(taken) + 2) if self.path("best", n) not in taken)
            best.replace(self.path("best", number))

    def _prune(self, run_id: str) -> None:
        named = self._named()
        for path in self.lasts():
            if path not in named or named[path][0] != run_id or path == self.path("last", self.keep_last):
                path.unlink(missing_ok=True)
                named.pop(path, None)
        needed = {digest for _, digest in named.values()}
        for path in self._numbered("best"):
            if path == self.path("best") and named[self.path("last")][1]:
                continue
            try:
                if read(path)[1] in needed:
                    continue
            except CheckpointError:
                pass
            path.unlink(missing_ok=True)


def resolve(run: str, which: str | None = None) -> Iterator[Path]:
    """Yield the files that RUN may mean, most wanted first: a file, or a stem with `which` (best, last, N)."""
    path = Path(run)
    if path.is_file():
        yield path
        return
    files = RunFiles(run)
    if which is not None and which.isdigit():
        yield files.path("epoch", int(which))
    elif which in (None, "last", "best"):
        yield from [files.path("best")] if which == "best" else files.lasts()
    else:
        raise ConfigError(f"--which must be best, last or the number of an epoch; got {which!r}")


class Checkpointer:
    """Decides when the state is saved, and sees before each time that it is finite.

    Parameters
    ----------
    files : RunFiles or None
        Where; None keeps the last good state in memory.
    every : "auto", "epoch", int or str
        Cadence: each epoch (saves closer than a second joined, long epochs every 5 minutes); batches; "30s".
    keep_all : bool
        Whether each epoch is kept in a file of its own.
    """

    def __init__(self, files: RunFiles | None, every: str | int = "auto", keep_all: bool = False):
        self.files = files
        self.every = every
        self.keep_all = keep_all
        self._saved_at = -1e9
        self._began = time.monotonic()
        self._memory: TrainingState | None = None
        self._saved_position = (-1, -1)

    def after_batch(self, state: TrainingState) -> None:
        """Save in mid-epoch where the cadence says so."""
        if self.files is None:
            return
        if isinstance(self.every, int):
            due = state.progress.n_updates % self.every == 0
        elif self.every == "epoch":
            return
        else:
            seconds = 300.0 if self.every == "auto" else float(self.every[:-1])
            due = time.monotonic() - max(self._saved_at, self._began) >= seconds
        if due:
            self.save(state)

    def after_epoch(self, state: TrainingState) -> None:
        """Save at the end of an epoch, unless the last save is less than a second old."""
        joined = self.every == "auto" and time.monotonic() - self._saved_at < 1.0
        if not joined and not (isinstance(self.every, str) and self.every.endswith("s")):
            self.save(state)
        else:
            self.check(state)
        if self.keep_all and self.files is not None:
            self.files.save_epoch(state)

    def save(self, state: TrainingState) -> None:
        """Save now, unless this position is saved."""
        position = (state.progress.epoch, state.progress.batch)
        if position == self._saved_position and state.progress.stopped_by is None:
            return
        self.check(state)
        if self.files is None:
            self._memory = state.snapshot()
        else:
            self.files.save(state)
        self._saved_at, self._saved_position = time.monotonic(), position

    def check(self, state: TrainingState) -> None:
        """Raise FloatingPointError where the state is not finite, so that it is never saved."""
        if not state.finite():
            raise FloatingPointError

    def last_good(self) -> TrainingState | None:
        """Return the newest state that was saved; None before the first."""
        return self._memory if self.files is None else self.files.newest()
