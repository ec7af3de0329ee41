"""Windows that slide over series, images and volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from arignote.layers.base import Shape, ShapeError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Geometry",
    "Images",
    "Layout",
    "Series",
    "SeriesAxes",
    "SeriesError",
    "Volumes",
    "edge_notes",
    "image",
    "images_or_volumes",
    "windows",
]

SeriesAxes = Literal["NCL", "NLC"]


class SeriesError(ShapeError):
    """The shape of a series does not fit."""


class Geometry(NamedTuple):
    """Windows of a convolution or a pool, along each axis of a map: 1 of series, 2 of images, 3 of volumes.

    Attributes
    ----------
    window, stride, zeros, dilation : tuple of int
        Size of a window, steps between windows, zeros on each side of a map, steps between the values of a window.
    n_groups : int
        Number of groups of maps.
    """

    window: tuple[int, ...]
    stride: tuple[int, ...]
    zeros: tuple[int, ...]
    dilation: tuple[int, ...]
    n_groups: int

    def of_one_row(self) -> Geometry:
        """Return the geometry of series as that of images of one row."""
        return Geometry((1, *self.window), (1, *self.stride), (0, *self.zeros), (1, *self.dilation), self.n_groups)

    def padded_and_seen(self, n_pixels: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the size of a padded map, and of the part of it that a window spans."""
        padded = tuple(n + 2 * z for n, z in zip(n_pixels, self.zeros, strict=True))
        return padded, tuple(d * (n - 1) + 1 for d, n in zip(self.dilation, self.window, strict=True))


def image(shape: Shape) -> tuple[int, int, int]:
    """Return `shape` as (channels, height, width); raise ShapeError if it is no image."""
    if len(shape) != 3:
        kind = {2: "series (channels, steps), such as Conv1DLayer", 4: "volumes, such as MaxPool3DLayer"}.get(
            len(shape)
        )
        others = f", or use the layers of {kind}" if kind else ""
        raise ShapeError(
            f"needs images (channels, height, width); got {shape}. "
            f'Put ["InputImageLayer", {{"n_images": channels, "n_pixels": [height, width]}}] first{others}'
        )
    return shape[0], shape[1], shape[2]


class _ChannelsFirst:
    """Base class of layouts whose examples are their maps."""

    def example(self, maps: Shape) -> Shape:
        """Return the shape of an example, from that of its maps."""
        return maps

    def to_maps(self, x: Tensor) -> Tensor:
        """Return a tensor of examples as maps (rows, channels, ...)."""
        return x

    def to_examples(self, maps: Tensor) -> Tensor:
        """Return a tensor of maps as examples."""
        return maps


@dataclass(frozen=True)
class Images(_ChannelsFirst):
    """Examples that are images (channels, height, width)."""

    n_axes: ClassVar[int] = 2

    def maps(self, shape: Shape) -> Shape:
        """Return a shape as (channels, height, width); raise ShapeError if it is no image."""
        return image(shape)


@dataclass(frozen=True)
class Volumes(_ChannelsFirst):
    """Examples that are volumes (channels, depth, height, width)."""

    n_axes: ClassVar[int] = 3

    def maps(self, shape: Shape) -> Shape:
        """Return a shape as (channels, depth, height, width); raise ShapeError if it is no volume."""
        if len(shape) != 4:
            hint = ". Write X[:, None] if there is one channel" if len(shape) == 3 else ""
            raise ShapeError(f"needs volumes (channels, depth, height, width); got {shape}{hint}")
        return shape


def images_or_volumes(shape: Shape) -> Images | Volumes:
    """Return how the maps of an example lie that is no series: as a volume if it has four axes."""
    return Volumes() if len(shape) == 4 else Images()


@dataclass(frozen=True)
class Series:
    """Examples that are series (channels, steps), with axes NLC (steps, channels), or one channel (steps,)."""

    axes: SeriesAxes
    n_axes: ClassVar[int] = 1

    def maps(self, shape: Shape) -> Shape:
        """Return a shape as (channels, steps); raise SeriesError if it is no series."""
        if len(shape) not in (1, 2):
            order = "(channels, steps)" if self.axes == "NCL" else "(steps, channels)"
            raise SeriesError(f"needs series {order} or (steps,); got {shape}")
        return (1, *shape) if len(shape) == 1 else self.example(shape)

    def example(self, maps: Shape) -> Shape:
        """Return the shape of an example, from that of its maps."""
        return maps if self.axes == "NCL" else maps[::-1]

    def to_maps(self, x: Tensor) -> Tensor:
        """Return a tensor of examples as (rows, channels, steps)."""
        # (rows, steps) is one channel.
        return x[:, None] if x.dim() == 2 else self.to_examples(x)

    def to_examples(self, maps: Tensor) -> Tensor:
        """Return a tensor of maps as examples."""
        return maps if self.axes == "NCL" else maps.transpose(1, 2)


Layout = Images | Series | Volumes


def windows(what: str, n_pixels: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, ...]) -> tuple[int, ...]:
    """Return the number of windows in a map, by axis; raise ShapeError if the window is larger than the map.

    Parameters
    ----------
    what : str
        What slides, for errors.
    n_pixels : tuple of int
        Size of the map by axis, what is around it included; of a series its steps.
    window, stride : tuple of int
        By axis.
    """
    if any(w > n for w, n in zip(window, n_pixels, strict=True)):
        if len(window) == 1:
            raise SeriesError(f"{what} {window[0]} is larger than its series of {n_pixels[0]} steps")
        raise ShapeError(f"{what} {list(window)} is larger than its map {list(n_pixels)}")
    # floor((n - w) / s) + 1: a window that does not fit at the end is left out.
    return tuple((n - w) // s + 1 for n, w, s in zip(n_pixels, window, stride, strict=True))


def edge_notes(
    n_pixels: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, ...], *, ignore_border: bool = True
) -> list[str]:
    """Return remarks about pixels, or steps, that are in no window; those at the end may be in a smaller one.

    Parameters
    ----------
    n_pixels, window, stride : tuple of int
        See `windows`.
    ignore_border : bool, default True
        Whether a window that does not fit at the end is left out; else it is smaller.
    """
    notes = []
    names = {1: ("steps",), 2: ("rows", "columns"), 3: ("slices", "rows", "columns")}[len(window)]
    for axis, n, w, s in zip(names, n_pixels, window, stride, strict=True):
        if ignore_border and n >= w and (n - w) % s:
            notes.append(f"stride {s} leaves the last {(n - w) % s} of {n} {axis} out")
        if s > w:
            notes.append(f"stride {s} is larger than the window {w}: {axis} between windows are left out")
    return notes
