"""Base classes of pooling layers, over series, images and volumes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Self

from pydantic import model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Forward, Layer, Shape
from arignote.layers.pads import PadName, PoolPad1D, PoolPad2D, PoolPad3D, zeros_of
from arignote.layers.windows import Geometry, Images, Layout, Series, SeriesAxes, Volumes, edge_notes, windows
from arignote.registry import ADDED, Count, Pair, Triple

__all__ = ["Pool", "Pool1D", "Pool2D", "Pool3D"]


class Pool(Layer):
    """Base class of pooling layers.

    Parameters
    ----------
    ignore_border : bool, default True
        Whether what is left at the end of a map, and fills no window, is left out. False: a last window that begins
        within the map has the values that are left.
    """

    name_prefix: ClassVar[str] = "pool"
    _window: ClassVar[str] = "pool_shape"
    ignore_border: Annotated[bool, ADDED] = True

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """Order of the axes of an example."""

    @property
    @abstractmethod
    def geometry(self) -> Geometry:
        """Windows, along each axis of a map."""

    @abstractmethod
    def _kernels(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return the functions (maps, window, stride, zeros) of the engine for series and for images."""

    @model_validator(mode="after")
    def _each_window_has_values(self) -> Self:
        window, _, zeros, *_ = self.geometry
        # PyTorch raises for more, where a window could lie in the zeros alone.
        if any(2 * z > w for z, w in zip(zeros, window, strict=True)):
            most, pad = [w // 2 for w in window], list(zeros)
            is_series = len(window) == 1
            message = (
                f"pad must be at most half of {self._window}, {most[0] if is_series else most}; "
                f"got {pad[0] if is_series else pad}"
            )
            raise ConfigError(Complaint(("pad",), message))
        return self

    def output_shape(self, shape: Shape) -> Shape:
        n_maps, *n_pixels = self.layout.maps(shape)
        (window, stride, zeros, *_), (padded, seen) = self.geometry, self.geometry.padded_and_seen(tuple(n_pixels))
        counts = windows(self._window, padded, seen, stride)
        if not self.ignore_border:
            # One more if anything is left, unless it begins in the zeros behind the map.
            axes = zip(counts, padded, window, stride, zeros, strict=True)
            counts = tuple(count + ((n - w) % s > 0 and count * s < n - z) for count, n, w, s, z in axes)
        return self.layout.example((n_maps, *counts))

    def notes(self, shape: Shape) -> list[str]:
        geometry = self.geometry
        padded, seen = geometry.padded_and_seen(self.layout.maps(shape)[1:])
        return edge_notes(padded, seen, geometry.stride, ignore_border=self.ignore_border)

    def build(self, shape: Shape) -> Forward:
        layout, (window, stride, zeros, *_) = self.layout, self.geometry
        of_series, of_images = self._kernels()
        pool = {1: of_series, 2: of_images, 3: _of_volumes(of_images)}[layout.n_axes]
        return lambda params, x, training: layout.to_examples(pool(layout.to_maps(x), window, stride, zeros))


def _geometry(
    window: tuple[int, ...], stride: tuple[int, ...] | None, pad: int | tuple[int, ...] | PadName
) -> Geometry:
    # Windows of pools are not dilated, and maps are in no groups.
    one = (1,) * len(window)
    return Geometry(window, stride or window, zeros_of(pad, window, one, what="a window"), one, 1)


class Pool1D(Pool):
    """Base class of pooling layers over series.

    Parameters
    ----------
    pool_length : int >= 1
        Number of steps of a window.
    stride : int >= 1, optional
        Steps between windows; by default `pool_length`.
    pad : int >= 0, "same" or "valid", default 0
        Steps before and behind each series that windows may reach into, at most half of `pool_length`: as many as leave
        its length as it is with stride 1 ("same", for odd windows), or none ("valid").
    axes : "NCL" or "NLC", default "NCL"
        Order of the axes, of inputs and outputs: examples are (channels, steps), or (steps, channels), as recurrent
        layers have them. An example (steps,) is one channel.
    """

    _window: ClassVar[str] = "pool_length"
    pool_length: Count
    stride: Count | None = None
    pad: Annotated[PoolPad1D, ADDED] = 0
    axes: SeriesAxes = "NCL"

    @property
    def layout(self) -> Series:
        """Order of the axes of an example."""
        return Series(self.axes)

    @property
    def geometry(self) -> Geometry:
        """Windows: steps."""
        return _geometry((self.pool_length,), None if self.stride is None else (self.stride,), self.pad)


class Pool2D(Pool):
    """Base class of pooling layers over images.

    Parameters
    ----------
    pool_shape : (int, int) or int
        Height and width of a window, pixels.
    stride : (int, int) or int, optional
        Steps between windows, pixels; by default `pool_shape`.
    pad : (int, int), int, "same" or "valid", default 0
        Rows and columns around each map that windows may reach into, at most half of `pool_shape`: as many as leave its
        size as it is with stride 1 ("same", for odd windows), or none ("valid").
    """

    pool_shape: Pair
    stride: Pair | None = None
    pad: Annotated[PoolPad2D, ADDED] = (0, 0)

    @property
    def layout(self) -> Images:
        """Order of the axes of an example."""
        return Images()

    @property
    def geometry(self) -> Geometry:
        """Windows: rows and columns."""
        return _geometry(self.pool_shape, self.stride, self.pad)


class Pool3D(Pool):
    """Base class of pooling layers over volumes.

    Parameters
    ----------
    pool_shape : (int, int, int) or int
        Depth, height and width of a window, pixels.
    stride : (int, int, int) or int, optional
        Steps between windows, pixels; by default `pool_shape`.
    pad : (int, int, int), int, "same" or "valid", default 0
        Slices, rows and columns around each map that windows may reach into, at most half of `pool_shape`: as many as
        leave its size as it is with stride 1 ("same", for odd windows), or none ("valid").
    """

    pool_shape: Triple
    stride: Triple | None = None
    pad: PoolPad3D = (0, 0, 0)

    @property
    def layout(self) -> Volumes:
        """Order of the axes of an example."""
        return Volumes()

    @property
    def geometry(self) -> Geometry:
        """Windows: slices, rows and columns."""
        return _geometry(self.pool_shape, self.stride, self.pad)


def _of_volumes(pool_images: Callable[..., Any]) -> Callable[..., Any]:
    """Return a pooling function of volumes: within each slice, then over slices.

    The kernels for volumes have no deterministic gradient on a GPU, and those for images have one.
    """

    def pool(maps: Any, window: Any, stride: Any, zeros: Any) -> Any:
        n, n_maps, n_slices = maps.shape[:3]
        slices = pool_images(maps.flatten(1, 2), window[1:], stride[1:], zeros[1:])
        # An image of each map: a row for each slice, a column for each pixel.
        columns = slices.reshape(n, n_maps, n_slices, -1)
        pooled = pool_images(columns, (window[0], 1), (stride[0], 1), (zeros[0], 0))
        return pooled.reshape(n, n_maps, -1, *slices.shape[2:])

    return pool
