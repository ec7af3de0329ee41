"""Losses of numbers. A target that is NaN is missing: a row's loss is the mean over its other columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from arignote.optim.losses.base import Loss
from arignote.registry import Positive, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MAE", "R2", "RMSE", "AbsoluteError", "Huber", "SquaredError"]

_NUMBERS = ("numbers", "same")


def _over_columns(cost: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """Return the mean of a cost of ``outputs - y`` over the columns of each row that are not missing."""
    from torch import where

    def loss_of_rows(outputs: Tensor, y: Tensor) -> Tensor:
        # NaN is the only value that differs from itself.
        is_present = y == y
        costs = cost(where(is_present, outputs - y, 0.0))
        # A row of which all are missing counts nothing; with one output it is left out before.
        return costs.sum(1) / is_present.sum(1).clamp(min=1)

    return loss_of_rows


@register("mse", name="squared")
class SquaredError(Loss):
    """Squared error: ``loss_i = mean_j (o_i[j] - y_i[j])^2``.

    Notes
    -----
    In units of the scaled target, if ``scale_target`` scales it.

    Examples
    --------
    >>> import torch
    >>> SquaredError().build()(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 1.0]]))
    tensor([2.5000])
    """

    targets: ClassVar[tuple[str, ...]] = _NUMBERS
    differentiable: ClassVar[bool] = True

    def build(self) -> Callable[..., Tensor]:
        return _over_columns(lambda difference: difference.square())


@register(name="absolute")
class AbsoluteError(Loss):
    """Absolute error: ``loss_i = mean_j |o_i[j] - y_i[j]|``.

    Notes
    -----
    In units of the scaled target, if ``scale_target`` scales it. Its minimum is the median, where that of
    `SquaredError` is the mean.

    Examples
    --------
    >>> import torch
    >>> AbsoluteError().build()(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 1.0]]))
    tensor([1.5000])
    """

    targets: ClassVar[tuple[str, ...]] = _NUMBERS
    differentiable: ClassVar[bool] = True

    def build(self) -> Callable[..., Tensor]:
        return _over_columns(lambda difference: difference.abs())


@register(name="huber")
class Huber(Loss):
    """Squared for small differences, linear for large ones: ``loss_i = mean_j h(o_i[j] - y_i[j])``.

    ``h(d) = d^2 / 2`` if ``|d| <= delta``, else ``delta * (|d| - delta / 2)`` (Huber, Annals of Mathematical
    Statistics, 1964).

    Parameters
    ----------
    delta : float > 0, default 1.0
        Difference from which on the loss is linear, in units of the scaled target, if ``scale_target`` scales it.

    Examples
    --------
    >>> import torch
    >>> Huber().build()(torch.tensor([[0.5], [3.0]]), torch.tensor([[0.0], [0.0]]))
    tensor([0.1250, 2.5000])
    """

    targets: ClassVar[tuple[str, ...]] = _NUMBERS
    differentiable: ClassVar[bool] = True
    delta: Positive = 1.0

    def build(self) -> Callable[..., Tensor]:
        def cost(difference: Tensor) -> Tensor:
            # The derivative is the difference, clipped to +-delta.
            size = difference.abs()
            small = size.clamp(max=self.delta)
            return small * (size - 0.5 * small)

        return _over_columns(cost)


def _sums(*terms: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Return for each row whether each column is there, and each term of (difference, y), all in float64."""
    from torch import cat, where

    def sums(outputs: Tensor, y: Tensor) -> Tensor:
        is_present = y == y
        # float64, since a variance is a small difference of large means.
        y = where(is_present, y, 0.0).double()
        difference = where(is_present, outputs.double() - y, 0.0)
        return cat([is_present.double(), *(term(difference, y) for term in terms)], 1)

    return sums


def _by_column(means: NDArray[np.float64], n_terms: int) -> NDArray[np.float64]:
    """Return the mean of each term (n_terms, n_columns) over the rows in which the column is there."""
    # Means are over all rows; of a column that no row has, 0 / 0 is NaN.
    n_there, *terms = means.reshape(n_terms + 1, -1)
    with np.errstate(invalid="ignore"):
        by_column: NDArray[np.float64] = np.array(terms) / n_there
    return by_column


@register("mean_absolute_error", name="mae")
class MAE(Loss):
    """Mean absolute error in units of the target: ``loss = mean_j mean_i |o_i[j] - y_i[j]|``.

    Notes
    -----
    It is reported only; what is minimised is `AbsoluteError`, in scaled units.

    Examples
    --------
    >>> import numpy as np
    >>> MAE().value(np.array([1.0, 0.5]), units=np.array([10.0]))
    5.0
    """

    targets: ClassVar[tuple[str, ...]] = _NUMBERS

    def build(self) -> Callable[..., Tensor]:
        return _sums(lambda difference, y: difference.abs())

    def value(self, means: NDArray[np.float64], units: NDArray[np.float64]) -> float:
        return float((_by_column(means, 1)[0] * units).mean())


@register("root_mean_squared_error", name="rmse")
class RMSE(Loss):
    """Root mean squared error in units of the target: ``loss = mean_j sqrt(mean_i (o_i[j] - y_i[j])^2)``.

    Notes
    -----
    It is reported only; what is minimised is `SquaredError`, in scaled units.

    Examples
    --------
    >>> import numpy as np
    >>> RMSE().value(np.array([1.0, 0.25]), units=np.array([10.0]))
    5.0
    """

    targets: ClassVar[tuple[str, ...]] = _NUMBERS

    def build(self) -> Callable[..., Tensor]:
        return _sums(lambda difference, y: difference.square())

    def value(self, means: NDArray[np.float64], units: NDArray[np.float64]) -> float:
        return float((np.sqrt(_by_column(means, 1)[0]) * units).mean())


@register(name="r2")
class R2(Loss):
    """Coefficient of determination: ``value = mean_j (1 - sum_i (o_i[j] - y_i[j])^2 / sum_i (y_i[j] - mean y[j])^2)``.

    Notes
    -----
    1 is perfect, 0 as good as the mean of the rows; a larger value is better. A column without variance counts as 1 if
    it is predicted exactly, else as 0, as in scikit-learn. It is reported only.

    Examples
    --------
    >>> import numpy as np
    >>> R2().value(np.array([1.0, 0.5, 0.0, 1.0]), units=np.array([10.0]))
    0.5
    """

    targets: ClassVar[tuple[str, ...]] = _NUMBERS
    greater_is_better: ClassVar[bool] = True

    def build(self) -> Callable[..., Tensor]:
        return _sums(lambda difference, y: difference.square(), lambda _, y: y, lambda _, y: y.square())

    def value(self, means: NDArray[np.float64], units: NDArray[np.float64]) -> float:
        squared, mean, mean_of_squares = _by_column(means, 3)
        variance = mean_of_squares - mean**2
        # Rounding leaves a variance of about this size where there is none.
        is_constant = variance <= np.finfo(np.float64).eps * mean_of_squares
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(is_constant, (squared > 0).astype(np.float64), squared / variance)
        # A diverged network has no score.
        return float(np.where(np.isnan(squared), np.nan, 1 - share).mean())
