"""Pooling over windows of series (channels, steps), images (channels, height, width) and volumes (.., depth, ..)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Layer, Shape
from arignote.layers.convolution import NonNegativeCount
from arignote.layers.windows import Geometry, Images, Layout, Series, SeriesAxes, Volumes, edge_notes, windows
from arignote.registry import Count, Pair, Triple, as_pair, as_triple, register

__all__ = [
    "AveragePool1DLayer",
    "AveragePool2DLayer",
    "AveragePool3DLayer",
    "MaxPool1DLayer",
    "MaxPool2DLayer",
    "MaxPool3DLayer",
]

Zeros2D = Annotated[tuple[NonNegativeCount, NonNegativeCount], BeforeValidator(as_pair)]
Zeros3D = Annotated[tuple[NonNegativeCount, NonNegativeCount, NonNegativeCount], BeforeValidator(as_triple)]


class _Pool(Layer):
    """Base class of pooling layers."""

    name_prefix: ClassVar[str] = "pool"
    _window: ClassVar[str] = "pool_shape"

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """How the maps lie in an example."""

    @property
    @abstractmethod
    def geometry(self) -> Geometry:
        """Windows, along each axis of a map."""

    @abstractmethod
    def _pool(self) -> Callable[..., Any]:
        """Return the function (maps, window, stride, zeros) of the engine."""

    @model_validator(mode="after")
    def _each_window_has_values(self) -> Any:
        window, _, zeros, *_ = self.geometry
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
        geometry = self.geometry
        counts = windows(self._window, *geometry.padded_and_seen(tuple(n_pixels)), geometry.stride)
        return self.layout.example((n_maps, *counts))

    def notes(self, shape: Shape) -> list[str]:
        geometry = self.geometry
        return edge_notes(*geometry.padded_and_seen(self.layout.maps(shape)[1:]), geometry.stride)

    def build(self, shape: Shape) -> Callable[..., Any]:
        pool, layout, (window, stride, zeros, *_) = self._pool(), self.layout, self.geometry
        return lambda params, x, training: layout.to_examples(pool(layout.to_maps(x), window, stride, zeros))


def _geometry(window: tuple[int, ...], stride: tuple[int, ...] | None, zeros: tuple[int, ...]) -> Geometry:
    return Geometry(window, stride or window, zeros, (1,) * len(window), 1)


class _Pool1D(_Pool):
    """Base class of pooling layers over series.

    Parameters
    ----------
    pool_length : int >= 1
        Number of steps of a window.
    stride : int >= 1, optional
        Steps between windows; by default `pool_length`.
    pad : int >= 0, default 0
        Steps before and behind each series that windows may reach into, at most half of `pool_length`.
    axes : "NCL" or "NLC", default "NCL"
        Order of the axes, of inputs and outputs: examples are (channels, steps), or (steps, channels), as recurrent
        layers have them. An example (steps,) is one channel.
    """

    _window: ClassVar[str] = "pool_length"
    pool_length: Count
    stride: Count | None = None
    pad: NonNegativeCount = 0
    axes: SeriesAxes = "NCL"

    @property
    def layout(self) -> Series:
        """How the maps lie in an example."""
        return Series(self.axes)

    @property
    def geometry(self) -> Geometry:
        """Windows: steps."""
        return _geometry((self.pool_length,), None if self.stride is None else (self.stride,), (self.pad,))


class _Pool2D(_Pool):
    """Base class of pooling layers over images.

    Parameters
    ----------
    pool_shape : (int, int) or int
        Height and width of a window, pixels.
    stride : (int, int) or int, optional
        Steps between windows, pixels; by default `pool_shape`.
    pad : (int, int) or int, default 0
        Rows and columns around each map that windows may reach into, at most half of `pool_shape`.
    """

    pool_shape: Pair
    stride: Pair | None = None
    pad: Zeros2D = (0, 0)

    @property
    def layout(self) -> Images:
        """How the maps lie in an example."""
        return Images()

    @property
    def geometry(self) -> Geometry:
        """Windows: rows and columns."""
        return _geometry(self.pool_shape, self.stride, self.pad)


class _Pool3D(_Pool):
    """Base class of pooling layers over volumes.

    Parameters
    ----------
    pool_shape : (int, int, int) or int
        Depth, height and width of a window, pixels.
    stride : (int, int, int) or int, optional
        Steps between windows, pixels; by default `pool_shape`.
    pad : (int, int, int) or int, default 0
        Slices, rows and columns around each map that windows may reach into, at most half of `pool_shape`.
    """

    pool_shape: Triple
    stride: Triple | None = None
    pad: Zeros3D = (0, 0, 0)

    @property
    def layout(self) -> Volumes:
        """How the maps lie in an example."""
        return Volumes()

    @property
    def geometry(self) -> Geometry:
        """Windows: slices, rows and columns."""
        return _geometry(self.pool_shape, self.stride, self.pad)


class _Max(_Pool):
    """Base class of max pooling; what is around a map is never the largest."""

    def _pool(self) -> Callable[..., Any]:
        from torch.nn.functional import max_pool1d, max_pool2d

        of_maps: dict[int, Callable[..., Any]] = {1: max_pool1d, 2: max_pool2d, 3: _of_volumes(max_pool2d)}
        return of_maps[self.layout.n_axes]


class _Average(_Pool):
    """Base class of average pooling.

    Parameters
    ----------
    count_include_pad : bool, default True
        Whether what is around a map counts, as zeros: True divides by the size of a window, False by the number of its
        values within the map.
    """

    count_include_pad: bool = True

    def _pool(self) -> Callable[..., Any]:
        from torch.nn.functional import avg_pool1d, avg_pool2d

        counts = self.count_include_pad

        # False: no windows that reach further than the pad.
        def of_series(maps: Any, window: Any, stride: Any, zeros: Any) -> Any:
            return avg_pool1d(maps, window, stride, zeros, False, counts)

        def of_images(maps: Any, window: Any, stride: Any, zeros: Any) -> Any:
            return avg_pool2d(maps, window, stride, zeros, False, counts)

        return {1: of_series, 2: of_images, 3: _of_volumes(of_images)}[self.layout.n_axes]


def _of_volumes(pool_images: Callable[..., Any]) -> Callable[..., Any]:
    """Return a pooling function of volumes: within each slice, then over slices.

    The kernels for volumes have no deterministic gradient on a GPU, and those for images have one.
    """

    def pool(maps: Any, window: Any, stride: Any, zeros: Any) -> Any:
        n, n_maps, n_slices = maps.shape[:3]
        slices = pool_images(maps.flatten(1, 2), window[1:], stride[1:], zeros[1:])
        columns = slices.reshape(n, n_maps, n_slices, -1)
        pooled = pool_images(columns, (window[0], 1), (stride[0], 1), (zeros[0], 0))
        return pooled.reshape(n, n_maps, -1, *slices.shape[2:])

    return pool


@register()
class MaxPool1DLayer(_Max, _Pool1D):
    """Max pooling of series: ``y[c, t] = max_{a < w} x[c, t * s + a - p]``, windows of w steps, stride s, pad p.

    Examples
    --------
    >>> MaxPool1DLayer(pool_length=2).output_shape((32, 124))
    (32, 62)
    """


@register()
class MaxPool2DLayer(_Max, _Pool2D):
    """Max pooling: the largest value of each window of each map.

    ``y[c, i, j] = max_{a < h, b < w} x[c, i * s_1 + a - p_1, j * s_2 + b - p_2]``, windows h x w with strides s and
    pads p

    Examples
    --------
    >>> MaxPool2DLayer(pool_shape=2).output_shape((32, 24, 24))
    (32, 12, 12)
    """


@register()
class MaxPool3DLayer(_Max, _Pool3D):
    """Max pooling of volumes: the largest value of each window of each map.

    ``y[c, i] = max_{a < w} x[c, i * s + a - p]``, windows w, strides s and pads p of three numbers each

    Examples
    --------
    >>> MaxPool3DLayer(pool_shape=2).output_shape((8, 16, 24, 24))
    (8, 8, 12, 12)
    """


@register()
class AveragePool1DLayer(_Average, _Pool1D):
    """Average pooling of series: ``y[c, t] = 1 / w sum_{a < w} x[c, t * s + a - p]``, w steps, stride s, pad p.

    Examples
    --------
    >>> AveragePool1DLayer(pool_length=2, axes="NLC").output_shape((124, 32))
    (62, 32)
    """


@register()
class AveragePool2DLayer(_Average, _Pool2D):
    """Average pooling: the mean of each window of each map (LeCun et al., Proceedings of the IEEE 1998).

    ``y[c, i, j] = 1 / (h w) sum_{a < h, b < w} x[c, i * s_1 + a - p_1, j * s_2 + b - p_2]``, windows h x w with
    strides s and pads p

    Examples
    --------
    >>> AveragePool2DLayer(pool_shape=2).output_shape((32, 24, 24))
    (32, 12, 12)
    """


@register()
class AveragePool3DLayer(_Average, _Pool3D):
    """Average pooling of volumes: the mean of each window of each map.

    ``y[c, i] = mean_{a < w} x[c, i * s + a - p]``, windows w, strides s and pads p of three numbers each

    Examples
    --------
    >>> AveragePool3DLayer(pool_shape=[1, 2, 2]).output_shape((8, 16, 24, 24))
    (8, 16, 12, 12)
    """
