"""Convolutional layers over images (channels, height, width)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from math import prod
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.activations import Activation, ActivationSpec, Maxout
from arignote.layers.base import Param, Shape, ShapeError, WeightedLayer
from arignote.layers.dense import slopes, weights
from arignote.layers.initializers import Constant
from arignote.registry import Count, Pair, as_pair, build, register

__all__ = ["ConvLayer", "ConvMaxoutLayer", "MLPConvLayer", "edge_notes", "image", "windows"]


def image(shape: Shape) -> tuple[int, int, int]:
    """Return `shape` as (channels, height, width); raise ShapeError if it is no image."""
    if len(shape) != 3:
        raise ShapeError(
            f"needs images (channels, height, width); got {shape}. "
            'Put ["InputImageLayer", {"n_images": channels, "n_pixels": [height, width]}] first'
        )
    return shape[0], shape[1], shape[2]


def _as_pad(value: Any) -> Any:
    return value if isinstance(value, str) else as_pair(value)


NonNegativeCount = Annotated[int, Field(ge=0)]
Pad = Annotated[tuple[NonNegativeCount, NonNegativeCount] | Literal["same", "full", "valid"], BeforeValidator(_as_pad)]


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
    """Base class of convolutional layers.

    Parameters
    ----------
    pad : (int, int), int, "same", "full" or "valid", default 0
        Rows and columns of zeros around each map: as many as leave its size as it is with stride 1 ("same", for odd
        filters), as many as overlap with a filter at all ("full"), or none ("valid").
    dilation : (int, int) or int, default 1
        Steps between the pixels that a filter sees.
    n_groups : int >= 1, default 1
        Number of groups of maps, each of which sees an equal share of the input maps.
    """

    name_prefix: ClassVar[str] = "conv"
    n_output_maps: Count
    filter_shape: Pair
    stride: Pair = (1, 1)
    pad: Pad = (0, 0)
    dilation: Pair = (1, 1)
    n_groups: Count = 1

    @model_validator(mode="after")
    def _pad_suits_the_filter(self) -> Any:
        if self.pad == "same" and any(n % 2 == 0 for n in self.filter_shape):
            message = f"pad 'same' needs a filter of odd height and width; got {list(self.filter_shape)}"
            raise ConfigError(Complaint(("pad",), message))
        return self

    @property
    def zeros(self) -> tuple[int, int]:
        """Rows and columns of zeros on each side of a map."""
        if isinstance(self.pad, tuple):
            return self.pad
        height, width = (d * (n - 1) for d, n in zip(self.dilation, self.filter_shape, strict=True))
        return {"same": (height // 2, width // 2), "full": (height, width), "valid": (0, 0)}[self.pad]

    def _windows(self, shape: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the size of a padded map, and of the part of it that a filter sees."""
        padded = (shape[1] + 2 * self.zeros[0], shape[2] + 2 * self.zeros[1])
        seen = tuple(d * (n - 1) + 1 for d, n in zip(self.dilation, self.filter_shape, strict=True))
        return padded, (seen[0], seen[1])

    @abstractmethod
    def _activation(self) -> Activation:
        """Return the activation of the sums."""

    def _maps(self) -> list[int]:
        """Return the number of maps after each stage: the convolution, then 1x1 convolutions."""
        return [self.n_output_maps]

    def output_shape(self, shape: Shape) -> Shape:
        n_maps, *_ = image(shape)
        for what, n in (("input maps", n_maps), ("output maps", self._maps()[0])):
            if n % self.n_groups:
                raise ShapeError(f"n_groups must divide the number of {what}, {n}; got {self.n_groups}")
        return (self.n_output_maps, *windows("filter_shape", *self._windows(shape), self.stride))

    def notes(self, shape: Shape) -> list[str]:
        return edge_notes(*self._windows(shape), self.stride)

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        activation = self._activation()
        n_maps, window, params = shape[0] // self.n_groups, self.filter_shape, dict[str, Param]()
        n_groups = self.n_groups
        for stage, n_out in enumerate(self._maps()):
            suffix = str(stage or "")
            n_sums, fan_in = n_out * activation.pieces, n_maps * prod(window)
            initial = weights(activation, self.W)
            fan_out = n_out // n_groups * prod(window)
            params[f"W{suffix}"] = Param((n_sums, n_maps, *window), initial, fan_in, fan_out, unit_axis=0)
            if self.use_bias:
                params[f"b{suffix}"] = Param((n_sums,), self.b or Constant())
            params |= {name + suffix: param for name, param in slopes(activation, n_out).items()}
            n_maps, window, n_groups = n_out, (1, 1), 1
        return params

    def build(self, shape: Shape) -> Callable[..., Any]:
        from torch.nn.functional import conv2d

        activation, stride, n_stages = self._activation(), self.stride, len(self._maps())
        function, slope_names = activation.build(), tuple(activation.slopes)
        first = (stride, self.zeros, self.dilation, self.n_groups)

        def forward(params: Mapping[str, Any], x: Any, training: bool) -> Any:
            for stage in range(n_stages):
                suffix = str(stage or "")
                # Only the first convolution has the window and the stride; the others are of 1x1 pixels.
                x = conv2d(x, params["W" + suffix], params.get("b" + suffix), *(first if stage == 0 else ()))
                x = function(x, *(params[name + suffix] for name in slope_names))
            return x

        return forward


@register()
class ConvLayer(_Conv):
    """Two-dimensional convolution (cross-correlation).

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
