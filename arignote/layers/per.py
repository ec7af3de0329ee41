"""Axes along which masks, biases and scales differ: per unit, per channel or per location."""

from __future__ import annotations

from typing import Literal

from arignote.layers.base import Shape, ShapeError
from arignote.layers.windows import SeriesAxes, SeriesError

__all__ = ["Per", "own_axes", "shape_per"]

Per = Literal["unit", "channel", "location"]


def own_axes(per: Per, shape: Shape, axes: SeriesAxes | None = None) -> tuple[int, ...]:
    """Return the axes of an example along which values differ.

    Parameters
    ----------
    per : "unit", "channel" or "location"
    shape : tuple of int
        Shape of an example.
    axes : "NCL" or "NLC", optional
        Of series, whose channels are the last axis with NLC; by default they are the first axis of an example.

    Raises
    ------
    ShapeError
        If `shape` is no series though `axes` is set, or has no locations.
    """
    every = tuple(range(len(shape)))
    if per == "unit":
        return every
    if axes is not None and len(shape) != 2:
        raise SeriesError(f"axes {axes!r} needs series of two axes; got {shape}")
    if per == "location" and len(shape) < 2:
        raise ShapeError(f"per 'location' needs images (channels, height, width) or series; got {shape}")
    of_channels = len(shape) - 1 if axes == "NLC" else 0
    return tuple(axis for axis in every if (axis == of_channels) == (per == "channel"))


def shape_per(per: Per, shape: Shape, axes: SeriesAxes | None = None) -> Shape:
    """Return the shape of what is broadcast to an example: 1 along the axes where values have one in common.

    Parameters
    ----------
    per : {"unit", "channel", "location"}
        What has a value of its own.
    shape : tuple of int
        Shape of an example.
    axes : {"NCL", "NLC"}, optional
        Order of the axes of a series.
    """
    own = own_axes(per, shape, axes)
    return tuple(n if axis in own else 1 for axis, n in enumerate(shape))
