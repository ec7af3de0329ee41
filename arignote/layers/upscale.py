"""Layers that enlarge maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from arignote.layers.base import Forward, Layer, Shape, ShapeError
from arignote.layers.windows import Layout, Series, SeriesAxes, images_or_volumes
from arignote.registry import Count, plain, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["UpscaleLayer"]


def _as_factors(value: Any) -> Any:
    value = plain(value)
    return tuple(value) if isinstance(value, list) else value


@register()
class UpscaleLayer(Layer):
    """Larger maps: ``y[c, i, j] = x[c, i // s_1, j // s_2]``, or zeros between the values of `x` ("dilate").

    Parameters
    ----------
    scale_factor : int or tuple of int >= 1
        How many times larger a map becomes along each of its axes: the steps of series, rows and columns of images,
        slices, rows and columns of volumes. One number is for all axes.
    mode : "repeat" or "dilate", default "repeat"
        "repeat": each value is repeated; "dilate": it is followed by zeros.
    axes : "NCL" or "NLC", default "NCL"
        Order of the axes of series, of inputs and outputs: examples are (channels, steps), or (steps, channels).

    Examples
    --------
    >>> UpscaleLayer(scale_factor=2).output_shape((8, 12, 12))
    (8, 24, 24)
    >>> UpscaleLayer(scale_factor=[1, 2], mode="dilate").output_shape((8, 3, 5))
    (8, 3, 10)
    """

    name_prefix: ClassVar[str] = "upscale"
    scale_factor: Annotated[Count | tuple[Count, ...], BeforeValidator(_as_factors)]
    mode: Literal["repeat", "dilate"] = "repeat"
    axes: SeriesAxes = "NCL"

    def layout(self, shape: Shape) -> Layout:
        """Return how the maps lie in an example of this shape."""
        return Series(self.axes) if len(shape) < 3 else images_or_volumes(shape)

    def _factors(self, shape: Shape) -> tuple[int, ...]:
        """Return the factor of each axis of a map."""
        n_axes = self.layout(shape).n_axes
        if isinstance(self.scale_factor, int):
            return (self.scale_factor,) * n_axes
        if len(self.scale_factor) != n_axes:
            raise ShapeError(
                f"scale_factor must be one number or {n_axes}, one for each axis of a map of {shape}; "
                f"got {list(self.scale_factor)}"
            )
        return self.scale_factor

    def output_shape(self, shape: Shape) -> Shape:
        layout = self.layout(shape)
        n_maps, *n_pixels = layout.maps(shape)
        return layout.example((n_maps, *(n * s for n, s in zip(n_pixels, self._factors(shape), strict=True))))

    def build(self, shape: Shape) -> Forward:
        layout, factors = self.layout(shape), self._factors(shape)
        enlarge = _repeated if self.mode == "repeat" else _dilated
        return lambda params, x, training: layout.to_examples(enlarge(layout.to_maps(x), factors))


def _repeated(maps: Tensor, factors: tuple[int, ...]) -> Tensor:
    for axis, factor in enumerate(factors, 2):
        # Not repeat_interleave, whose gradient adds at indices, in no fixed order on a GPU.
        maps = maps.unsqueeze(axis + 1).expand(*maps.shape[: axis + 1], factor, *maps.shape[axis + 1 :])
        maps = maps.flatten(axis, axis + 1)
    return maps


def _dilated(maps: Tensor, factors: tuple[int, ...]) -> Tensor:
    sizes = [n * factor for n, factor in zip(maps.shape[2:], factors, strict=True)]
    larger = maps.new_zeros((*maps.shape[:2], *sizes))
    places: tuple[Any, ...] = (..., *(slice(None, None, factor) for factor in factors))
    larger[places] = maps
    return larger
