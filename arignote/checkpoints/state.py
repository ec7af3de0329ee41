"""The state of a run: all that is needed to resume it. Its settings are only recorded, as they never change."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from arignote.checkpoints.progress import Best, History, Progress
from arignote.checkpoints.tensors import as_arrays
from arignote.data.specs import table_format
from arignote.data.targets import Target
from arignote.errors import ConfigError
from arignote.optim.rules import RuleState
from arignote.registry import build, names
from arignote.safe.limits import LARGEST_COUNT, MOST_AXES, MOST_LAYERS, MOST_THREADS

__all__ = ["TrainingState"]


class _Spec(TypedDict):
    name: str | None
    n_in: list[int] | dict[str, list[int]]
    layers: list[Any]
    fit: dict[str, Any]


class _Rules(TypedDict):
    lr: RuleState
    momentum: RuleState


class _Plain(TypedDict):
    """Types of the JSON text in a file."""

    rules: _Rules
    rng: int
    run_id: str
    spec: _Spec
    targets: dict[str, dict[str, Any]]
    data: dict[str, Any]
    environment: dict[str, Any]
    progress: Progress
    columns: list[str]
    best: Best | None
    starts: list[list[int]]
    extra_metadata: dict[str, Any] | None


# The columns are names only: the history is made of them and of tensors.
_KEPT_AS_IT_IS = tuple(name for name in _Plain.__annotations__ if name != "columns")


@cache
def _plain() -> TypeAdapter[_Plain]:
    return TypeAdapter(_Plain)


@dataclass
class TrainingState:
    """The state of a run.

    Attributes
    ----------
    network, slots : dict of str to tensor
        Parameters ("fc1.W") and the state of the updater ("velocity/fc1.W"). During training these are the live
        tensors of the engine; in a snapshot, arrays.
    epoch_loss : scalar tensor, float64
        Sum of the training loss over the examples of the unfinished epoch.
    rules : dict of str to RuleState
        "lr" and "momentum".
    spec : dict
        All layers and settings as plain data.
    targets : dict of str to dict
        What the target of each output layer has learned, such as the labels in the order of the outputs.
    data : dict
        Fingerprints of the data; a run is not resumed with other data.
    starts : list of [epoch, batch]
        Position at which each process of the run began.
    preprocess : dict of str to array
        What the preprocessing learned from the training rows.
    """

    network: dict[str, Any]
    slots: dict[str, Any]
    epoch_loss: Any
    rules: dict[str, RuleState]
    rng: int
    run_id: str
    spec: dict[str, Any]
    targets: dict[str, dict[str, Any]]
    data: dict[str, Any]
    environment: dict[str, Any]
    progress: Progress = field(default_factory=Progress)
    history: History = field(default_factory=History)
    best: Best | None = None
    starts: list[list[int]] = field(default_factory=list)
    extra_metadata: dict[str, Any] | None = None
    preprocess: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def n_epochs(self) -> int:
        """Return the total number of epochs, from the settings of the last process."""
        return int(self.spec["fit"]["n_epochs"])

    @property
    def finished(self) -> bool:
        """Return whether all epochs are complete, or a stop rule ended the run."""
        return self.progress.ended or self.progress.epoch >= self.n_epochs

    @property
    def ended_by(self) -> str:
        """Return a remark on the stop rule that ended the run before its last epoch; otherwise an empty string."""
        if not self.progress.ended:
            return ""
        rule = self.spec["fit"].get("stop_rule")
        is_named = isinstance(rule, list) and len(rule) > 0 and isinstance(rule[0], str)
        return f"ended by its stop rule ({rule[0]:.40})" if is_named else "ended by its stop rule"

    @property
    def position(self) -> str:
        """Return the position of the run in words; epochs count from 1, as in the lines that `fit` prints."""
        progress, n_epochs = self.progress, self.n_epochs
        if progress.batch:
            n_batches = f"{progress.batch} batch{'es' if progress.batch > 1 else ''}"
            return f"in epoch {progress.epoch + 1} of {n_epochs}, after {n_batches}"
        return ", ".join(filter(None, (f"{progress.epoch} of {n_epochs} epochs complete", self.ended_by)))

    @property
    def n_outputs(self) -> dict[str, int]:
        """Return the number of outputs of each output layer."""
        return {name: _target(memory).size(memory) for name, memory in self.targets.items()}

    @property
    def n_bytes(self) -> int:
        """Return the size of network, slots and history in bytes."""
        counted = (self.network, self.slots, self.history.arrays())
        return sum(int(t.nbytes) for tensors in counted for t in tensors.values())

    def snapshot(self, into: TrainingState | None = None) -> TrainingState:
        """Return a copy with arrays in place of live tensors, which later steps do not change.

        Parameters
        ----------
        into : TrainingState, optional
            A snapshot that is no longer needed; its arrays are overwritten, which saves their allocation.
        """
        return replace(
            self,
            network=as_arrays(self.network, into.network if into is not None else {}),
            slots=as_arrays(self.slots, into.slots if into is not None else {}),
            epoch_loss=np.float64(float(self.epoch_loss)),
            rules=dict(self.rules),
            progress=copy.copy(self.progress),
            history=self.history.head(len(self.history)),
            # The thread that writes the snapshot sets the digest in its own.
            best=copy.copy(self.best),
            starts=[list(start) for start in self.starts],
        )

    def at_best(self) -> TrainingState:
        """Return the state that the best file holds: the best network, no slots, the history up to it."""
        assert self.best is not None
        best = self.best
        return replace(
            self,
            network=best.network,
            slots={},
            epoch_loss=np.float64(0.0),
            progress=Progress(epoch=best.epoch, examples_seen=best.examples_seen, n_validations=best.n_rows),
            history=self.history.head(best.n_rows),
            best=Best(best.value, best.epoch, best.examples_seen, best.n_rows),
        )

    def is_finite(self) -> bool:
        """Return whether all weights and the loss of the epoch are finite."""
        # A sum is not finite if one of its terms is not: one pass, without a mask as large as the weights.
        return isfinite(float(self.epoch_loss)) and all(
            isfinite(float(t.detach().sum())) for t in self.network.values()
        )

    def to_plain(self) -> dict[str, Any]:
        """Return everything except the tensors as plain data (numbers, strings, lists, dicts)."""
        best = None
        if self.best is not None:
            best = {k: v for k, v in vars(self.best).items() if k != "network"}
        return {
            "rules": {name: asdict(rule) for name, rule in self.rules.items()},
            "rng": self.rng,
            "run_id": self.run_id,
            "spec": self.spec,
            "targets": self.targets,
            "data": self.data,
            "environment": self.environment,
            "progress": asdict(self.progress),
            "columns": self.history.names,
            "best": best,
            "starts": self.starts,
            "extra_metadata": self.extra_metadata,
        }

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """Return all tensors by their names in the file."""
        tensors = {f"network/{name}": array for name, array in as_arrays(self.network).items()}
        tensors |= {f"slots/{name}": array for name, array in as_arrays(self.slots).items()}
        tensors |= {f"preprocess/{name}": array for name, array in self.preprocess.items()}
        tensors |= {f"history/{name}": array for name, array in self.history.arrays().items()}
        tensors["progress/epoch_loss"] = np.asarray(float(self.epoch_loss), dtype=np.float64)
        return tensors

    @classmethod
    def from_plain(cls, values: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> TrainingState:
        """Return the state of a file.

        Raises
        ------
        KeyError, TypeError, ValueError
            If an entry is missing, has another type, or is nothing that a run writes.
        """
        plain = _plain().validate_python(values)

        def under(prefix: str) -> dict[str, NDArray[Any]]:
            return {name.removeprefix(prefix): a for name, a in tensors.items() if name.startswith(prefix)}

        stored = under("history/")
        columns = {name: stored[name] for name in plain["columns"]}
        _check(plain, tensors["progress/epoch_loss"], columns)
        copied: dict[str, Any] = {key: plain[key] for key in _KEPT_AS_IT_IS}  # type: ignore[literal-required]
        return cls(
            network=under("network/"),
            slots=under("slots/"),
            preprocess=under("preprocess/"),
            epoch_loss=np.float64(tensors["progress/epoch_loss"]),
            history=History(columns),
            **copied,
        )


def _target(memory: Mapping[str, Any]) -> Target:
    """Return the target that a file names; raise ValueError unless it is registered, as nothing is imported."""
    name = memory["target"]
    if not isinstance(name, str) or name not in names("target"):
        raise ValueError(f"a target of the name {name!r:.100}")
    target: Target = build("target", name)
    return target


def _check_targets(targets: Mapping[str, Mapping[str, Any]]) -> None:
    if not targets:
        raise ValueError("targets is empty")
    for memory in targets.values():
        _target(memory).check_memory(memory)


def _check_columns(data: Mapping[str, Any], key: str, is_one: Callable[[Any], bool]) -> None:
    """Raise ValueError unless an entry, if there is one, is a list of columns, or a mapping of channels to such lists."""
    found = data.get(key, [])
    for columns in found.values() if isinstance(found, dict) else [found]:
        if not (isinstance(columns, list) and all(map(is_one, columns))):
            raise ValueError(f"data.{key} is {found!r:.100}")


def _check_data(data: Mapping[str, Any]) -> None:
    """Raise ValueError if names, positions or format of columns are none that a run writes."""
    _check_columns(data, "feature_names", lambda name: isinstance(name, str))
    _check_columns(data, "columns", lambda place: type(place) is int and 0 <= place < LARGEST_COUNT)
    try:
        table_format(data.get("csv"))
    except ConfigError:
        raise ValueError(f"data.csv is {data['csv']!r:.100}") from None


def _check(plain: _Plain, epoch_loss: NDArray[Any], columns: Mapping[str, NDArray[Any]]) -> None:
    """Raise ValueError or TypeError if an entry of a file has the right type, but a value that no run writes."""
    # Not isinstance, for which a bool is an int; two entries are bools.
    counts = {k: v for k, v in vars(plain["progress"]).items() if type(v) is int}
    wrong = next((name for name, count in counts.items() if not 0 <= count < LARGEST_COUNT), None)
    if wrong is not None:
        raise ValueError(f"progress.{wrong} is {counts[wrong]!r:.100}")
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
