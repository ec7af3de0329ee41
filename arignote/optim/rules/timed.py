"""Base classes of rules that follow the position: a run that is resumed anywhere has the same values."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

from pydantic import ConfigDict, model_validator

from arignote.optim.rules.base import Position, Rule, RuleState
from arignote.registry import Count, one_of_required

__all__ = ["ScheduledRule", "TimedRule"]


class TimedRule(Rule):
    """Base class of rules that have a length, in epochs or in updates.

    Parameters
    ----------
    n_epochs : int >= 1, optional
        Length in epochs: the value changes after each epoch.
    n_updates : int >= 1, optional
        Length in updates: the value changes after each update. One of the two is required.
    """

    model_config = ConfigDict(json_schema_extra=one_of_required("n_epochs", "n_updates"))
    n_epochs: Count | None = None
    n_updates: Count | None = None

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if (self.n_epochs is None) == (self.n_updates is None):
            given = "both are given" if self.n_epochs is not None else "neither is given"
            raise ValueError(
                f"n_epochs (the value changes after each epoch) or n_updates (after each update) must be given; {given}"
            )
        return self

    @property
    def follows_updates(self) -> bool:
        return self.n_updates is not None

    @property
    def _length(self) -> int:
        """Length in epochs or updates."""
        length = self.n_epochs or self.n_updates
        assert length is not None
        return length

    def _elapsed(self, position: Position) -> int:
        """Return the number of complete epochs or updates, in the unit of the length."""
        return position.n_updates if self.n_epochs is None else position.n_epochs


class ScheduledRule(TimedRule):
    """Base class of rules whose value is a function of the number of complete epochs, or of updates."""

    def value_at(self, state: RuleState, position: Position) -> float:
        return self.value_after(self._elapsed(position), state.value)

    @abstractmethod
    def value_after(self, n: int, first: float) -> float:
        """Return the value after `n` epochs or updates, which begins at `first`."""
