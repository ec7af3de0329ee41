"""Stop rules: when training ends before its last epoch. They have no state, as the history holds all they need."""

from __future__ import annotations

from abc import abstractmethod
from math import inf
from typing import Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from arignote.registry import ADDED, Count, Finite, NonNegative, Part, register

__all__ = ["StopReached", "StopRule", "StopStalled"]


class StopRule(Part):
    """Base class of stop rules."""

    kind: ClassVar[str] = "stop_rule"

    def for_largest(self) -> Self:
        """Return the rule for the negative of a value that is better if it is larger."""
        return self

    @abstractmethod
    def ends(self, losses: NDArray[np.float64], best_at: int) -> bool:
        """Return whether training ends with this epoch.

        Parameters
        ----------
        losses : array (n_validations,) of float64
            The first loss of each validation so far.
        best_at : int
            Number of the best of them, from 1.
        """


@register(name="stalled")
class StopStalled(StopRule):
    """Ends training when the validation loss has not improved for `interval` validations.

    ``n_validations - improved_at >= interval`` (early stopping; Prechelt, "Early stopping - but when?", 1998)

    Parameters
    ----------
    interval : int >= 1
        Number of validations since the last that improved.
    min_delta : float >= 0, default 0.0
        A loss improves if it is lower than at the last improvement by more than this, in the unit of the loss; a score,
        if it is higher by more than this. Which network is best does not depend on it.

    Examples
    --------
    >>> losses = np.array([0.5, 0.3, 0.295, 0.292])
    >>> StopStalled(interval=2).ends(losses, best_at=4)
    False
    >>> StopStalled(interval=2, min_delta=0.01).ends(losses, best_at=4)
    True
    """

    interval: Count
    min_delta: Annotated[NonNegative, ADDED] = 0.0

    def ends(self, losses: NDArray[np.float64], best_at: int) -> bool:
        improved_at = _improved_at(losses, self.min_delta) if self.min_delta else best_at
        return len(losses) - improved_at >= self.interval


@register(name="reached")
class StopReached(StopRule):
    """Ends training when the first validation loss is low enough: ``loss <= value``, or ``r2 >= value``.

    Parameters
    ----------
    value : float
        Bound, in the unit of the loss.

    Examples
    --------
    >>> StopReached(value=0.05).ends(np.array([0.3, 0.1, 0.04]), best_at=3)
    True
    """

    value: Finite

    def for_largest(self) -> Self:
        # `ends` is given the negative of the value then.
        return self.model_copy(update={"value": -self.value})

    def ends(self, losses: NDArray[np.float64], best_at: int) -> bool:
        # NaN is never less or equal: a diverged run does not end here.
        return bool(losses[-1] <= self.value)


def _improved_at(losses: NDArray[np.float64], min_delta: float) -> int:
    """Return the number, from 1, of the last loss that improved by more than `min_delta`; any improves on a NaN."""
    # Only a loss below all before it may: these are few, so that long runs are not searched one by one.
    lowest = np.minimum.accumulate(np.where(np.isnan(losses), inf, losses))
    at, reference = 1, inf
    for place in np.flatnonzero(losses < np.concatenate([[inf], lowest[:-1]])).tolist():
        if losses[place] < reference - min_delta:
            at, reference = place + 1, losses[place]
    return at
