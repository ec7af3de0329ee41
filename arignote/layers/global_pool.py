"""Global pooling: one number for each map."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from arignote.layers.base import Forward, Layer, Shape
from arignote.layers.steps import counts_of, with_steps
from arignote.layers.windows import Layout, Series, SeriesAxes, images_or_volumes
from arignote.registry import ADDED, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GlobalAveragePoolLayer", "GlobalMaxPoolLayer"]


class _GlobalPool(Layer):
    """Base class of global pooling layers.

    Parameters
    ----------
    axes : "NCL" or "NLC", optional
        For series, which are pooled over their steps: examples are (channels, steps), or (steps, channels). By default
        they are images or volumes. With "NLC" only the steps that count are pooled, if sequences have lengths or a mask
        (see `InputLayer`).
    """

    name_prefix: ClassVar[str] = "pool"
    takes_steps: ClassVar[bool] = True
    axes: Annotated[SeriesAxes | None, ADDED] = None

    def layout(self, shape: Shape) -> Layout:
        """Return how the maps lie in an example of this shape."""
        return images_or_volumes(shape) if self.axes is None else Series(self.axes)

    def output_shape(self, shape: Shape) -> Shape:
        return self.layout(shape).maps(shape)[:1]

    @abstractmethod
    def _of_maps(self, maps: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Return one number (rows, channels) for each map, over `axes`."""

    @abstractmethod
    def _of_steps(self, maps: Tensor, counts: Tensor) -> Tensor:
        """Return one number (rows, channels) for each map over the steps that count (rows, 1, steps)."""

    def build(self, shape: Shape) -> Forward:
        layout, axes = self.layout(shape), self.axes
        pooled = tuple(range(2, 2 + layout.n_axes))

        def forward(params: Mapping[str, Tensor], x: Any, training: bool) -> Tensor:
            x, steps = with_steps(x)
            maps = layout.to_maps(x)
            # With other axes the steps of the sequences are no steps of the series.
            if steps is None or axes != "NLC":
                return self._of_maps(maps, pooled)
            return self._of_steps(maps, counts_of(steps, maps.shape[2])[:, None])

        return forward


@register()
class GlobalAveragePoolLayer(_GlobalPool):
    """Mean of each map: ``y[c] = mean_ij x[c, i, j]`` (Lin et al., "Network in network", ICLR 2014).

    Examples
    --------
    >>> GlobalAveragePoolLayer().output_shape((32, 12, 12)), GlobalAveragePoolLayer(axes="NLC").output_shape((128, 32))
    ((32,), (32,))
    """

    def _of_maps(self, maps: Tensor, axes: tuple[int, ...]) -> Tensor:
        return maps.mean(axes)

    def _of_steps(self, maps: Tensor, counts: Tensor) -> Tensor:
        # Not a product with `counts`: 0 times NaN or infinity is NaN.
        return maps.where(counts, 0.0).sum(2) / counts.sum(2)


@register()
class GlobalMaxPoolLayer(_GlobalPool):
    """Largest value of each map: ``y[c] = max_ij x[c, i, j]``.

    Examples
    --------
    >>> GlobalMaxPoolLayer().output_shape((32, 12, 12)), GlobalMaxPoolLayer(axes="NLC").output_shape((128, 32))
    ((32,), (32,))
    """

    def _of_maps(self, maps: Tensor, axes: tuple[int, ...]) -> Tensor:
        # Not amax, which divides the gradient among equal values.
        return maps.flatten(2).max(2).values

    def _of_steps(self, maps: Tensor, counts: Tensor) -> Tensor:
        return maps.where(counts, -float("inf")).max(2).values
