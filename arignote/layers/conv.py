"""Convolutional layers over images (channels, height, width)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from math import prod
from typing import Annotated, Any, ClassVar

from pydantic import Field

from arignote.layers.activations import Activation, ActivationSpec, Maxout
from arignote.layers.base import Param, Shape, ShapeError, WeightedLayer
from arignote.layers.dense import slopes, weights
from arignote.layers.initializers import Constant
from arignote.registry import Count, Pair, build, register

__all__ = ["ConvLayer", "ConvMaxoutLayer", "MLPConvLayer", "edge_notes", "image", "windows"]


def image(shape: Shape) -> tuple[int, int, int]:
    """Return `shape` as (channels, height, width); raise ShapeError if it is no image."""
    if len(shape) != 3:
        raise ShapeError(
            f"needs images (channels, height, width); got {shape}. "
            'Put ["InputImageLayer", {"n_images": channels, "n_pixels": [height, width]}] first'
        )
    return shape[0], shape[1], shape[2]


def windows(what: str, n_pixels: tuple[int, int], window: tuple[int, int], stride: tuple[int, int]) -> tuple[int, int]:
    """Return the number of windows in a map, by axis; raise ShapeError if the window is larger than the map."""
    if window[0] > n_pixels[0] or window[1] > n_pixels[1]:
        raise ShapeError(f"{what} {list(window)} is larger than its map {list(n_pixels)}")
    return tuple((n - w) // s + 1 for n, w, s in zip(n_pixels, window, stride, strict=True))  # type: ignore[return-value]


def edge_notes(n_pixels: tuple[int, int], window: tuple[int, int], stride: tuple[int, int]) -> list[str]:
    """Return remarks about pixels that are in no window."""
    notes = []
    for axis, n, w, s in zip(("rows", "columns"), n_pixels, window, stride, strict=True):
        if n >= w and (n - w) % s:
            notes.append(f"stride {s} leaves the last {(n - w) % s} of {n} {axis} out")
        if s > w:
            notes.append(f"stride {s} is larger than the window {w}: {axis} between windows are left out")
    return notes


class _Conv(WeightedLayer):
    """Base class of convolutional layers."""

    name_prefix: ClassVar[str] = "conv"
    n_output_maps: Count
    filter_shape: Pair
    stride: Pair = (1, 1)

    @abstractmethod
    def _activation(self) -> Activation:
        """Return the activation of the sums."""

    def _maps(self) -> list[int]:
        """Return the number of maps after each stage: the convolution, then 1x1 convolutions."""
        return [self.n_output_maps]

    def output_shape(self, shape: Shape) -> Shape:
        _, *n_pixels = image(shape)
        size = windows("filter_shape", (n_pixels[0], n_pixels[1]), self.filter_shape, self.stride)
        return (self.n_output_maps, *size)

    def notes(self, shape: Shape) -> list[str]:
        return edge_notes((shape[1], shape[2]), self.filter_shape, self.stride)

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        activation = self._activation()
        n_maps, window, params = shape[0], self.filter_shape, dict[str, Param]()
        for stage, n_out in enumerate(self._maps()):
            suffix = str(stage or "")
            n_sums, fan_in = n_out * activation.pieces, n_maps * prod(window)
            initial = weights(activation, self.W)
            params[f"W{suffix}"] = Param((n_sums, n_maps, *window), initial, fan_in, n_out * prod(window), unit_axis=0)
            if self.use_bias:
                params[f"b{suffix}"] = Param((n_sums,), self.b or Constant())
            params |= {name + suffix: param for name, param in slopes(activation, n_out).items()}
            n_maps, window = n_out, (1, 1)
        return params

    def build(self, shape: Shape) -> Callable[..., Any]:
        from torch.nn.functional import conv2d

        activation, stride, n_stages = self._activation(), self.stride, len(self._maps())
        function, slope_names = activation.build(), tuple(activation.slopes)

        def forward(params: Mapping[str, Any], x: Any, training: bool) -> Any:
            for stage in range(n_stages):
                suffix = str(stage or "")
                # Only the first convolution has the window and the stride; the others are of 1x1 pixels.
                x = conv2d(x, params["W" + suffix], params.get("b" + suffix), stride if stage == 0 else 1)
                x = function(x, *(params[name + suffix] for name in slope_names))
            return x

        return forward


@register()
class ConvLayer(_Conv):
    """Two-dimensional convolution (cross-correlation, no padding).

    ``y_m = f(sum_c W_mc * x_c + b_m)`` (LeCun et al., Proceedings of the IEEE 1998)

    Parameters
    ----------
    n_output_maps : int >= 1
        Number of filters.
    filter_shape : (int, int) or int
        Height and width of a filter, pixels.
    stride : (int, int) or int, default 1
        Steps between windows, pixels.
    activation : str, [Name, {params}] or callable, default "prelu"
        Applied to the sums; its slopes are per map.

    Examples
    --------
    >>> ConvLayer(n_output_maps=32, filter_shape=5).output_shape((1, 28, 28))
    (32, 24, 24)
    """

    activation: ActivationSpec = build("activation", "prelu")

    def _activation(self) -> Activation:
        activation: Activation = self.activation
        return activation


@register()
class ConvMaxoutLayer(_Conv):
    """Two-dimensional convolution whose maps are the largest of `maxout_k` maps.

    ``y_m = max_j (sum_c W_mjc * x_c + b_mj)`` (Goodfellow et al., ICML 2013)

    Parameters
    ----------
    n_output_maps : int >= 1
        Number of maps after the maximum.
    filter_shape : (int, int) or int
        Height and width of a filter, pixels.
    stride : (int, int) or int, default 1
        Steps between windows, pixels.
    maxout_k : int >= 1, default 5
        Number of maps per output map.

    Examples
    --------
    >>> ConvMaxoutLayer(n_output_maps=8, filter_shape=3).declare_params((1, 8, 8))["W"].shape
    (40, 1, 3, 3)
    """

    maxout_k: Count = 5

    def _activation(self) -> Activation:
        return Maxout(maxout_k=self.maxout_k)


@register()
class MLPConvLayer(_Conv):
    """A small network that slides over images: ``y = f(W1 * ... f(W * x + b) ... + b1)`` (Lin et al., ICLR 2014).

    Parameters
    ----------
    n_output_maps : int >= 1
        Number of units of the last layer of the small network, which is the number of output maps.
    filter_shape : (int, int) or int
        Height and width of the window that the small network sees, pixels.
    n_units : list of int >= 1
        Numbers of units of its layers before the last.
    stride : (int, int) or int, default 1
        Steps between windows, pixels.
    activation : str, [Name, {params}] or callable, default "prelu"
        Applied after each of its layers.

    Examples
    --------
    >>> sorted(MLPConvLayer(n_output_maps=8, filter_shape=3, n_units=[16], activation="relu").declare_params((1, 8, 8)))
    ['W', 'W1', 'b', 'b1']
    """

    n_units: Annotated[list[Count], Field(min_length=1)]
    activation: ActivationSpec = build("activation", "prelu")

    def _activation(self) -> Activation:
        activation: Activation = self.activation
        return activation

    def _maps(self) -> list[int]:
        return [*self.n_units, self.n_output_maps]
