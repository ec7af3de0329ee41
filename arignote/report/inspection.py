"""What a run is and where it stands, as plain data."""

from __future__ import annotations

from math import isfinite
from typing import Any

from arignote.checkpoints.progress import STOP_RULE
from arignote.checkpoints.reader import resolve
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.tensors import tensors_sha256
from arignote.errors import CheckpointError

__all__ = ["inspection", "verification"]


def _json_safe(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _json_safe(item) for key, item in value.items()}
    return [_json_safe(item) for item in value] if isinstance(value, list) else value


def inspection(run: str, which: str | None = None) -> dict[str, Any]:
    """Return position, digests, best, spec, history ... of a run as plain data; nothing of the engine is needed.

    As in the file, `epoch` and `batch` count what is complete; `position` says the same in words.
    """
    faults: list[str] = []
    files, names = resolve(run, which)
    for name in names:
        try:
            state, _ = files.read(name)
        except CheckpointError as fault:
            faults.append(str(fault))
            continue
        return {"file": files.folder.where(name), "damaged": faults} | _tell(state)
    raise CheckpointError("\n".join(faults) or f"{run}: there is no run of this stem, nor such a file")


def _tell(state: TrainingState) -> dict[str, Any]:
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
        "stopped_by": STOP_RULE if state.progress.ended else state.progress.stopped_by,
        "n_params": sum(array.size for array in state.network.values()),
        "weights_sha256": tensors_sha256(state.network),
        "history_sha256": state.history.sha256(),
        "best": _json_safe(best),
        "rng": state.rng,
        "starts": state.starts,
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
        A stem.

    Returns
    -------
    list of (path, is good, what it is or what is wrong with it), and the path of the one that a fit would go on from.
    """
    files, _ = resolve(run)
    found: list[tuple[str, bool, str]] = []
    for name in files.there():
        where = files.folder.where(name)
        try:
            state, _ = files.read(name)
        except CheckpointError as fault:
            found.append((where, False, str(fault).removeprefix(f"{where}: ")))
            continue
        if state.best is not None and state.best.digest and not files.has_best(state.best.digest):
            found.append((where, False, f"the file of its best network ({files.path('best')}) is missing or damaged"))
            continue
        found.append((where, True, f"{state.position}, run {state.run_id[:8]}"))
    if not found:
        raise CheckpointError(f"{run}: there is no run of this stem")
    used = next(files.states([]), None)
    return found, used[0] if used is not None else None
