"""What a run is and where it stands, as plain data."""

from __future__ import annotations

from math import isfinite
from typing import Any

from arignote.checkpoint import read
from arignote.errors import CheckpointError
from arignote.run_files import resolve
from arignote.state import TrainingState, tensors_sha256

__all__ = ["inspection"]


def _json_safe(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _json_safe(item) for key, item in value.items()}
    return [_json_safe(item) for item in value] if isinstance(value, list) else value


def inspection(run: str, which: str | None = None) -> dict[str, Any]:
    """Return epoch, batch, digests, best, spec, history ... of a run; nothing of the engine is needed."""
    faults: list[str] = []
    for path in resolve(run, which):
        try:
            state, _ = read(path)
        except CheckpointError as fault:
            faults.append(str(fault))
            continue
        return {"file": str(path), "damaged": faults} | _tell(state)
    raise CheckpointError("\n".join(faults) or f"{run}: there is no run of this stem, nor such a file")


def _tell(state: TrainingState) -> dict[str, Any]:
    best = None
    if state.best is not None:
        best = {k: v for k, v in vars(state.best).items() if k != "network"}
    return {
        "name": state.spec["name"],
        "epoch": state.progress.epoch,
        "batch": state.progress.batch,
        "n_epochs": state.n_epochs,
        "examples_seen": state.progress.examples_seen,
        "finished": state.finished,
        "stopped_by": state.progress.stopped_by,
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
