"""Layers that order the values of an example in other axes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from arignote.layers.base import Forward, Layer, Shape, ShapeError
from arignote.registry import Count, as_sizes, register

__all__ = ["BC01ToC01BLayer", "C01BToBC01Layer", "FlattenLayer", "PermuteLayer", "ReshapeLayer"]


@register()
class FlattenLayer(Layer):
    """The last axes of an example as one: ``y = reshape(x, (d_1, ..., d_k-1, d_k * d_k+1 * ...))``, k = `n_axes`.

    Parameters
    ----------
    n_axes : int >= 1, default 1
        Number of axes of an example that remain.

    Notes
    -----
    Dense and output layers flatten what comes in by themselves.

    Examples
    --------
    >>> FlattenLayer().output_shape((32, 8, 8)), FlattenLayer(n_axes=2).output_shape((32, 8, 8))
    ((2048,), (32, 64))
    """

    name_prefix: ClassVar[str] = "flatten"
    n_axes: Count = 1

    def output_shape(self, shape: Shape) -> Shape:
        if self.n_axes > len(shape):
            raise ShapeError(f"n_axes must be at most {len(shape)}, the axes of an example; got {self.n_axes}")
        return (*shape[: self.n_axes - 1], prod(shape[self.n_axes - 1 :]))

    def build(self, shape: Shape) -> Forward:
        return _reshaped(self.output_shape(shape))


def _one_open_size(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if any(n < 1 and n != -1 for n in sizes) or sizes.count(-1) > 1:
        raise ValueError(f"must be integers >= 1, of which one may be -1; got {list(sizes)}")
    return sizes


_Size = Annotated[int, Field(ge=-1)]
Sizes = Annotated[
    tuple[int, ...],
    BeforeValidator(as_sizes, json_schema_input_type=_Size | Annotated[list[_Size], Field(min_length=1)]),
    Field(min_length=1),
    AfterValidator(_one_open_size),
]


@register()
class ReshapeLayer(Layer):
    """The values of an example in other axes: ``y = reshape(x, shape)``, the last axis changing fastest.

    Parameters
    ----------
    shape : int or list of int
        Shape of an example, without the axis of rows. One size may be -1: whatever the others leave.

    Examples
    --------
    >>> ReshapeLayer(shape=[3, -1]).output_shape((12,))
    (3, 4)
    """

    name_prefix: ClassVar[str] = "reshape"
    shape: Sizes

    def output_shape(self, shape: Shape) -> Shape:
        n_values = prod(shape)
        n_known = prod(n for n in self.shape if n != -1)
        if n_values % n_known or (-1 not in self.shape and n_values != n_known):
            raise ShapeError(f"shape must have the {n_values} values of {shape}; got {list(self.shape)}")
        return tuple(n_values // n_known if n == -1 else n for n in self.shape)

    def build(self, shape: Shape) -> Forward:
        return _reshaped(self.output_shape(shape))


def _reshaped(size: Shape) -> Callable[..., Any]:
    """Return the forward function that gives examples another shape."""
    return lambda params, x, training: x.reshape(x.shape[0], *size)


def _permutation(order: tuple[int, ...]) -> tuple[int, ...]:
    if sorted(order) != list(range(1, len(order) + 1)):
        axes = ", ".join(map(str, range(1, len(order) + 1)))
        raise ValueError(f"must have each of {axes} once; got {list(order)}. The axis 0 of the rows stays where it is")
    return order


Order = Annotated[tuple[int, ...], BeforeValidator(as_sizes), Field(min_length=2), AfterValidator(_permutation)]


@register()
class PermuteLayer(Layer):
    """The axes of an example in another order: ``y[i, j] = x[j, i]`` for the order [2, 1].

    Parameters
    ----------
    order : list of int
        For each axis of the output the axis of the input that it is; 1 is the first axis of an example.

    Examples
    --------
    >>> PermuteLayer(order=[3, 1, 2]).output_shape((28, 20, 3))
    (3, 28, 20)
    """

    name_prefix: ClassVar[str] = "permute"
    order: Order

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != len(self.order):
            raise ShapeError(f"order must have one entry for each of the axes of {shape}; got {list(self.order)}")
        return tuple(shape[axis - 1] for axis in self.order)

    def build(self, shape: Shape) -> Forward:
        axes = (0, *self.order)
        # Kernels of other layers may need its values one behind the other.
        return lambda params, x, training: x.permute(axes).contiguous()


class _NoOp(Layer):
    """Base class of layers that do nothing."""

    name_prefix: ClassVar[str] = "axes"

    def notes(self, shape: Shape) -> list[str]:
        return ["does nothing: axes are (batch, channels, height, width) throughout"]

    def build(self, shape: Shape) -> Forward:
        return lambda params, x, training: x


@register()
class BC01ToC01BLayer(_NoOp):
    """Change of axes in specs of 2015, accepted for compatibility: ``y = x``.

    Examples
    --------
    >>> BC01ToC01BLayer().output_shape((1, 8, 8))
    (1, 8, 8)
    """


@register()
class C01BToBC01Layer(_NoOp):
    """Change of axes in specs of 2015, accepted for compatibility: ``y = x``.

    Examples
    --------
    >>> C01BToBC01Layer().output_shape((1, 8, 8))
    (1, 8, 8)
    """
