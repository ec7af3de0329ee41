"""A rule that watches the training loss beside the validation loss, and may restart from the best weights."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from arignote.optim.rules.base import RestartNetwork, Rule, RuleState
from arignote.registry import Count, Finite, register

__all__ = ["Annealer"]

Threshold = Annotated[float, Field(gt=0, le=1)]


@register(name="annealer")
class Annealer(Rule):
    """The value falls when neither loss has improved for `interval` validations, as in pydnn.

    ``new = multiply_by * old``. A loss improves if ``loss < best - (1 - threshold) * |best|``, for a positive loss
    ``loss < threshold * best``; best is the loss of the last improvement, for training and validation each.

    Parameters
    ----------
    multiply_by : float in (0, 1), default 0.1
        Factor of a change.
    interval : int >= 1, default 40
        Number of validations without an improvement of either loss after which the value changes.
    train_threshold : float in (0, 1], default 0.995
        Of the training loss, which is the mean over the epoch so far.
    valid_threshold : float in (0, 1], default 0.99995
        Of the first loss of a validation.
    roll_back : "train" or "valid", optional
        At each change training restarts from the network of the lowest training loss, or of the best validation, with
        the slots of the updater at 0. By default it continues with the network as it is.
    final_value : float > 0, optional
        Training ends with the epoch in which the value falls below it; by default it continues up to `n_epochs`.

    Examples
    --------
    >>> rule = Annealer(initial_value=0.1, interval=1)
    >>> state = rule.after_validation(rule.start(default=0.01), validation=1, epoch=1, loss=0.7, train_loss=0.5)
    >>> rule.after_validation(state, validation=2, epoch=2, loss=0.7, train_loss=0.499).value
    0.010000000000000002
    """

    multiply_by: Annotated[float, Field(gt=0, lt=1)] = 0.1
    interval: Count = 40
    train_threshold: Threshold = 0.995
    valid_threshold: Threshold = 0.99995
    roll_back: Literal["train", "valid"] | None = None
    final_value: Annotated[Finite, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _can_change(self) -> Self:
        reason = None if self.initial_value is None else self.ineffective_reason(self.initial_value)
        if reason is not None:
            raise ValueError(reason)
        return self

    @property
    def needs_validation(self) -> bool:
        return True

    @property
    def restart_network(self) -> RestartNetwork | None:
        return self.roll_back

    def ineffective_reason(self, start: float) -> str | None:
        if self.final_value is None or self.final_value <= start:
            return None
        return f"it begins at {start}, below its final_value {self.final_value}, so that training would end at once"

    def after_validation(
        self, state: RuleState, validation: int, epoch: int, loss: float, train_loss: float = nan
    ) -> RuleState:
        improved = {}
        # NaN is never less: a validation without a number is no improvement.
        if _improves(loss, state.best_loss, self.valid_threshold):
            improved["best_loss"] = loss
        if _improves(train_loss, state.best_train_loss, self.train_threshold):
            improved["best_train_loss"] = train_loss
        if improved:
            return replace(state, changed_at=validation, **improved)
        if validation - state.changed_at < self.interval:
            return state
        return replace(state, value=self.multiply_by * state.value, changed_at=validation)

    def ends(self, state: RuleState) -> bool:
        return self.final_value is not None and state.value < self.final_value


def _improves(loss: float, best: float, threshold: float) -> bool:
    # Any number improves on none, for which the margin would be infinite, or NaN.
    return loss < best - (1 - threshold) * abs(best) if best < inf else loss < inf
