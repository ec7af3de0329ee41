"""Layers that change the extent of an example: pad, crop, slice."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Forward, Layer, Shape, ShapeError
from arignote.layers.windows import SeriesAxes, SeriesError
from arignote.registry import ADDED, Count, Finite, register

__all__ = ["CropLayer", "PadLayer", "SliceLayer"]

_Width = Annotated[int, Field(ge=0)]
_Edge = _Width | Annotated[list[_Width], Field(min_length=2, max_length=2)]
_Widths = _Width | Annotated[list[_Edge], Field(min_length=1)]


class _Edges(Layer):
    """Base class of layers that change the edges of maps.

    Parameters
    ----------
    width : int >= 0, or list of int or [int, int]
        Number of rows and columns, or of steps, at each edge: one number for all edges, or a list with an entry for
        each axis behind the channels: a number for both of its ends, or [before, behind].
    axes : "NCL" or "NLC", optional
        For series: examples are (channels, steps), or (steps, channels). By default channels are the first axis of an
        example; an example of one axis is one channel.
    """

    width: _Widths
    axes: Annotated[SeriesAxes | None, ADDED] = None

    @abstractmethod
    def _resized(self, n: int, before: int, behind: int) -> int:
        """Return the size of an axis of n values."""

    def _edges(self, shape: Shape) -> list[tuple[int, int]]:
        """Return the widths (before, behind) of each axis of an example."""
        if self.axes is not None and len(shape) != 2:
            raise SeriesError(f"axes {self.axes!r} needs series of two axes; got {shape}")
        of_channels = None if len(shape) == 1 else len(shape) - 1 if self.axes == "NLC" else 0
        places = [axis for axis in range(len(shape)) if axis != of_channels]
        widths = [self.width] * len(places) if isinstance(self.width, int) else self.width
        if len(widths) != len(places):
            error = ShapeError if self.axes is None else SeriesError
            raise error(f"width must have an entry for each of {len(places)} axes of a map of {shape}; got {widths}")
        edges = [(0, 0)] * len(shape)
        for axis, width in zip(places, widths, strict=True):
            edges[axis] = (width, width) if isinstance(width, int) else (width[0], width[1])
        return edges

    def output_shape(self, shape: Shape) -> Shape:
        return tuple(self._resized(n, *edge) for n, edge in zip(shape, self._edges(shape), strict=True))


@register()
class PadLayer(_Edges):
    """Values around each map: ``y[c, i, j] = x[c, i - a, j - b]``, and `value` where x has no such pixel.

    a and b are the widths before the first row and column.

    Parameters
    ----------
    value : float, default 0.0
        The values that are added.

    Examples
    --------
    >>> PadLayer(width=[1, [0, 2]]).output_shape((3, 8, 8))
    (3, 10, 10)
    """

    name_prefix: ClassVar[str] = "pad"
    value: Finite = 0.0

    def _resized(self, n: int, before: int, behind: int) -> int:
        return n + before + behind

    def build(self, shape: Shape) -> Forward:
        from torch.nn.functional import pad

        # The engine counts axes from the last one.
        widths, value = [n for edge in reversed(self._edges(shape)) for n in edge], self.value
        return lambda params, x, training: pad(x, widths, value=value)


@register()
class CropLayer(_Edges):
    """Each map without its edges: ``y[c, i, j] = x[c, i + a, j + b]``.

    a and b are the widths before the first row and column that are kept.

    Examples
    --------
    >>> CropLayer(width=[1, [0, 2]]).output_shape((3, 8, 8))
    (3, 6, 6)
    """

    name_prefix: ClassVar[str] = "crop"

    def _resized(self, n: int, before: int, behind: int) -> int:
        if before + behind >= n:
            raise ShapeError(f"width {self.width} leaves nothing of {n} rows, columns or steps")
        return n - before - behind

    def build(self, shape: Shape) -> Forward:
        cuts = tuple(slice(before, n - behind) for n, (before, behind) in zip(shape, self._edges(shape), strict=True))
        return lambda params, x, training: x[(slice(None), *cuts)]


@register()
class SliceLayer(Layer):
    """A part of an axis: ``y = x[:, start:stop:step]`` for axis 1, or ``y = x[:, index]``, without that axis.

    Parameters
    ----------
    axis : int >= 1, default 1
        The axis of a batch (rows, ...); 1 is that of units or channels.
    start, stop : int, optional
        The first value, and the one behind the last; negative ones count from the end. By default all.
    step : int >= 1, default 1
        Distance of the values.
    index : int, optional
        The only value, instead of `start` and `stop`; a negative one counts from the end.

    Examples
    --------
    >>> SliceLayer(stop=2).output_shape((3, 8, 8)), SliceLayer(index=-1, axis=2).output_shape((3, 8, 8))
    ((2, 8, 8), (3, 8))
    """

    name_prefix: ClassVar[str] = "slice"
    axis: Count = 1
    start: int | None = None
    stop: int | None = None
    step: Count = 1
    index: int | None = None

    @model_validator(mode="after")
    def _is_one_value_or_several(self) -> Self:
        defaults = {"start": None, "stop": None, "step": 1}
        others = [name for name, default in defaults.items() if getattr(self, name) != default]
        if self.index is not None and others:
            raise ConfigError(Complaint((others[0],), f"{others[0]} and index cannot both be set"))
        return self

    def output_shape(self, shape: Shape) -> Shape:
        if self.axis > len(shape):
            raise ShapeError(f"axis must be at most the number of axes of an example, {len(shape)}; got {self.axis}")
        n, before, behind = shape[self.axis - 1], shape[: self.axis - 1], shape[self.axis :]
        if self.index is None:
            # A range is cut as a tensor is.
            kept = len(range(n)[self.start : self.stop : self.step])
            if not kept:
                raise ShapeError(f"start {self.start} and stop {self.stop} leave nothing of {n} values")
            return (*before, kept, *behind)
        if not -n <= self.index < n:
            raise ShapeError(f"index must be one of {n} values, {-n} .. {n - 1}; got {self.index}")
        if len(shape) == 1:
            raise ShapeError(f"index leaves no axis of an example {shape}: use start and stop")
        return (*before, *behind)

    def build(self, shape: Shape) -> Forward:
        part = slice(self.start, self.stop, self.step) if self.index is None else self.index
        cut = (*(slice(None),) * self.axis, part)
        return lambda params, x, training: x[cut]
