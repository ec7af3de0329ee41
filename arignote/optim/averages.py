"""Averages of the weights over a run, with which the network is validated and predicts."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar

from pydantic import Field

from arignote.registry import ADDED, Count, Part, register

__all__ = ["Average", "ExponentialAverage", "StochasticWeightAverage"]


class Average(Part):
    """Base class of averages: a function of the position in the run, without a state beside the average itself."""

    kind: ClassVar[str] = "average"

    @abstractmethod
    def share(self, n_updates: int, epoch: int, ends_epoch: bool) -> float:
        """Return the share of the present weights in the average after an update: 0, nothing, to 1, a copy.

        Parameters
        ----------
        n_updates : int
            Number of the update, from 1.
        epoch : int
            Number of its epoch, from 1.
        ends_epoch : bool
            Whether it is the last one of the epoch.
        """

    def of_final_epochs(self) -> Average:
        """Return the average of final epochs, whose numbers are counted from 1 again."""
        return self

    def ineffective_reason(self, n_epochs: int) -> str | None:
        """Return a message about why nothing is averaged in a run of `n_epochs`; None if something is."""
        return None


@register(name="ema")
class ExponentialAverage(Average):
    """Exponential moving average, after each update: ``average <- d * average + (1 - d) * w``, d the decay.

    It begins as a copy of the weights after the first update (Polyak and Juditsky, SIAM J. Control Optim. 1992, in the
    form of Tarvainen and Valpola, NeurIPS 2017).

    Parameters
    ----------
    decay : float in (0, 1), default 0.999
        Weight of the average so far; it covers about ``1 / (1 - decay)`` updates.
    warmup : bool, default False
        Whether it covers fewer updates at first, so that it soon forgets the first weights:
        ``d = min(decay, (1 + n) / (10 + n))`` in update n, from 1, as of `num_updates` of
        ``tf.train.ExponentialMovingAverage``.

    Examples
    --------
    >>> round(ExponentialAverage(decay=0.9).share(n_updates=2, epoch=1, ends_epoch=False), 6)
    0.1
    """

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.999
    warmup: Annotated[bool, ADDED] = False

    def share(self, n_updates: int, epoch: int, ends_epoch: bool) -> float:
        # A copy of the first weights that were trained: the initial ones are in no average.
        if n_updates == 1:
            return 1.0
        decay = min(self.decay, (1 + n_updates) / (10 + n_updates)) if self.warmup else self.decay
        return 1.0 - decay


@register(name="swa")
class StochasticWeightAverage(Average):
    """Mean of the weights at the ends of the epochs from `start` on (Izmailov et al., UAI 2018).

    ``average <- average + (w - average) / n``, w the weights at the end of the n-th of these epochs; until the first of
    them the average is the weights themselves. Statistics of batch normalisation are averaged likewise; no pass
    over the data computes them again.

    Parameters
    ----------
    start : int >= 1
        The first epoch whose weights count, from 1. Final epochs have a mean of their own, of all of them.

    Examples
    --------
    >>> StochasticWeightAverage(start=10).share(n_updates=1200, epoch=13, ends_epoch=True)
    0.25
    """

    start: Count

    def share(self, n_updates: int, epoch: int, ends_epoch: bool) -> float:
        # Up to the end of epoch `start`, whose weights are the first that count, a copy.
        if epoch <= self.start:
            return 1.0
        # A running mean: the n-th of the epochs has the share 1 / n.
        return 1.0 / (epoch - self.start + 1) if ends_epoch else 0.0

    def of_final_epochs(self) -> StochasticWeightAverage:
        return StochasticWeightAverage(start=1)

    def ineffective_reason(self, n_epochs: int) -> str | None:
        if self.start < n_epochs:
            return None
        what = f"average: start {self.start} leaves nothing to average in {n_epochs} epochs"
        return f"{what}. The weights of the last epoch are used"
