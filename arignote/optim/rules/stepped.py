"""Rules that change the value in steps: after listed epochs, or after a number of validations."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import inf, nan
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from arignote.optim.rules.base import Position, Rule, RuleState
from arignote.registry import Count, Finite, one_of_required, register

__all__ = ["Fixed", "Stalled"]


class _Stepped(Rule):
    """Base class of rules that change the value in steps.

    Parameters
    ----------
    multiply_by : float >= 0, default 1.0
        Factor of a change.
    decrease_by : float, default 0.0
        Subtracted before; negative for a value that rises.
    final_value : float, optional
        Bound of the value; required by a momentum that would rise to 1.
    interval : int >= 1, optional
        Number of validations between changes. This or `schedule` is required.
    schedule : list of int >= 1, optional
        Epochs, counted from 1 and ascending, after which the value changes; `interval` applies after the last of them.
    """

    model_config = ConfigDict(json_schema_extra=one_of_required("interval", "schedule"))
    multiply_by: Annotated[Finite, Field(ge=0)] = 1.0
    decrease_by: Finite = 0.0
    final_value: Finite | None = None
    interval: Count | None = None
    schedule: Annotated[list[Count], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _can_change(self) -> Self:
        if self.interval is None and self.schedule is None:
            raise ValueError("interval (validations) or schedule (epochs, from 1) must be given")
        reason = None if self.initial_value is None else self.ineffective_reason(self.initial_value)
        if reason is not None:
            raise ValueError(reason)
        return self

    def ineffective_reason(self, start: float) -> str | None:
        change = self.multiply_by * (start - self.decrease_by) - start
        if self.final_value is None or self.final_value == start or change * (self.final_value - start) > 0:
            return None
        direction = ("goes up" if change > 0 else "goes down") if change else "is 0"
        return f"final_value {self.final_value} can never be reached: from {start} the first change {direction}"

    @property
    def invalid_reason(self) -> str | None:
        for before, epoch in pairwise(self.schedule or ()):
            if epoch <= before:
                return f"schedule must be in ascending order, each epoch once; {epoch} follows {before}"
        if self.multiply_by == 1 and self.decrease_by == 0:
            return "the value never changes: multiply_by is 1 and decrease_by 0. Give one of the two"
        return None

    def waits(self, start: float) -> Position | None:
        return Position(min(self.schedule), 0) if self.schedule else None

    def highest(self, start: float) -> float:
        if self._next(start) <= start:
            return start
        if self.final_value is not None:
            return max(start, self.final_value)
        if self.interval is not None:
            # The limit of the sequence, its fixed point.
            return self.multiply_by * self.decrease_by / (self.multiply_by - 1) if self.multiply_by < 1 else inf
        # An epoch that is listed twice, as in files of earlier versions, changes the value once.
        for _ in set(self.schedule or ()):
            start = self._next(start)
        return start

    def becomes_0(self, start: float) -> bool:
        # A number such as maxnorm may not reach 0: the next update would set all weights of its layer to 0.
        if self.final_value is not None or self._next(start) >= start:
            return False
        if self.interval is not None:
            return self.decrease_by > 0 or self.multiply_by == 0
        for _ in set(self.schedule or ()):
            start = self._next(start)
        return start == 0

    def _next(self, value: float) -> float:
        # A learning rate below 0 would climb the loss.
        return max(self.multiply_by * (value - self.decrease_by), 0.0)

    def _changed(self, state: RuleState, validation: int) -> RuleState:
        value = self._next(state.value)
        if self.final_value is not None:
            stop = min if value > state.value else max
            # A value that starts beyond the final one does not change.
            beyond = (state.value - self.final_value) * (value - state.value) >= 0
            value = state.value if beyond else stop(value, self.final_value)
        return replace(state, value=value, changed_at=validation)

    def after_epoch(self, state: RuleState, validation: int, epoch: int) -> RuleState:
        return self._changed(state, validation) if epoch in (self.schedule or ()) else state

    def _stepped(self, state: RuleState, validation: int, epoch: int) -> RuleState:
        """Change when `interval` validations have passed since the last change; the schedule's epochs come first."""
        waiting = self.interval is None or epoch <= max(self.schedule or (-1,))
        if waiting or validation - state.changed_at < (self.interval or 0):
            return state
        return self._changed(state, validation)


@register(name="fixed")
class Fixed(_Stepped):
    """The value changes after the epochs of `schedule`, then every `interval` validations.

    ``new = multiply_by * (old - decrease_by)``, bounded by `final_value` and by 0

    Examples
    --------
    >>> rule = Fixed(initial_value=0.1, multiply_by=0.5, interval=1)
    >>> rule.after_validation(rule.start(default=0.01), validation=1, epoch=1, loss=0.7)
    RuleState(value=0.05, best_loss=inf, changed_at=1)
    """

    def after_validation(
        self, state: RuleState, validation: int, epoch: int, loss: float, train_loss: float = nan
    ) -> RuleState:
        return self._stepped(state, validation, epoch)


@register(name="stalled")
class Stalled(_Stepped):
    """The value changes when the validation loss has not improved for `interval` validations.

    ``new = multiply_by * (old - decrease_by)``, bounded by `final_value` and by 0; a change ends the interval too

    Examples
    --------
    >>> rule = Stalled(initial_value=0.1, multiply_by=0.5, interval=1)
    >>> state = rule.after_validation(rule.start(default=0.01), validation=1, epoch=1, loss=0.7)
    >>> rule.after_validation(state, validation=2, epoch=2, loss=0.8)
    RuleState(value=0.05, best_loss=0.7, changed_at=2)
    """

    @property
    def needs_validation(self) -> bool:
        return True

    def after_validation(
        self, state: RuleState, validation: int, epoch: int, loss: float, train_loss: float = nan
    ) -> RuleState:
        # NaN is never less: a validation without a number is no improvement.
        if loss < state.best_loss:
            return replace(state, best_loss=loss, changed_at=validation)
        return self._stepped(state, validation, epoch)
