"""Pooling layers over images (channels, height, width)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from arignote.layers.base import Layer, Shape
from arignote.layers.conv import edge_notes, image, windows
from arignote.registry import Pair, register

__all__ = ["GlobalAveragePoolLayer", "MaxPool2DLayer"]


@register()
class MaxPool2DLayer(Layer):
    """Max pooling: the largest value of each window of each map.

    ``y[c, i, j] = max_{a < h, b < w} x[c, i * s_1 + a, j * s_2 + b]``, windows h x w with strides s_1, s_2

    Parameters
    ----------
    pool_shape : (int, int) or int
        Height and width of a window, pixels.
    stride : (int, int) or int, optional
        Steps between windows, pixels; by default `pool_shape`.

    Examples
    --------
    >>> MaxPool2DLayer(pool_shape=2).output_shape((32, 24, 24))
    (32, 12, 12)
    """

    name_prefix: ClassVar[str] = "pool"
    pool_shape: Pair
    stride: Pair | None = None

    def output_shape(self, shape: Shape) -> Shape:
        n_maps, *n_pixels = image(shape)
        stride = self.stride or self.pool_shape
        return (n_maps, *windows("pool_shape", (n_pixels[0], n_pixels[1]), self.pool_shape, stride))

    def notes(self, shape: Shape) -> list[str]:
        return edge_notes((shape[1], shape[2]), self.pool_shape, self.stride or self.pool_shape)

    def build(self, shape: Shape) -> Callable[..., Any]:
        from torch.nn.functional import max_pool2d

        pool_shape, stride = self.pool_shape, self.stride or self.pool_shape
        return lambda params, x, training: max_pool2d(x, pool_shape, stride)


@register()
class GlobalAveragePoolLayer(Layer):
    """Mean of each map: ``y[c] = mean_ij x[c, i, j]`` (Lin et al., "Network in network", ICLR 2014).

    Examples
    --------
    >>> GlobalAveragePoolLayer().output_shape((32, 12, 12))
    (32,)
    """

    name_prefix: ClassVar[str] = "pool"

    def output_shape(self, shape: Shape) -> Shape:
        return (image(shape)[0],)

    def build(self, shape: Shape) -> Callable[..., Any]:
        return lambda params, x, training: x.mean((2, 3))
