"""Average pooling over windows of series, images and volumes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from arignote.layers.pool import Pool, Pool1D, Pool2D, Pool3D
from arignote.registry import ADDED, register

__all__ = ["AveragePool1DLayer", "AveragePool2DLayer", "AveragePool3DLayer"]


class _Average(Pool):
    """Base class of average pooling.

    Parameters
    ----------
    count_include_pad : bool, default True
        Whether what is around a map counts, as zeros: True divides by the size of a window, False by the number of its
        values within the map. What a last, smaller window lacks (`ignore_border`) counts in neither.
    """

    count_include_pad: Annotated[bool, ADDED] = True

    def _kernels(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        from torch.nn.functional import avg_pool1d, avg_pool2d

        how: dict[str, Any] = {"ceil_mode": not self.ignore_border, "count_include_pad": self.count_include_pad}
        return partial(avg_pool1d, **how), partial(avg_pool2d, **how)


@register()
class AveragePool1DLayer(_Average, Pool1D):
    """Average pooling of series: ``y[c, t] = 1 / w sum_{a < w} x[c, t * s + a - p]``, w steps, stride s, pad p.

    Examples
    --------
    >>> AveragePool1DLayer(pool_length=2, axes="NLC").output_shape((124, 32))
    (62, 32)
    """


@register()
class AveragePool2DLayer(_Average, Pool2D):
    """Average pooling: the mean of each window of each map (LeCun et al., Proceedings of the IEEE 1998).

    ``y[c, i, j] = 1 / (h w) sum_{a < h, b < w} x[c, i * s_1 + a - p_1, j * s_2 + b - p_2]``, windows h x w with
    strides s and pads p

    Examples
    --------
    >>> AveragePool2DLayer(pool_shape=2).output_shape((32, 24, 24))
    (32, 12, 12)
    """


@register()
class AveragePool3DLayer(_Average, Pool3D):
    """Average pooling of volumes: the mean of each window of each map.

    ``y[c, i] = mean_{a < w} x[c, i * s + a - p]``, windows w, strides s and pads p of three numbers each

    Examples
    --------
    >>> AveragePool3DLayer(pool_shape=[1, 2, 2]).output_shape((8, 16, 24, 24))
    (8, 16, 12, 12)
    """
