"""Stop rules: when training ends before its last epoch. They have no state, as the history holds all they need."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

from arignote.registry import Count, Finite, Part, register

__all__ = ["StopReached", "StopRule", "StopStalled"]


class StopRule(Part):
    """Base class of stop rules."""

    kind: ClassVar[str] = "stop_rule"

    def for_largest(self) -> Self:
        """Return the rule for the negative of a value that is better if it is larger."""
        return self

    @abstractmethod
    def ends(self, n_validations: int, best_at: int, loss: float) -> bool:
        """Return whether training ends with this epoch.

        Parameters
        ----------
        n_validations : int
            Validations so far.
        best_at : int
            Number of the best of them, from 1.
        loss : float
            The first loss of the last validation.
        """


@register(name="stalled")
class StopStalled(StopRule):
    """Ends training when the validation loss has not improved for `interval` validations.

    ``n_validations - best_at >= interval`` (early stopping; Prechelt, "Early stopping - but when?", 1998)

    Parameters
    ----------
    interval : int >= 1
        Number of validations since the best one.

    Examples
    --------
    >>> StopStalled(interval=5).ends(n_validations=12, best_at=7, loss=0.3)
    True
    """

    interval: Count

    def ends(self, n_validations: int, best_at: int, loss: float) -> bool:
        return n_validations - best_at >= self.interval


@register(name="reached")
class StopReached(StopRule):
    """Ends training when the first validation loss is low enough: ``loss <= value``, or ``r2 >= value``.

    Parameters
    ----------
    value : float
        Bound, in the unit of the loss.

    Examples
    --------
    >>> StopReached(value=0.05).ends(n_validations=3, best_at=3, loss=0.04)
    True
    """

    value: Finite

    def for_largest(self) -> Self:
        # `ends` is given the negative of the value then.
        return self.model_copy(update={"value": -self.value})

    def ends(self, n_validations: int, best_at: int, loss: float) -> bool:
        return loss <= self.value
