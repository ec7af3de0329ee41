"""A process that kills runs at each of their filesystem operations, and prints what became of them as JSON.

It never trains itself: every run is a forked child, so that none of them pays for the import of torch.
"""

from __future__ import annotations

import argparse
import builtins
import gc
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from arignote import CheckpointError, Interrupted, NNClassifier
from arignote.checkpoints import schedule
from arignote.checkpoints.format import decode
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.tensors import tensors_sha256

LAYERS = [
    ["FCLayer", {"name": "fc1", "n_units": 4, "activation": "prelu_shelf"}],
    ["DropoutLayer", {"dropout_p": 0.2}],
    ["ClassificationOutputLayer", {"name": "output"}],
]
SETTINGS: dict[str, Any] = {
    "n_epochs": 2,
    "batch_size": 16,
    "valid": 0.2,
    "sgd_type": "nag",
    "lr_rule": {"rule": "stalled", "initial_value": 0.3, "multiply_by": 0.5, "interval": 1},
    "checkpoint_every": 2,
    "checkpoint_all": True,
    "keep_epochs": 1,
    "n_threads": 1,
    "n_workers": 0,
}
# Events that Python reports to audit hooks before they happen: no call of these is missed.
AUDITED = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "fcntl.flock")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Scenario:
    """A command, and what was in the folder before it was given.

    Attributes
    ----------
    settings, before : dict
        Of the command, and of the one that was given before it.
    sigterm_at : (epoch, batch), optional
        Where the run asks itself to stop.
    in_background : bool
        Whether training continues while a file is written, as with large states; clocks then decide which are.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    before: dict[str, Any] | None = None
    sigterm_at: tuple[int, int] | None = None
    in_background: bool = False

    @property
    def n_epochs(self) -> int:
        return (SETTINGS | self.settings)["n_epochs"]


SCENARIOS = {
    "batches": Scenario(),
    "epochs": Scenario({"checkpoint_every": "epoch"}),
    "auto": Scenario({"checkpoint_every": "auto", "checkpoint_all": False}),
    "stopped by SIGTERM": Scenario({"n_epochs": 1, "checkpoint_every": "epoch"}, sigterm_at=(1, 2)),
    "more epochs": Scenario({"checkpoint_every": "epoch"}, before={"n_epochs": 1}),
    "fresh": Scenario({"n_epochs": 1, "resume": "fresh"}, before={"n_epochs": 2, "rng": 4}),
    "in the background": Scenario({"checkpoint_every": 1}, in_background=True),
}


@dataclass(frozen=True)
class Kill:
    """Before which operation, counted from 0; or in the middle of it, where it writes."""

    at: int
    half: bool = False


class Operations:
    """Counts what this process does to the files of a folder, in all its threads, and kills it at one of them.

    Parameters
    ----------
    folder : Path
        Whose files.
    kill : Kill or None
        When; None only counts.
    pieces : bool
        Whether each piece that is written counts, rather than the contents of a file as one.
    """

    def __init__(self, folder: Path, kill: Kill | None, pieces: bool):
        self.done: list[str] = []
        self._folder, self._kill, self._pieces = str(folder), kill, pieces
        self._handles: set[int] = set()

    def begin(self) -> None:
        """Watch from here on; a process cannot stop being watched."""
        sys.addaudithook(self._heard)
        for name in ("write", "fsync", "fdatasync"):
            setattr(os, name, self._of_handle(name, getattr(os, name)))
        os.open = self._opening(os.open)
        builtins.open = self._file(builtins.open)  # type: ignore[assignment]

    def due(self, what: str, half: Callable[[], None] | None = None) -> None:
        """Count an operation, or die before it or in the middle of it."""
        if self._kill is not None and len(self.done) == self._kill.at:
            if self._kill.half and half is not None:
                half()
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        self.done.append(what)

    def _is_ours(self, path: Any) -> bool:
        if isinstance(path, int):
            return path in self._handles
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self._folder)

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        opened_to_write = event == "open" and bool(args[2] & WRITES)
        if (opened_to_write or event in AUDITED) and self._is_ours(args[0]):
            self.due(event)

    def _of_handle(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def act(handle: int, *rest: Any) -> Any:
            if handle in self._handles:
                self.due(f"os.{name}", (lambda: real(handle, rest[0][: len(rest[0]) // 2])) if rest else None)
            return real(handle, *rest)

        return act

    def _opening(self, real: Callable[..., int]) -> Callable[..., int]:
        def act(path: Any, *rest: Any, **more: Any) -> int:
            handle = real(path, *rest, **more)
            (self._handles.add if self._is_ours(path) else self._handles.discard)(handle)
            return handle

        return act

    def _file(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def act(path: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
            if not self._is_ours(path) or mode == "rb":
                return real(path, mode, *rest, **more)
            assert mode == "wb" and not rest and not more, "teach the driver this way of writing"
            file = _File(real(path, mode, buffering=0), self, self._pieces)
            self._handles.add(file.fileno())
            return file

        return act


class _File:
    """A file that is written to at once, without a buffer: its contents in pieces, or in one."""

    def __init__(self, file: Any, operations: Operations, pieces: bool):
        self._file, self._operations, self._in_pieces = file, operations, pieces
        self._collected = b""
        self.fileno = file.fileno

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: Any) -> None:
        self.flush()
        self._file.close()

    def write(self, piece: Any) -> int:
        self._collected += bytes(piece)
        if self._in_pieces:
            self.flush()
        return len(piece)

    def flush(self) -> None:
        data, self._collected = self._collected, b""
        if data:
            self._operations.due("write", lambda: self._file.write(data[: len(data) // 2]))
            self._file.write(data)


def data_set() -> tuple[Any, Any]:
    """Return 60 rows of three classes that a small network can tell apart."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 60)
    return (rng.normal(size=(60, 5)) + labels[:, None] * np.array([1, -1, 0.5, 0, 0])).astype(np.float32), labels


def fit(stem: str, scenario: Scenario) -> dict[str, Any]:
    """Give the command, and return how it ended; this process is of no other use afterwards."""

    def observer(event: Any) -> None:
        if event.kind == "batch" and (event.epoch, event.batch) == scenario.sigterm_at:
            os.kill(os.getpid(), signal.SIGTERM)

    if scenario.in_background:
        schedule.SMALL = 0
    settings = SETTINGS | scenario.settings
    classifier = NNClassifier(LAYERS, rng=settings.pop("rng", 3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            classifier.fit(
                *data_set(), **settings, checkpoint=stem, observers=observer if scenario.sigterm_at else None
            )
        except Interrupted:
            return {"interrupted": True}
    state = classifier.state_
    return {
        "digest": [*digest(state), tensors_sha256(classifier.params)],
        "starts": state.starts,
        "warnings": [str(warning.message) for warning in caught],
    }


def digest(state: TrainingState) -> list[Any]:
    """Return what must be the same bits, however often the run was killed."""
    best = state.best
    return [
        tensors_sha256(state.network),
        tensors_sha256(state.slots),
        state.history.sha256(),
        {name: str(vars(rule)) for name, rule in sorted(state.rules.items())},
        [best.value, best.epoch, best.examples_seen, best.n_rows] if best else None,
        vars(state.progress),
    ]


def in_child(act: Callable[[], Any]) -> Any:
    """Return what a function returns in a forked child; None where the child was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            answer = {"ok": act()}
        except BaseException as error:
            answer = {"error": f"{type(error).__name__}: {error}", "where": traceback.format_exc()}
        with os.fdopen(writing, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer_text = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    answer = json.loads(answer_text or '{"error": "the child wrote no answer"}')
    return answer.get("ok", answer)


def newest(folder: Path) -> TrainingState | None:
    """Return the most advanced good last state in a folder, found without the package's own choice of files."""
    found = []
    for path in folder.glob("run_last*.ckpt"):
        try:
            found.append(decode(path.read_bytes(), str(path))[0])
        except CheckpointError:
            continue
    return max(found, key=lambda state: (state.progress.n_updates, state.progress.epoch), default=None)


def starts_after(stored: TrainingState | None, n_epochs: int) -> list[list[int]]:
    """Return where the processes of a run began, if the next one resumes from the newest state that there is."""
    if stored is None:
        return [[0, 0]]
    position = [stored.progress.epoch, stored.progress.batch]
    return stored.starts if stored.progress.epoch >= n_epochs else [*stored.starts, position]


def files(folder: Path) -> dict[str, Any]:
    """Return what is in a folder: each name, and of each checkpoint what must be the same bits.

    Of best files, which are found by their digest, the number says nothing.
    """
    found: dict[str, Any] = {"best files": []}
    for path in sorted(folder.iterdir()):
        state = digest(decode(path.read_bytes(), str(path))[0]) if path.suffix == ".ckpt" else None
        if state and "_best" in path.name:
            found["best files"] = sorted([*found["best files"], state], key=str)
        else:
            found[path.name] = state
    return found


class Trial:
    """Kills the runs of one scenario."""

    def __init__(self, scenario: Scenario, folder: Path, pieces: bool):
        self._scenario, self._folder, self._pieces = scenario, folder, pieces
        self._before = folder / "before"
        self._before.mkdir(parents=True)
        if scenario.before is not None:
            earlier = Scenario(scenario.settings | scenario.before)
            in_child(lambda: fit(str(self._before / "run"), earlier))
        self._number = 0
        at = self._new_folder()
        self.reference = self._to_the_end(at, [])
        self.reference_files = files(at)
        at = self._new_folder()
        self.operations: list[str] = in_child(lambda: self._count(at))

    def _new_folder(self) -> Path:
        self._number += 1
        at = self._folder / str(self._number) / "runs"
        if self._scenario.before is not None:
            shutil.copytree(self._before, at)
        return at

    def _run(self, at: Path, kill: Kill | None = None) -> Any:
        def act() -> Any:
            if kill is not None:
                Operations(at, kill, self._pieces).begin()
            return fit(str(at / "run"), self._scenario)

        return in_child(act)

    def _count(self, at: Path) -> list[str]:
        operations = Operations(at, None, self._pieces)
        operations.begin()
        fit(str(at / "run"), self._scenario)
        return operations.done

    def _to_the_end(self, at: Path, wrong: list[str]) -> dict[str, Any]:
        """Run the command until the run is finished; check each time that it resumes from the newest state."""
        for _ in range(3):
            stored = newest(at) if at.is_dir() and self._scenario.settings.get("resume") != "fresh" else None
            ended = self._run(at)
            if ended is None or "error" in ended:
                wrong.append(str(ended))
                break
            if "interrupted" in ended:
                continue
            expected = starts_after(stored, self._scenario.n_epochs)
            if ended["starts"] != expected:
                wrong.append(f"starts are {ended['starts']}, not {expected}")
            # A run that is killed between two renames leaves the file before as the newest, which is reported.
            wrong += [text for text in ended["warnings"] if "run_last.ckpt: is missing. Resuming" not in text]
            return ended
        return {"digest": None, **(ended or {})}

    def kill(self, *kills: Kill) -> list[str]:
        """Kill a run and the runs that resume it; return what was wrong at the end."""
        at, wrong = self._new_folder(), []
        for kill in kills:
            ended = self._run(at, kill)
            if ended is not None:
                # A recovery may have fewer operations than the one before it.
                if "error" in ended:
                    wrong.append(str(ended))
                break
        ended = self._to_the_end(at, wrong)
        if ended["digest"] != self.reference["digest"]:
            wrong.append(f"digest {ended['digest']}, not {self.reference['digest']}")
        found = files(at) if at.is_dir() else {}
        names, expected = set(found), set(self.reference_files)
        differing = [name for name in names & expected if found[name] != self.reference_files[name]]
        if self._scenario.in_background:
            differing = [name for name in differing if name not in ("run_last.1.ckpt", "best files")]
        if names != expected or differing:
            wrong.append(f"files: left {names - expected}, missing {expected - names}, other {differing}")
        shutil.rmtree(at.parent)
        return wrong


def kills_of(operations: list[str]) -> list[Kill]:
    """Return a kill before each operation, and one in the middle of each that writes."""
    found = [Kill(at) for at in range(len(operations))]
    return found + [Kill(at, half=True) for at, what in enumerate(operations) if what.endswith("write")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS))
    parser.add_argument("--pieces", action="store_true", help="each piece of a file is an operation")
    parser.add_argument("--twice", type=int, default=0, help="how many recoveries are killed too, of each scenario")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # What a fit imports and looks up once is here before the first fork; no step is done, so no thread is alive.
    NNClassifier(LAYERS, rng=3).fit(*data_set(), **SETTINGS | {"n_epochs": 0})
    gc.freeze()
    report: dict[str, Any] = {}
    for name in arguments.scenarios:
        began = time.monotonic()
        trial = Trial(SCENARIOS[name], (arguments.folder / name.replace(" ", "_")).resolve(), arguments.pieces)
        kills = kills_of(trial.operations)
        moments = random.Random(5)
        chains = [(kill,) for kill in kills]
        chains += [(moments.choice(kills), moments.choice(kills)) for _ in range(arguments.twice)]
        wrong = []
        for chain in chains:
            found = trial.kill(*chain)
            if found:
                what = [f"{'in' if k.half else 'before'} {k.at} ({trial.operations[k.at]})" for k in chain]
                wrong.append({"killed": what, "wrong": found})
        report[name] = {
            "operations": len(trial.operations),
            "chains": len(chains),
            "kills": sum(map(len, chains)),
            "mismatches": wrong,
            "seconds": round(time.monotonic() - began, 1),
        }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
