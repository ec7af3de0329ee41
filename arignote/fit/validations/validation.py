"""Validation: a row of the history, and whether the network is the best so far. It changes no state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan, nan
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arignote.checkpoints.progress import History
from arignote.checkpoints.state import TrainingState
from arignote.optim.rules import RuleValues

__all__ = ["Monitor", "ScoreFunction", "Validation", "ValidationResult"]

ScoreFunction = Callable[[int], dict[str, float]]


class Monitor(Protocol):
    """Columns of the history beside losses, and what they are means of, which begins again after each validation."""

    def columns(self, state: TrainingState) -> dict[str, float]: ...

    def begin_again(self, state: TrainingState) -> None: ...


@dataclass(frozen=True)
class ValidationResult:
    """Result of a validation.

    Attributes
    ----------
    row : dict of str to float
        Of the history.
    value : float
        What decides which network is best; NaN if nothing was validated.
    is_best : bool
        Whether it is the best so far.
    """

    row: dict[str, float]
    value: float
    is_best: bool


@dataclass(frozen=True)
class Validation:
    """Scores the network.

    Attributes
    ----------
    validate, score_train, score_test : callable or None
        Number of validations before this one -> losses by the names of the history's columns; the first of `validate`
        decides what is best.
    monitor : Monitor or None
        What else the history has, none of which decides anything.
    train_loss : str
        Name of the loss that is trained on, in the history.
    greater_is_better : bool
        Whether the first loss of `validate` is better if it is larger; rules and stop rules are given its negative.
    column : str
        Name of this loss in the history.
    """

    validate: ScoreFunction | None
    score_train: ScoreFunction | None
    score_test: ScoreFunction | None
    monitor: Monitor | None
    train_loss: str
    greater_is_better: bool
    column: str

    def __call__(self, state: TrainingState, values: RuleValues) -> ValidationResult:
        """Return the result, whose row has the `values` of the rules."""
        progress = state.progress
        row = {"epoch": float(progress.epoch + 1), "examples_seen": float(progress.examples_seen)}
        row[f"train_{self.train_loss}"] = float(state.epoch_loss) / max(progress.epoch_examples, 1)
        if self.score_train is not None:
            row |= self.score_train(progress.n_validations)
        # Final epochs train on the rows of validation and test.
        validate, score_test = (None, None) if progress.is_final else (self.validate, self.score_test)
        losses = validate(progress.n_validations) if validate is not None else {}
        # The first loss decides which network is best.
        value = next(iter(losses.values()), nan)
        row |= losses
        is_best = bool(losses) and (state.best is None or _is_better(self.loss(value), self.loss(state.best.value)))
        if score_test is not None:
            tested = score_test(progress.n_validations) if is_best or not losses else None
            row |= tested if tested is not None else dict.fromkeys(_test_columns(state), nan)
        row |= self.monitor.columns(state) if self.monitor is not None else {}
        row |= {"learning_rate": values.lr, "momentum": values.momentum} | values.numbers
        return ValidationResult(row, value, is_best)

    def loss(self, value: float) -> float:
        """Return the value of a validation as a loss, which is better if it is smaller."""
        return -value if self.greater_is_better else value

    def losses(self, history: History) -> NDArray[np.float64]:
        """Return the first loss (n_validations,) of each validation, better if it is smaller."""
        values = history.arrays()[self.column]
        return -values if self.greater_is_better else values


def _test_columns(state: TrainingState) -> list[str]:
    return [name for name in state.history.names if name.startswith("test_")]


def _is_better(loss: float, best: float) -> bool:
    """Return whether a loss is lower than the best so far; any number is better than a NaN."""
    return loss < best or (isnan(best) and not isnan(loss))
