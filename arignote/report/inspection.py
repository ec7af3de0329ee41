"""The content of a run and its position, as plain data and as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from arignote.checkpoints.progress import STOP_RULE, subset_of
from arignote.checkpoints.reader import resolve
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.storage import NotThereError
from arignote.checkpoints.tensors import tensors_sha256
from arignote.errors import CheckpointError
from arignote.report.json_text import json_safe
from arignote.report.score_text import score_text
from arignote.report.stored_network import n_params_of

__all__ = ["best_record", "check_usable", "inspection", "inspection_lines", "verification", "verification_lines"]

# Entries that are too long for a line, and the position in numbers, which `position` has in words.
_ONLY_IN_JSON = ("history", "spec", "epoch", "batch", "causes", "n_epochs", "finished")


def inspection(run: str, which: str | None = None) -> dict[str, Any]:
    """Return position, digests, best, spec, history ... of a run as plain data; the engine is not needed.

    `weights_sha256` is of the network that is trained, `average_sha256` of the average of its weights, which is what is
    validated and predicts; None without an average. A best file has the network that predicts alone.

    Parameters
    ----------
    run : str
        Stem of the run, or one of its files.
    which : str, optional
        "best", "last" or the number of an epoch; by default the newest state that can be read.

    Returns
    -------
    dict of str to object
        As in the file, `epoch` and `batch` count what is complete; `position` has the same in words.

    Raises
    ------
    CheckpointError
        If there is no such run, or no file of it can be read.
    """
    errors: list[str] = []
    files, names = resolve(run, which)
    for name in names:
        try:
            state, _ = files.read(name)
        except CheckpointError as error:
            errors.append(str(error))
            continue
        where = files.folder.path_of(name)
        return {"file": where, "damaged": errors} | _content(state, where)
    if errors:
        raise CheckpointError("\n".join(errors))
    raise NotThereError(f"{run}: there is no run of this stem, nor such a file")


def inspection_lines(content: dict[str, Any]) -> Iterator[str]:
    """Yield what `inspection` returns as lines of text, without what is empty; `history` and `spec` are left out."""
    shown = content | {
        # Text, so that a seed of 0 is shown.
        "rng": str(content["rng"]),
        "examples_seen": f"{content['examples_seen']:,}",
        "n_params": f"{content['n_params']:,}",
        "best": _best_text(content),
        "starts": list(map(_start_text, content["starts"], content["causes"])),
        "loaded": [f"{name} ({source})" for name, source in content["loaded"].items()],
        "thawed": [f"{layer} after {n:,} updates" for layer, n in content["thawed"].items()],
        "environment": [f"{key} {_plain_text(value)}" for key, value in content["environment"].items()],
    }
    for key, value in shown.items():
        lines = value if isinstance(value, list) else [_plain_text(value)]
        if key not in _ONLY_IN_JSON and value not in (None, False, "", []):
            yield f"{key:>16}: {lines[0]}"
            yield from (f"{'':16}  {line}" for line in lines[1:])
    yield f"{'history':>16}: {len(content['history'])} rows (--json shows them, and the spec)"


def best_record(content: dict[str, Any]) -> dict[str, Any]:
    """Return the row of the best validation in what `inspection` returns; empty if there is none."""
    best, history = content["best"], content["history"]
    return history[best["n_rows"] - 1] if best is not None and 1 <= best["n_rows"] <= len(history) else {}


def _best_text(content: dict[str, Any]) -> str:
    """Return the best validation as text, as "0.74 % error at epoch 26 (nll 0.0311)"."""
    best, row = content["best"], best_record(content)
    if best is None:
        return ""
    scores = {name.removeprefix("valid_"): value for name, value in row.items() if subset_of(name) == "valid"}
    # The first loss decides which is best; an error, if there is one, is easier to interpret.
    names = sorted((name for name in scores if scores[name] is not None), key=lambda name: not name.endswith("error"))
    texts = {name: f"{score_text(name, scores[name])} {name}" for name in names}
    others = f" ({', '.join(f'{name} {score_text(name, scores[name])}' for name in names[1:])})" if names[1:] else ""
    return f"{texts[names[0]] if names else ''} at epoch {best['epoch']}{others}".lstrip()


def _start_text(start: list[int], cause: str) -> str:
    # As people count epochs, from 1.
    return f"epoch {start[0] + 1}, batch {start[1]}" + (f" ({cause})" if cause else "")


def _plain_text(value: Any) -> str:
    """Return a value of an environment, or of a state, as text without the brackets of Python."""
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _content(state: TrainingState, where: str) -> dict[str, Any]:
    best = None
    if state.best is not None:
        best = {k: v for k, v in vars(state.best).items() if k != "network"}
    return {
        "name": state.spec["name"],
        "position": state.position,
        "epoch": state.progress.epoch,
        "batch": state.progress.batch,
        "n_epochs": state.n_epochs,
        "examples_seen": state.progress.examples_seen,
        "finished": state.finished,
        "final_since": state.progress.final_since,
        "stopped_by": state.progress.stopped_by or (STOP_RULE if state.progress.ended else None),
        "n_params": n_params_of(state, where),
        "weights_sha256": tensors_sha256(state.network),
        "average_sha256": tensors_sha256(state.averaged) if state.averaged else None,
        "history_sha256": state.history.sha256(),
        "best": json_safe(best),
        "rng": state.rng,
        "starts": state.starts,
        # Files of earlier versions have none.
        "causes": [*state.causes, *[""] * (len(state.starts) - len(state.causes))],
        "loaded": state.loaded,
        "thawed": state.thawed,
        "run_id": state.run_id,
        "environment": state.environment,
        "spec": json_safe(state.spec),
        "history": json_safe(state.history.records()),
    }


def verification(run: str) -> tuple[list[tuple[str, bool, str]], str | None]:
    """Read every checkpoint of a run.

    Parameters
    ----------
    run : str
        Stem of the run.

    Returns
    -------
    files : list of (str, bool, str)
        The path of each file, whether it is good, and its position or what is wrong with it.
    used : str or None
        The path of the file that a fit would resume from.

    Raises
    ------
    CheckpointError
        If there is no such run.
    """
    files, _ = resolve(run)
    checked: list[tuple[str, bool, str]] = []
    for name in files.existing():
        where = files.folder.path_of(name)
        try:
            state, _ = files.read(name)
        except CheckpointError as error:
            checked.append((where, False, str(error).removeprefix(f"{where}: ")))
            continue
        if state.best is not None and state.best.digest and not files.has_best(state.best.digest):
            message = f"the file of its best network ({files.path('best')}) is missing or damaged"
            checked.append((where, False, message))
            continue
        checked.append((where, True, f"{state.position}, run {state.run_id[:8]}"))
    if not checked:
        raise CheckpointError(f"{run}: there is no run of this stem")
    used = next(files.states([]), None)
    return checked, used[0] if used is not None else None


def verification_lines(files: list[tuple[str, bool, str]], used: str | None) -> Iterator[str]:
    """Yield a line for each checkpoint of a run, and one for the file that a fit would resume from, if any is good.

    Parameters
    ----------
    files, used
        As `verification` returns them.
    """
    for where, is_good, text in files:
        yield f"{'good' if is_good else 'BAD ':<4}  {where}: {text}"
    if used is not None:
        yield f"a fit resumes from {used}"


def check_usable(run: str, used: str | None) -> None:
    """Raise CheckpointError if a fit can resume from no file of a run."""
    if used is None:
        raise CheckpointError(f"{run}: there is no good checkpoint to resume from")
