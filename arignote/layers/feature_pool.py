"""Pooling over groups of neighbouring channels, or along another axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from arignote.layers.base import Forward, Layer, Shape, ShapeError
from arignote.registry import Count, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FeaturePoolLayer", "MaxPoolChannelsLayer"]

PoolFunction = Literal["max", "min", "mean", "sum"]


def _shape_of_groups(name: str, size: int, axis: int, shape: Shape) -> Shape:
    """Return the shape with one value for each group of `size` along `axis`; raise ShapeError if they do not fit."""
    if axis > len(shape):
        raise ShapeError(f"axis must be one of 1 to {len(shape)}, as an example has the shape {shape}; got {axis}")
    n = shape[axis - 1]
    if n % size:
        raise ShapeError(f"{name} must divide {n}, the size of axis {axis} of examples {shape}; got {size}")
    return (*shape[: axis - 1], n // size, *shape[axis:])


def _pooled(function: PoolFunction, size: int, axis: int) -> Forward:
    """Return the forward function; axis 0 is that of the rows."""
    from torch import unflatten

    def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
        groups = unflatten(x, axis, (-1, size))
        # unflatten puts the members of a group behind `axis`.
        values = getattr(groups, function)(axis + 1)
        # Not amax, which divides the gradient among equal values, as pooling of windows does not.
        pooled: Tensor = values.values if function in ("max", "min") else values
        return pooled

    return forward


@register()
class FeaturePoolLayer(Layer):
    """One value for each group of neighbouring channels or units: ``y[m] = max_{j < k} x[k * m + j]``, k = `pool_size`.

    Parameters
    ----------
    pool_size : int >= 1
        Number of values of a group, which divides the size of the axis.
    axis : int >= 1, default 1
        The axis of a batch (rows, ...); 1 is that of units or channels.
    pool_function : "max", "min", "mean" or "sum", default "max"
        What is taken of a group.

    Examples
    --------
    >>> FeaturePoolLayer(pool_size=4).output_shape((32, 12, 12)), FeaturePoolLayer(pool_size=2).output_shape((100,))
    ((8, 12, 12), (50,))
    """

    name_prefix: ClassVar[str] = "pool"
    pool_size: Count
    axis: Count = 1
    pool_function: PoolFunction = "max"

    def output_shape(self, shape: Shape) -> Shape:
        return _shape_of_groups("pool_size", self.pool_size, self.axis, shape)

    def build(self, shape: Shape) -> Forward:
        return _pooled(self.pool_function, self.pool_size, self.axis)


@register()
class MaxPoolChannelsLayer(Layer):
    """Largest of `k` neighbouring channels at each place: ``y[m, i, j] = max_{n < k} x[k * m + n, i, j]``.

    Behind a linear convolution it is maxout (Goodfellow et al., ICML 2013).

    Parameters
    ----------
    k : int >= 1
        Number of channels of a group, which divides the number of channels.

    Examples
    --------
    >>> MaxPoolChannelsLayer(k=4).output_shape((32, 12, 12))
    (8, 12, 12)
    """

    name_prefix: ClassVar[str] = "pool"
    k: Count

    def output_shape(self, shape: Shape) -> Shape:
        return _shape_of_groups("k", self.k, 1, shape)

    def build(self, shape: Shape) -> Forward:
        return _pooled("max", self.k, 1)
