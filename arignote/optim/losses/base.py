"""Loss: what is minimised, and what is reported of a validation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from arignote.errors import ConfigError
from arignote.registry import Part, Positive, part_name

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Loss"]


class Loss(Part):
    """Base class of losses.

    Parameters
    ----------
    weight : float > 0, default 1.0
        Factor of the loss in the sum over several outputs.

    Notes
    -----
    `build` returns one value per row. Rows are averaged with their weights by the caller: the training step over
    the rows of an update, a validation over all rows.

    Attributes
    ----------
    targets : tuple of str
        Names of the targets that it fits: "classes", "flags", "ranks", "numbers", "same".
    differentiable : bool
        Whether it has a gradient, so that it can be minimised.
    greater_is_better : bool
        Whether a larger value is better. Such a loss cannot be minimised.
    """

    kind: ClassVar[str] = "loss"
    targets: ClassVar[tuple[str, ...]] = ("classes",)
    differentiable: ClassVar[bool] = False
    greater_is_better: ClassVar[bool] = False
    weight: Positive = 1.0

    @abstractmethod
    def build(self) -> Callable[..., Tensor]:
        """Return the function of engine tensors: outputs (n, n_outputs), encoded targets (n, ...) -> (n,).

        For outputs of each step of a sequence it is called with all steps as rows.

        A loss whose value is not a mean over rows returns several means that `value` combines: (n, n_means).
        """

    def fits(self, target: str) -> bool:
        """Return whether it suits targets of this name."""
        return target in self.targets

    def check(self, n_outputs: int) -> None:
        """Raise ConfigError if the loss does not suit a network with so many outputs."""

    def value(self, means: NDArray[np.float64], units: NDArray[np.float64]) -> float:
        """Return the loss of rows.

        Parameters
        ----------
        means : array () or (n_means,) of float64
            Means over the rows of what the built function returns.
        units : array (n_outputs,) of float64
            The unit of each output in units of the user's target: the scale of a regression target, else 1.
        """
        return float(means)

    def mean(self) -> Callable[..., Tensor]:
        """Return ``f(outputs, y, weights=None)``, the mean over the rows of ``weights * loss``."""
        loss_of_rows, name = _over_steps(self.build()), part_name(self)

        def mean(outputs: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
            values = loss_of_rows(outputs, y)
            # A loss of a user that is a mean already would lose the weights of its rows without a message.
            if values.ndim == 0 or len(values) != len(y):
                raise ConfigError(
                    f"loss {name!r} must return one value per row, {len(y)} in all; got the shape {tuple(values.shape)}"
                )
            if weights is not None:
                values = values * (weights if values.ndim == 1 else weights[:, None])
            return values.mean() if values.ndim == 1 else values.mean(0)

        return mean

    def named(self) -> str:
        """Return its name as messages have it."""
        return part_name(self)

    @property
    def column(self) -> str:
        """Name in the history: that of the loss, with the parameters that are not their defaults."""
        # Without the weight, which is no factor of what is reported.
        params = self.model_dump(mode="json", exclude_defaults=True, exclude={"weight"})
        written = ", ".join(f"{name}={value}" for name, value in params.items())
        return f"{part_name(self)}({written})" if written else part_name(self)


def _over_steps(loss_of_rows: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a loss that takes outputs of each step too: that of a row is the mean over the steps with a target."""

    def loss(outputs: Tensor, y: Tensor) -> Tensor:
        if outputs.ndim < 3:
            return loss_of_rows(outputs, y)
        # Encoded class numbers are -1, and numbers NaN, where a step has no target.
        counts = (y == y).any(2) if y.is_floating_point() else y >= 0
        # -1 is no class number: where a step has no target, any class will do.
        targets = y if y.is_floating_point() else y.clamp(min=0)
        values = loss_of_rows(outputs.flatten(0, 1), targets.flatten(0, 1))
        values = values.view(*counts.shape, *values.shape[1:])
        is_counted = counts.view(*counts.shape, *(1 for _ in values.shape[2:]))
        sums = values.where(is_counted, 0.0).sum(1)
        # A row without any target would be 0 / 0.
        return sums / is_counted.sum(1).clamp(min=1)

    return loss
