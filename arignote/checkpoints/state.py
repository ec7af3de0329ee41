"""The state of a run: all that is needed to resume it. Its settings are only recorded, as they never change."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.checkpoints.entries import PlainState, check_entries, target_of, typed_entries
from arignote.checkpoints.progress import STOP_RULE, Best, History, Progress
from arignote.checkpoints.tensors import as_arrays
from arignote.optim.rules import RuleState

__all__ = ["AVERAGE", "TrainingState"]

# Prefix of the slots that hold an average of the network: "average/fc1.W".
AVERAGE = "average/"

# The columns are names only: the history is made of them and of tensors.
_KEPT_AS_IT_IS = tuple(name for name in PlainState.__annotations__ if name != "columns")


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
    rng : int
        Seed of the run.
    run_id : str
        Random name of the run.
    spec : dict
        All layers and settings as plain data.
    targets : dict of str to dict
        What the target of each output layer has learned, such as the labels in the order of the outputs.
    data : dict
        Fingerprints of the data; a run is not resumed with other data.
    environment : dict
        Versions, device and threads of the process, which are compared on resume.
    progress : Progress
    history : History
        A row for each validation.
    best : Best or None
        The best validation so far.
    extra_metadata : dict or None
        Plain data of the user.
    best_train : Best or None
        The lowest training loss, with its network, if a rule may restart from it.
    starts : list of [epoch, batch]
        Position at which each process of the run began.
    causes : list of str
        Why each process of the run began: "start"; "killed", if the one before ended without saving what stopped it;
        "finished", if it was given more epochs or another pass; "unknown", in files that do not record it; otherwise
        what stopped the one before, as in `Progress.stopped_by`.
    preprocess : dict of str to array
        What the preprocessing learned from the training rows.
    loaded : dict of str to str
        SHA-256 of the tensors from which a layer with `load_params` began, by its name.
    thawed : dict of str to int
        Number of updates before a layer with `thaw_at` was thawed, by its name.
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
    best_train: Best | None = None
    starts: list[list[int]] = field(default_factory=list)
    extra_metadata: dict[str, Any] | None = None
    preprocess: dict[str, NDArray[Any]] = field(default_factory=dict)
    loaded: dict[str, str] = field(default_factory=dict)
    thawed: dict[str, int] = field(default_factory=dict)
    causes: list[str] = field(default_factory=list)

    @property
    def n_epochs(self) -> int:
        """Total number of epochs, from the settings of the last process."""
        return int(self.spec["fit"]["n_epochs"])

    @property
    def finished(self) -> bool:
        """Whether all epochs are complete, or a rule ended the run."""
        return self.progress.ended or self.progress.epoch >= self.n_epochs

    @property
    def ends_with_last(self) -> bool:
        """Whether the last network is the result instead of the best, as the final epochs are complete."""
        return self.finished and self.progress.is_final

    @property
    def ended_by(self) -> str:
        """Remark on the rule that ended the run before its last epoch; otherwise an empty string."""
        if not self.progress.ended:
            return ""
        setting = self.progress.stopped_by or STOP_RULE
        rule = self.spec["fit"].get(setting)
        is_named = isinstance(rule, list) and len(rule) > 0 and isinstance(rule[0], str)
        words = "stop rule" if setting == STOP_RULE else setting
        return f"ended by its {words} ({rule[0]:.40})" if is_named else f"ended by its {words}"

    @property
    def position(self) -> str:
        """Position of the run in words; epochs count from 1, as in the lines that `fit` prints."""
        progress, n_epochs = self.progress, self.n_epochs
        if progress.batch:
            n_batches = f"{progress.batch} batch{'es' if progress.batch > 1 else ''}"
            return f"in epoch {progress.epoch + 1} of {n_epochs}, after {n_batches}"
        return ", ".join(filter(None, (f"{progress.epoch} of {n_epochs} epochs complete", self.ended_by)))

    @property
    def best_row(self) -> int | None:
        """Row of the best validation in the history; None if there is none."""
        best = self.best
        return best.n_rows - 1 if best is not None and 1 <= best.n_rows <= len(self.history) else None

    @property
    def best_record(self) -> dict[str, Any]:
        """Row of the best validation, as of `History.record`; empty if there is none."""
        return {} if self.best_row is None else self.history.record(self.best_row)

    @property
    def averaged(self) -> dict[str, Any]:
        """Tensors of the average of the weights; empty if there is none."""
        return {name.removeprefix(AVERAGE): t for name, t in self.slots.items() if name.startswith(AVERAGE)}

    @property
    def predicting(self) -> dict[str, Any]:
        """Tensors of the network that predicts: of the average of the weights if there is one."""
        return self.averaged or self.network

    @property
    def n_outputs(self) -> dict[str, int]:
        """Number of outputs of each output layer."""
        return {name: target_of(state).size(state) for name, state in self.targets.items()}

    @property
    def n_bytes(self) -> int:
        """Size of network, slots and history in bytes."""
        counted = (self.network, self.slots, self.history.arrays())
        return sum(int(t.nbytes) for tensors in counted for t in tensors.values())

    @property
    def cause_of_next(self) -> str:
        """Why a process begins that resumes this state, as in `causes`."""
        if self.finished:
            return "finished"
        return self.progress.stopped_by or "killed"

    def add_start(self, cause: str) -> None:
        """Record that a process of the run begins here, and why."""
        # Files of earlier versions have no causes.
        self.causes += ["unknown"] * (len(self.starts) - len(self.causes)) + [cause]
        self.starts.append([self.progress.epoch, self.progress.batch])

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
            best_train=copy.copy(self.best_train),
            starts=[list(start) for start in self.starts],
            causes=list(self.causes),
        )

    def as_best(self, value: float) -> Best:
        """Return the last validation with a copy of the network that predicts, as the best one."""
        progress = self.progress
        network = {name: t.detach().cpu().numpy().copy() for name, t in self.predicting.items()}
        return Best(value, progress.epoch + 1, progress.examples_seen, len(self.history), network=network)

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
            best_train=None,
        )

    def is_finite(self) -> bool:
        """Return whether all weights and the loss of the epoch are finite."""
        # A sum is not finite if one of its terms is not: one pass, without a mask as large as the weights.
        return isfinite(float(self.epoch_loss)) and all(
            isfinite(float(t.detach().sum())) for t in self.network.values()
        )

    def to_plain(self) -> dict[str, Any]:
        """Return everything except the tensors as plain data (numbers, strings, lists, dicts)."""
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
            "best": _without_network(self.best),
            "best_train": _without_network(self.best_train),
            "starts": self.starts,
            "causes": self.causes,
            "extra_metadata": self.extra_metadata,
            "loaded": self.loaded,
            "thawed": self.thawed,
        }

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """Return all tensors by their names in the file."""
        tensors = {f"network/{name}": array for name, array in as_arrays(self.network).items()}
        tensors |= {f"slots/{name}": array for name, array in as_arrays(self.slots).items()}
        tensors |= {f"preprocess/{name}": array for name, array in self.preprocess.items()}
        tensors |= {f"history/{name}": array for name, array in self.history.arrays().items()}
        if self.best_train is not None:
            tensors |= {f"best_train/{name}": array for name, array in self.best_train.network.items()}
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
        plain = typed_entries(values)

        def under(prefix: str) -> dict[str, NDArray[Any]]:
            return {name.removeprefix(prefix): a for name, a in tensors.items() if name.startswith(prefix)}

        stored = under("history/")
        columns = {name: stored[name] for name in plain["columns"]}
        check_entries(plain, tensors["progress/epoch_loss"], columns)
        copied: dict[str, Any] = {key: plain[key] for key in _KEPT_AS_IT_IS}  # type: ignore[literal-required]
        if copied["best_train"] is not None:
            copied["best_train"].network = under("best_train/")
        return cls(
            network=under("network/"),
            slots=under("slots/"),
            preprocess=under("preprocess/"),
            epoch_loss=np.float64(tensors["progress/epoch_loss"]),
            history=History(columns),
            **copied,
        )


def _without_network(best: Best | None) -> dict[str, Any] | None:
    return None if best is None else {k: v for k, v in vars(best).items() if k != "network"}
