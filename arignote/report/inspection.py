"""The content of a run and its position, as plain data and as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from arignote.checkpoints.progress import STOP_RULE
from arignote.checkpoints.reader import resolve
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.tensors import tensors_sha256
from arignote.errors import CheckpointError

__all__ = ["inspection", "inspection_lines", "verification", "verification_lines"]

# Entries that are too long for a line, and the position in numbers, which `position` has in words.
_ONLY_IN_JSON = ("history", "spec", "epoch", "batch")


def _json_safe(value: Any) -> Any:
    """Return a value with None for NaN and infinity, which JSON lacks."""
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _json_safe(item) for key, item in value.items()}
    return [_json_safe(item) for item in value] if isinstance(value, list) else value


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
        return {"file": files.folder.path_of(name), "damaged": errors} | _content(state)
    raise CheckpointError("\n".join(errors) or f"{run}: there is no run of this stem, nor such a file")


def inspection_lines(content: dict[str, Any]) -> Iterator[str]:
    """Yield what `inspection` returns as lines of text; `history` and `spec` are left out."""
    # As people count epochs, from 1.
    starts = "; ".join(f"epoch {epoch + 1}, batch {batch}" for epoch, batch in content["starts"])
    for key, value in (content | {"starts": starts}).items():
        if key not in _ONLY_IN_JSON:
            yield f"{key:>16}: {value}"
    yield f"{'history':>16}: {len(content['history'])} rows (--json shows them, and the spec)"


def _content(state: TrainingState) -> dict[str, Any]:
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
        "n_params": sum(array.size for array in state.network.values()),
        "weights_sha256": tensors_sha256(state.network),
        "average_sha256": tensors_sha256(state.averaged) if state.averaged else None,
        "history_sha256": state.history.sha256(),
        "best": _json_safe(best),
        "rng": state.rng,
        "starts": state.starts,
        "loaded": state.loaded,
        "thawed": state.thawed,
        "run_id": state.run_id,
        "environment": state.environment,
        "spec": _json_safe(state.spec),
        "history": _json_safe(state.history.records()),
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


def verification_lines(run: str) -> Iterator[str]:
    """Yield a line for each checkpoint of a run, and one for the file that a fit would resume from.

    Raises
    ------
    CheckpointError
        If there is no such run, or no good checkpoint; after the other lines.
    """
    checked, used = verification(run)
    for where, is_good, text in checked:
        yield f"{'good' if is_good else 'BAD ':<4}  {where}: {text}"
    if used is None:
        raise CheckpointError(f"{run}: there is no good checkpoint to resume from")
    yield f"a fit resumes from {used}"
