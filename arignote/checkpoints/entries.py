"""Entries of the JSON text in a file: their types, and the values that a run may write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from arignote.checkpoints.progress import Best, Progress
from arignote.data.specs import table_format
from arignote.data.targets import Target
from arignote.errors import ConfigError
from arignote.optim.rules import RuleState
from arignote.registry import build, names
from arignote.safe.limits import LARGEST_COUNT, MOST_AXES, MOST_LAYERS, MOST_THREADS

__all__ = ["PlainState", "check_entries", "target_of", "typed_entries"]


class _Spec(TypedDict):
    name: str | None
    n_in: list[int] | dict[str, list[int]]
    layers: list[Any]
    fit: dict[str, Any]


class PlainState(TypedDict):
    """Types of the JSON text in a file."""

    rules: dict[str, RuleState]
    rng: int
    run_id: str
    spec: _Spec
    targets: dict[str, dict[str, Any]]
    data: dict[str, Any]
    environment: dict[str, Any]
    progress: Progress
    columns: list[str]
    best: Best | None
    best_train: Best | None
    starts: list[Annotated[list[int], Field(min_length=2, max_length=2)]]
    causes: list[str]
    extra_metadata: dict[str, Any] | None
    loaded: dict[str, str]
    thawed: dict[str, Annotated[int, Field(strict=True, ge=0, lt=LARGEST_COUNT)]]


# Entries that older files of the same version lack.
_ADDED: dict[str, Any] = {"loaded": {}, "best_train": None, "thawed": {}, "causes": []}


@cache
def _adapter() -> TypeAdapter[PlainState]:
    return TypeAdapter(PlainState)


def typed_entries(values: Mapping[str, Any]) -> PlainState:
    """Return the entries of a file in their types; raise ValueError if one is missing or has another type."""
    return _adapter().validate_python(_ADDED | dict(values))


def target_of(state: Mapping[str, Any]) -> Target:
    """Return the target that a file names; raise ValueError unless it is registered, as nothing is imported."""
    name = state["target"]
    if not isinstance(name, str) or name not in names("target"):
        raise ValueError(f"a target of the name {name!r:.100}")
    # The target of each step of a sequence is named by what it has learned.
    of_step = {"of": target_of(state["of"])} if "of" in state else {}
    target: Target = build("target", [name, of_step])
    return target


def _check_targets(targets: Mapping[str, Mapping[str, Any]]) -> None:
    if not targets:
        raise ValueError("targets is empty")
    for state in targets.values():
        target_of(state).check_state(state)


def _check_columns(data: Mapping[str, Any], key: str, is_one: Callable[[Any], bool]) -> None:
    """Raise ValueError unless an entry that is there is a list of columns, or a mapping of channels to such lists."""
    value = data.get(key, [])
    for columns in value.values() if isinstance(value, dict) else [value]:
        if not (isinstance(columns, list) and all(map(is_one, columns))):
            raise ValueError(f"data.{key} is {value!r:.100}")


def _check_data(data: Mapping[str, Any]) -> None:
    """Raise ValueError if names, positions or format of columns are none that a run writes."""
    _check_columns(data, "feature_names", lambda name: isinstance(name, str))
    _check_columns(data, "columns", lambda place: type(place) is int and 0 <= place < LARGEST_COUNT)
    try:
        table_format(data.get("csv"))
    except ConfigError:
        raise ValueError(f"data.csv is {data['csv']!r:.100}") from None


def check_entries(plain: PlainState, epoch_loss: NDArray[Any], columns: Mapping[str, NDArray[Any]]) -> None:
    """Raise ValueError or TypeError if an entry of a file has the right type, but a value that no run writes."""
    # Not isinstance, for which a bool is an int; two entries are bools.
    counts = {k: v for k, v in vars(plain["progress"]).items() if type(v) is int}
    wrong = next((name for name, count in counts.items() if not 0 <= count < LARGEST_COUNT), None)
    if wrong is not None:
        raise ValueError(f"progress.{wrong} is {counts[wrong]!r:.100}")
    missing = {"lr", "momentum"} - plain["rules"].keys()
    if missing:
        raise ValueError(f"rules lacks {min(missing)!r}")
    # An updater divides by functions of the number of its update, which begins with 1.
    if plain["progress"].slots_since > plain["progress"].n_updates:
        raise ValueError(f"progress.slots_since is {plain['progress'].slots_since}, more than n_updates")
    n_in = plain["spec"]["n_in"]
    # A file may be forged: sizes from which tensors are built are bounded before any is allocated.
    for shape in n_in.values() if isinstance(n_in, dict) else [n_in]:
        if len(shape) > MOST_AXES or any(not 1 <= n < LARGEST_COUNT for n in shape):
            raise ValueError(f"spec.n_in is {n_in!r:.100}")
    if len(plain["spec"]["layers"]) > MOST_LAYERS:
        raise ValueError(f"spec.layers has {len(plain['spec']['layers'])} layers; at most {MOST_LAYERS} are read")
    for layer in plain["spec"]["layers"]:
        word, params = layer
        if not (isinstance(word, str) and isinstance(params["name"], str)):
            raise ValueError(f"spec.layers has {layer!r:.100}")
    n_epochs = plain["spec"]["fit"]["n_epochs"]
    if type(n_epochs) is not int or not 0 <= n_epochs < LARGEST_COUNT:
        raise ValueError(f"spec.fit.n_epochs is {plain['spec']['fit']['n_epochs']!r:.100}")
    _check_data(plain["data"])
    n_threads = plain["environment"].get("n_threads", 1)
    if type(n_threads) is not int or not 1 <= n_threads <= MOST_THREADS:
        raise ValueError(f"environment.n_threads is {n_threads!r:.100}; it must be an integer from 1 to {MOST_THREADS}")
    _check_targets(plain["targets"])
    if epoch_loss.shape != () or epoch_loss.dtype != np.float64:
        raise ValueError("progress/epoch_loss is not one float64")
    for name, column in columns.items():
        if column.dtype != np.float64 or column.ndim != 1 or len(column) != len(next(iter(columns.values()))):
            raise ValueError(f"history/{name} is not a column of float64 as long as the others")
        if name in ("epoch", "examples_seen") and not np.isfinite(column).all():
            raise ValueError(f"history/{name} is not finite")
