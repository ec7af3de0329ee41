"""Stop rules: what may end training before its last epoch. They remember nothing: the history says it all."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from arignote.registry import Count, Finite, Part, register

__all__ = ["StopRule"]


class StopRule(Part):
    """What every stop rule is."""

    kind: ClassVar[str] = "stop_rule"

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
    """Ends when so many validations have passed since the best one (early stopping; Prechelt, 1998).

    Parameters
    ----------
    interval : int >= 1
        Validations.
    """

    interval: Count

    def ends(self, n_validations: int, best_at: int, loss: float) -> bool:
        return n_validations - best_at >= self.interval


@register(name="reached")
class StopReached(StopRule):
    """Ends when the first validation loss is at most `value`.

    Parameters
    ----------
    value : float
        In the unit of the loss.
    """

    value: Finite

    def ends(self, n_validations: int, best_at: int, loss: float) -> bool:
        return loss <= self.value
