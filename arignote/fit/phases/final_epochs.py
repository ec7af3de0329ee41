"""Final epochs: when they begin and end, with which rates, and what may not change once they have begun."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from arignote.checkpoints.state import TrainingState
from arignote.data.epoch.all_rows import all_rows
from arignote.data.epoch.batches import Batch, Batches
from arignote.data.epoch.order import Order, order_of
from arignote.data.prepare.prepared import Prepared
from arignote.data.rows.selection import Rows
from arignote.data.specs import check_held_out
from arignote.errors import CheckpointError
from arignote.fit.phases.apply_rules import restart_from
from arignote.optim.rules import RuleState, RuleValues
from arignote.spec.settings import FitSettings

if TYPE_CHECKING:
    from arignote.engine.feed import DeviceBatch

__all__ = ["EpochSource", "FinalEpochs", "FinalRows", "check_final_epochs", "final_rows"]


class FinalRows(NamedTuple):
    """The rows of all subsets, on which final epochs train: with their targets, their weights and their order."""

    rows: Rows
    y: NDArray[Any] | None
    weights: NDArray[np.float32] | None
    order: Order


def final_rows(data: Prepared, settings: FitSettings) -> FinalRows | None:
    """Return the rows of final epochs, if there are any; errors as of `check_held_out`."""
    if not settings.final_epochs:
        return None
    # `all_weights` is None too if nothing is held out, or if data of its own was given without weights.
    lacks_weights = data.weights is not None and data.all_weights is None
    check_held_out(settings.final_epochs, has_any=len(data.subsets) > 1, has_weights=not lacks_weights)
    rows, y = all_rows(data)
    order = order_of(rows, settings.shuffle, y if settings.balance_classes else None)
    return FinalRows(rows, y, data.all_weights, order)


class EpochSource(Protocol):
    """Source of the batches of an epoch."""

    @property
    def batches(self) -> Batches: ...

    @property
    def to_device(self) -> Callable[[Batch], DeviceBatch]: ...


@dataclass(frozen=True)
class FinalEpochs:
    """The last epochs of a run, which train on the rows of all subsets.

    Attributes
    ----------
    n_epochs : int
        Their number.
    batches : Batches
        What they train on.
    to_device : callable
        See `Trainer`; for these batches.
    """

    n_epochs: int
    batches: Batches
    to_device: Callable[[Batch], DeviceBatch]

    def begin_if_due(self, state: TrainingState, n_epochs: int, values: RuleValues) -> None:
        """Begin, if the epochs before are complete or a rule has ended them: as the best network was, at its rates.

        Parameters
        ----------
        state : TrainingState
        n_epochs : int
            Epochs of the run in all.
        values : RuleValues
            They stay if nothing was validated.
        """
        progress, best = state.progress, state.best
        is_reached = (progress.epoch, progress.batch) == (n_epochs - self.n_epochs, 0)
        if progress.is_final or not (progress.ended or is_reached):
            return
        progress.final_since, progress.final_after = progress.epoch, None if is_reached else progress.stopped_by
        progress.ended, progress.stopped_by = False, None
        state.rules = _rates_of_best(state, values.by_name)
        # Without validation no network is the best: the last one trains further, with slots of 0 as well.
        restart_from(state, state.predicting if best is None else best.network)

    def end_if_complete(self, state: TrainingState) -> None:
        """End the run after the last of them, if a rule has ended the epochs before."""
        progress = state.progress
        if progress.final_since is not None and progress.epoch >= progress.final_since + self.n_epochs:
            progress.ended, progress.stopped_by = progress.final_after is not None, progress.final_after


def _rates_of_best(state: TrainingState, values: Mapping[str, float]) -> dict[str, RuleState]:
    """Return the rules with the values of the best validation, or with `values` where there are none."""
    row = state.best_record
    # NaN for what is no column: a row that is older than the rule, or no row at all.
    rates = {name: row.get("learning_rate" if name == "lr" else name, nan) for name in state.rules}
    # Rows of a run of 2015 have no rates.
    return {
        name: replace(rule, value=rates[name] if isfinite(rates[name]) else values[name])
        for name, rule in state.rules.items()
    }


def check_final_epochs(stored: TrainingState, settings: FitSettings, where: str) -> None:
    """Raise CheckpointError if the final epochs that are set do not suit what a run has done.

    Parameters
    ----------
    stored : TrainingState
        The state that the fit resumes from.
    settings : FitSettings
        Of the fit.
    where : str
        The file of the state.
    """
    progress, then = stored.progress, stored.spec["fit"]
    n_final, n_epochs = settings.final_epochs, settings.n_epochs
    if progress.is_final:
        if (n_final, n_epochs) != (then.get("final_epochs"), then["n_epochs"]):
            raise CheckpointError(
                f"{where}: n_epochs must be {then['n_epochs']} and final_epochs {then.get('final_epochs')}, as the "
                f"final epochs of this run have begun, after epoch {progress.final_since}; got {n_epochs} and "
                f'{n_final}. Start over with resume="fresh" (--fresh), or begin a run with another checkpoint from the '
                "parameters of this one (stored_network, and load_params of the layers)"
            )
    elif n_final and progress.ended:
        raise CheckpointError(
            f"{where}: final_epochs must be 0, as this run was {stored.ended_by} without them; got {n_final}. "
            'Start over with resume="fresh" (--fresh)'
        )
    elif n_final and n_epochs and (progress.epoch, progress.batch) > (n_epochs - n_final, 0):
        least = progress.epoch + (progress.batch > 0) + n_final
        raise CheckpointError(
            f"{where}: n_epochs must be at least {least} for {n_final} final epochs, as {progress.epoch} epochs are "
            f"complete; got {n_epochs}. Raise n_epochs, or leave final_epochs out"
        )
