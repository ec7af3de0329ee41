"""Base classes of updaters, variants of stochastic gradient descent.

The engine keeps all trained parameters in one flat vector `w`, their gradients in another, `g`; an updater changes `w`
in place. What it remembers is in its slots, vectors of the same length, which the training state stores. It uses only
methods of tensors and the fused updates of the engine, so that torch is not imported here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from arignote.registry import NonNegative, Part

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = list[Tensor]

__all__ = ["DecoupledUpdater", "FusedUpdater", "SlicedUpdater", "Updater", "kernels"]


class Updater(Part):
    """Base class of updaters.

    Attributes
    ----------
    slots : tuple of str
        Names of its slots, vectors that start at zero.
    default_lr : float
        Learning rate without a rule.
    momentum_name : str or None
        Parameter that `momentum_rule` changes while training, if there is one.
    ruled : tuple of str
        Other parameters that may follow a rule.
    """

    kind: ClassVar[str] = "updater"
    slots: ClassVar[tuple[str, ...]] = ()
    default_lr: ClassVar[float] = 0.01
    momentum_name: ClassVar[str | None] = None
    ruled: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def step(self, w: Tensor, g: Tensor, slots: Mapping[str, Tensor], lr: float, momentum: float, n: int) -> None:
        """Update `w` in place.

        Parameters
        ----------
        w, g : tensor (n_values,)
            Parameters and gradients; `g` may be used as scratch. All of them, unless layers have an `lr_factor`: then
            each stretch of equal factors.
        slots : mapping of str to tensor (n_values,)
            The updater's slots, changed in place.
        lr, momentum : float
            Current values.
        n : int
            Number of this update, from 1.
        """

    @property
    def default_momentum(self) -> float:
        """Momentum without a `momentum_rule`; 0 if the updater has none."""
        return float(getattr(self, self.momentum_name)) if self.momentum_name else 0.0


# The kernels take a half (nag) to a tenth (adam) of the time of the same operations of tensors.
@cache
def kernels() -> Any:
    """Return the module of torch's own kernels, which is imported with torch: once, not in each step."""
    from arignote.engine import private

    return private


class SlicedUpdater(Updater):
    """Base class of updaters that take slices of the vectors, which may differ in their decay."""

    @abstractmethod
    def step_slices(
        self, w: Tensors, g: Tensors, slots: Mapping[str, Tensors], lr: float, momentum: float, n: int, decay: float
    ) -> None:
        """Update slices of the vectors, lists of tensors, with a decay; other parameters are as in `step`.

        Parameters
        ----------
        w, g : list of tensor
            Slices of the parameters, and of their gradients.
        slots : mapping of str to list of tensor
            The slices of each slot.
        lr, momentum, n
            See `Updater.step`.
        decay : float
            Share of the weights, by how the updater defines it; 0 for biases and slopes.
        """

    def step(self, w: Tensor, g: Tensor, slots: Mapping[str, Tensor], lr: float, momentum: float, n: int) -> None:
        # Without a decay: the penalties are in `g` already.
        self.step_slices([w], [g], {name: [slot] for name, slot in slots.items()}, lr, momentum, n, 0.0)


class FusedUpdater(SlicedUpdater):
    """Base class of updaters with a fused kernel, which adds the gradient of l2 in the same pass over memory.

    The decay of `step_slices` is coupled: ``g <- g + decay * w``.
    """


class DecoupledUpdater(SlicedUpdater):
    """Base class of updaters with a weight decay beside the gradient (Loshchilov and Hutter, ICLR 2019).

    The decay of `step_slices` is decoupled: ``w <- w - lr * decay * w``, before the step.

    Attributes
    ----------
    weight_decay : float >= 0
        The decay of weights; that of biases and slopes is 0. The l2 of a layer is another penalty, whose gradient is
        added to that of the loss.
    """

    ruled: ClassVar[tuple[str, ...]] = ("weight_decay",)
    weight_decay: NonNegative = 0.0
