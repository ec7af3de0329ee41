"""Max pooling over windows of series, images and volumes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from arignote.layers.pool import Pool, Pool1D, Pool2D, Pool3D
from arignote.registry import register

__all__ = ["MaxPool1DLayer", "MaxPool2DLayer", "MaxPool3DLayer"]


class _Max(Pool):
    """Base class of max pooling; what is around a map is never the largest."""

    def _kernels(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        from torch.nn.functional import max_pool1d, max_pool2d

        ceil_mode = not self.ignore_border
        return partial(max_pool1d, ceil_mode=ceil_mode), partial(max_pool2d, ceil_mode=ceil_mode)


@register()
class MaxPool1DLayer(_Max, Pool1D):
    """Max pooling of series: ``y[c, t] = max_{a < w} x[c, t * s + a - p]``, windows of w steps, stride s, pad p.

    Examples
    --------
    >>> MaxPool1DLayer(pool_length=2).output_shape((32, 124))
    (32, 62)
    """


@register()
class MaxPool2DLayer(_Max, Pool2D):
    """Max pooling: the largest value of each window of each map.

    ``y[c, i, j] = max_{a < h, b < w} x[c, i * s_1 + a - p_1, j * s_2 + b - p_2]``, windows h x w with strides s and
    pads p

    Examples
    --------
    >>> MaxPool2DLayer(pool_shape=2).output_shape((32, 24, 24))
    (32, 12, 12)
    """


@register()
class MaxPool3DLayer(_Max, Pool3D):
    """Max pooling of volumes: the largest value of each window of each map.

    ``y[c, i] = max_{a < w} x[c, i * s + a - p]``, windows w, strides s and pads p of three numbers each

    Examples
    --------
    >>> MaxPool3DLayer(pool_shape=2).output_shape((8, 16, 24, 24))
    (8, 8, 12, 12)
    """
