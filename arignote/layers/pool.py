"""Pooling layers over images (channels, height, width) and series (channels, steps)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from arignote.layers.base import Layer, Shape
from arignote.layers.steps import counts_of, with_steps
from arignote.layers.windows import Images, Series, SeriesAxes, edge_notes, windows
from arignote.registry import Count, Pair, register

__all__ = [
    "AveragePool1DLayer",
    "AveragePool2DLayer",
    "GlobalAveragePoolLayer",
    "MaxPool1DLayer",
    "MaxPool2DLayer",
]


class _Pool(Layer):
    """Base class of pooling layers."""

    name_prefix: ClassVar[str] = "pool"
    _window: ClassVar[str] = "pool_shape"

    @property
    @abstractmethod
    def layout(self) -> Images | Series:
        """How the maps lie in an example."""

    @property
    @abstractmethod
    def windows(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Size of a window and steps between windows, along each axis of a map."""

    @abstractmethod
    def _pool(self) -> Callable[..., Any]:
        """Return the function (maps, window, stride) of the engine."""

    def output_shape(self, shape: Shape) -> Shape:
        n_maps, *n_pixels = self.layout.maps(shape)
        return self.layout.example((n_maps, *windows(self._window, tuple(n_pixels), *self.windows)))

    def notes(self, shape: Shape) -> list[str]:
        return edge_notes(self.layout.maps(shape)[1:], *self.windows)

    def build(self, shape: Shape) -> Callable[..., Any]:
        pool, layout, (window, stride) = self._pool(), self.layout, self.windows
        return lambda params, x, training: layout.to_examples(pool(layout.to_maps(x), window, stride))


class _Pool2D(_Pool):
    """Base class of pooling layers over images.

    Parameters
    ----------
    pool_shape : (int, int) or int
        Height and width of a window, pixels.
    stride : (int, int) or int, optional
        Steps between windows, pixels; by default `pool_shape`.
    """

    pool_shape: Pair
    stride: Pair | None = None

    @property
    def layout(self) -> Images:
        """How the maps lie in an example."""
        return Images()

    @property
    def windows(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Size of a window and steps between windows: rows and columns."""
        return self.pool_shape, self.stride or self.pool_shape


class _Pool1D(_Pool):
    """Base class of pooling layers over series.

    Parameters
    ----------
    pool_length : int >= 1
        Number of steps of a window.
    stride : int >= 1, optional
        Steps between windows; by default `pool_length`.
    axes : "NCL" or "NLC", default "NCL"
        Order of the axes, of inputs and outputs: examples are (channels, steps), or (steps, channels), as recurrent
        layers have them. An example (steps,) is one channel.
    """

    _window: ClassVar[str] = "pool_length"
    pool_length: Count
    stride: Count | None = None
    axes: SeriesAxes = "NCL"

    @property
    def layout(self) -> Series:
        """How the maps lie in an example."""
        return Series(self.axes)

    @property
    def windows(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Size of a window and steps between windows: steps."""
        return (self.pool_length,), (self.stride or self.pool_length,)


@register()
class MaxPool2DLayer(_Pool2D):
    """Max pooling: the largest value of each window of each map.

    ``y[c, i, j] = max_{a < h, b < w} x[c, i * s_1 + a, j * s_2 + b]``, windows h x w with strides s_1, s_2

    Examples
    --------
    >>> MaxPool2DLayer(pool_shape=2).output_shape((32, 24, 24))
    (32, 12, 12)
    """

    def _pool(self) -> Callable[..., Any]:
        from torch.nn.functional import max_pool2d

        return max_pool2d


@register()
class MaxPool1DLayer(_Pool1D):
    """Max pooling of series: ``y[c, t] = max_{a < w} x[c, t * s + a]``, windows of w steps with stride s.

    Examples
    --------
    >>> MaxPool1DLayer(pool_length=2).output_shape((32, 124))
    (32, 62)
    """

    def _pool(self) -> Callable[..., Any]:
        from torch.nn.functional import max_pool1d

        return max_pool1d


@register()
class AveragePool2DLayer(_Pool2D):
    """Average pooling: the mean of each window of each map (LeCun et al., Proceedings of the IEEE 1998).

    ``y[c, i, j] = 1 / (h w) sum_{a < h, b < w} x[c, i * s_1 + a, j * s_2 + b]``, windows h x w with strides s_1, s_2

    Examples
    --------
    >>> AveragePool2DLayer(pool_shape=2).output_shape((32, 24, 24))
    (32, 12, 12)
    """

    def _pool(self) -> Callable[..., Any]:
        from torch.nn.functional import avg_pool2d

        return avg_pool2d


@register()
class AveragePool1DLayer(_Pool1D):
    """Average pooling of series: ``y[c, t] = 1 / w sum_{a < w} x[c, t * s + a]``, windows of w steps with stride s.

    Examples
    --------
    >>> AveragePool1DLayer(pool_length=2, axes="NLC").output_shape((124, 32))
    (62, 32)
    """

    def _pool(self) -> Callable[..., Any]:
        from torch.nn.functional import avg_pool1d

        return avg_pool1d


@register()
class GlobalAveragePoolLayer(Layer):
    """Mean of each map: ``y[c] = mean_ij x[c, i, j]`` (Lin et al., "Network in network", ICLR 2014).

    Parameters
    ----------
    axes : "NCL" or "NLC", optional
        For series, whose mean is over the steps: examples are (channels, steps), or (steps, channels). By default they
        are images. With "NLC" the mean is over the steps that count, if sequences have lengths or a mask (see
        `InputLayer`).

    Examples
    --------
    >>> GlobalAveragePoolLayer().output_shape((32, 12, 12)), GlobalAveragePoolLayer(axes="NLC").output_shape((128, 32))
    ((32,), (32,))
    """

    name_prefix: ClassVar[str] = "pool"
    takes_steps: ClassVar[bool] = True
    axes: SeriesAxes | None = None

    @property
    def layout(self) -> Images | Series:
        """How the maps lie in an example."""
        return Images() if self.axes is None else Series(self.axes)

    def output_shape(self, shape: Shape) -> Shape:
        return self.layout.maps(shape)[:1]

    def build(self, shape: Shape) -> Callable[..., Any]:
        layout, axes = self.layout, self.axes
        means = tuple(range(2, 2 + layout.n_axes))

        def forward(params: Mapping[str, Any], x: Any, training: bool) -> Any:
            x, steps = with_steps(x)
            maps = layout.to_maps(x)
            # With other axes the steps of the sequences are no steps of the series.
            return maps.mean(means) if steps is None or axes != "NLC" else _mean_of_steps(maps, steps)

        return forward


def _mean_of_steps(maps: Any, steps: Any) -> Any:
    """Return the mean (rows, channels) over the steps that count, of lengths (rows,) or a mask (rows, steps)."""
    counts = counts_of(steps, maps.shape[2])
    return maps.where(counts[:, None], 0.0).sum(2) / counts.sum(1, keepdim=True)
