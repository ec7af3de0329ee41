"""One pass over new data, of `partial_fit`: what it needs, which state it begins with, and what its files must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.writer import RunWriter
from arignote.data.prepare.fit_data import FitData, split_of
from arignote.data.targets import TargetState
from arignote.engine.monitor import GRAD_NORM_SLOT
from arignote.errors import CheckpointError, ConfigError, DataError
from arignote.fit.phases.apply_rules import restart_from
from arignote.registry import plain
from arignote.spec.settings import FitSettings

__all__ = [
    "OnePass",
    "begin_epoch_again",
    "begin_pass",
    "check_files_of_passes",
    "check_pass",
    "check_shape",
    "settings_of_pass",
]


@dataclass(frozen=True)
class OnePass:
    """One more epoch, of `partial_fit`, whose data may differ from that of the epochs before.

    Attributes
    ----------
    fixed_states : dict of str to dict
        Before the first pass: what the targets of outputs have learned from the classes that were named.
    network : dict of str to array, optional
        Parameters that it begins with; those of the state if they are the same, or if there are none.
    estimator : str
        Name of the class, for messages.
    """

    fixed_states: Mapping[str, TargetState]
    network: Mapping[str, NDArray[Any]] | None
    estimator: str


def settings_of_pass(settings: FitSettings, before: TrainingState | None) -> FitSettings:
    """Return the settings of a pass: it is the next epoch, and its last network is the result.

    Raises
    ------
    ConfigError
        If a setting needs all data at once, or a run of its own.
    """
    refused = {
        "pretrain": (settings.pretrain, "Pretrain with fit, and train the run further with partial_fit"),
        # "balanced" follows from the counts of all rows, of which a pass has some.
        "class_weight": (settings.class_weight == "balanced", "Write the weights by label, {label: weight}"),
        "checkpoint": ((settings.checkpoint or "").endswith("/"), "A run of several passes needs a stem, runs/name"),
    }
    for name, (is_set, hint) in refused.items():
        if is_set:
            raise ConfigError(f"{name} {getattr(settings, name)!r} is not supported by partial_fit. {hint}")
    n_epochs = 1 if before is None else before.progress.epoch + 1
    return settings.model_copy(
        update={"n_epochs": n_epochs, "final_epochs": 0, "stop_rule": None, "restore_best": False}
    )


def check_pass(data: FitData) -> None:
    """Raise ConfigError if rows would be held out of a pass."""
    for name, how in split_of(data).items():
        if name in ("valid", "test") and how != "data":
            raise ConfigError(
                f"{name} must be data of its own, (X, y), or None: partial_fit trains on all rows that it is given; "
                f"got {getattr(data, name)!r:.100}. set_params({name}=None) leaves it out"
            )


def check_shape(shape: Any, before: TrainingState, estimator: str) -> None:
    """Raise DataError if an example has another shape than in the passes before; `estimator` is named there."""
    expected = before.spec["n_in"]
    if plain(shape) == expected:
        return
    if isinstance(shape, tuple) and len(shape) == len(expected) == 1:
        # The words of scikit-learn.
        raise DataError(f"X has {shape[0]} features, but {estimator} is expecting {expected[0]} features as input")
    raise DataError(f"an example of X must have the shape {expected}; got {shape}")


def check_files_of_passes(files: RunWriter | None, before: TrainingState | None, resume: bool | str) -> None:
    """Raise CheckpointError if the files of the stem are those of another run than the passes before."""
    if files is None or not files.existing("last") or (before is None and resume == "fresh"):
        return
    if before is None:
        raise CheckpointError(
            f"{files.path('last')}: exists. To train this run further: load(run), then partial_fit; n_epochs_ is the "
            'number of passes that it has done. To start over: resume="fresh"'
        )
    if files.holds_other_run(before.run_id):
        raise CheckpointError(
            f"{files.path('last')}: is of another run than this estimator. Use another checkpoint, or load(run)"
        )


def begin_pass(state: TrainingState, stored: TrainingState, network: Mapping[str, NDArray[Any]] | None) -> str:
    """Prepare a state, into which `stored` was loaded, for a pass over its data, and return which pass it is.

    A pass over the same rows and weights that was interrupted is resumed where it stopped; over others it restarts.

    Parameters
    ----------
    state, stored : TrainingState
    network : dict of str to array, optional
        See `OnePass`.
    """
    # Whatever ended the run before, one more pass is asked for.
    state.progress = replace(state.progress, ended=False, stopped_by=None, final_since=None, final_after=None)
    # The same rows again resume a pass that was stopped; in others, the number of its next batch means nothing.
    if any(stored.data.get(one) != state.data.get(one) for one in ("train", "weights")):
        begin_epoch_again(state)
    if network is not None and any(not np.array_equal(array, network[k]) for k, array in stored.predicting.items()):
        # The slots of the updater belong to the last network, not to the best one that is trained here.
        restart_from(state, network)
    progress = state.progress
    where = f", resumed at batch {progress.batch}" if progress.batch else ""
    return f"pass {progress.epoch + 1}{where}"


def begin_epoch_again(state: TrainingState) -> None:
    """Forget what is complete of the unfinished epoch, and its loss; the weights stay as they are."""
    state.progress = replace(state.progress, batch=0, epoch_examples=0, validation_due=False)
    state.epoch_loss.zero_()
    if GRAD_NORM_SLOT in state.slots:
        state.slots[GRAD_NORM_SLOT].zero_()
