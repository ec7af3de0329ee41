"""Transposed convolutions over series, images and volumes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.activations import Activation, ActivationSpec
from arignote.layers.base import Forward, Param, Shape, ShapeError
from arignote.layers.convolution import FilterLayer
from arignote.layers.dense import weights
from arignote.layers.pads import NonNegativeCount, Pad1D, Pad2D, Pad3D, PadName, Zeros2D, Zeros3D, zeros_of
from arignote.layers.windows import Geometry, Images, Series, SeriesAxes, Volumes
from arignote.registry import ADDED, Count, Pair, Triple, build, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TransposedConv1DLayer", "TransposedConv3DLayer", "TransposedConvLayer", "TransposedConvolution"]


class TransposedConvolution(FilterLayer):
    """Base class of transposed convolutions.

    Parameters
    ----------
    n_output_maps : int >= 1
        Number of output maps.
    n_groups : int >= 1, default 1
        Number of groups of maps, each of which sees an equal share of the input maps.
    activation : str, [Name, {params}] or callable, default "prelu"
        Applied to the sums; its slopes are per map.
    """

    n_groups: Annotated[Count, ADDED] = 1
    activation: ActivationSpec = build("activation", "prelu")

    @model_validator(mode="after")
    def _more_is_less_than_a_step(self) -> Self:
        _, stride, _, dilation, _ = self.geometry
        # The bound of the engine.
        most = [max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)]
        if any(n > m for n, m in zip(self._more, most, strict=True)):
            is_series = len(most) == 1
            message = (
                f"output_padding must be less than stride or dilation, at most {most[0] if is_series else most}; "
                f"got {self._more[0] if is_series else list(self._more)}"
            )
            raise ConfigError(Complaint(("output_padding",), message))
        return self

    @property
    @abstractmethod
    def _more(self) -> tuple[int, ...]:
        """Number of values appended to an output map, by axis."""

    def _activation(self) -> Activation:
        activation: Activation = self.activation
        return activation

    def _sizes(self, n_pixels: tuple[int, ...]) -> tuple[int, ...]:
        """Return the size of an output map, by axis."""
        window, stride, crop, dilation, _ = self.geometry
        axes = zip(n_pixels, window, stride, crop, dilation, self._more, strict=True)
        # The formula of `windows`, solved for the size of the map.
        sizes = tuple((n - 1) * s + d * (w - 1) + 1 - 2 * c + more for n, w, s, c, d, more in axes)
        if min(sizes) < 1:
            whole = [size + 2 * c for size, c in zip(sizes, crop, strict=True)]
            raise ShapeError(f"crop {list(crop)} on each side leaves nothing of an output map {whole}")
        return sizes

    def notes(self, shape: Shape) -> list[str]:
        stride, geometry = self.geometry.stride, self.geometry
        seen = geometry.padded_and_seen(self.layout.maps(shape)[1:])[1]
        if all(s <= n for s, n in zip(stride, seen, strict=True)):
            return []
        return [
            f"stride {list(stride)} is larger than the window {list(seen)}: values between windows are the bias alone"
        ]

    def n_multiply_adds(self, shape: Shape) -> int:
        # Each value of the input is multiplied by all weights of its map.
        return prod(self.layout.maps(shape)[1:]) * prod(self.declare_params(shape)["W"].shape)

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        n_maps, *n_pixels = self.layout.maps(shape)
        (window, stride, *_, n_groups), activation = self.geometry, self._activation()
        n_maps //= n_groups
        # An output value has a share of 1 / stride of the windows that would reach it with stride 1.
        fan_in = max(n_maps * prod(window) // prod(stride), 1)
        fan_out = self.n_output_maps // n_groups * prod(window)
        size = (self.n_output_maps * activation.pieces, n_maps, *window)
        W = Param(size, weights(activation, self.W), fan_in, fan_out, unit_axis=0)
        return self._stage(W, self.n_output_maps, tuple(n_pixels))

    def build(self, shape: Shape) -> Forward:
        from torch import unflatten
        from torch.nn.functional import conv_transpose1d, conv_transpose2d, conv_transpose3d

        layout, activation, untied, more = self.layout, self._activation(), self.untie_biases, self._more
        convolve = {1: conv_transpose1d, 2: conv_transpose2d, 3: conv_transpose3d}[layout.n_axes]
        function, slope_names = activation.build(), tuple(activation.slopes)
        _, stride, crop, dilation, n_groups = self.geometry

        def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            # The engine has the input maps of all groups first, and the output maps of one group second.
            W = unflatten(params["W"], 0, (n_groups, -1)).transpose(1, 2).flatten(0, 1)
            b = params.get("b")
            # Unlike other convolutions, these take the groups before the dilation.
            x = convolve(layout.to_maps(x), W, None if untied else b, stride, crop, more, n_groups, dilation)
            x = function(x + params["b"] if untied else x, *(params[name] for name in slope_names))
            return layout.to_examples(x)

        return forward


@register()
class TransposedConv1DLayer(TransposedConvolution):
    """Transposed convolution over series: each value of the input, times a filter, is added to the output.

    ``y[m, t] = f(sum_{c, i, a} W[m, c, a] * x[c, i] + b[m])`` over all i, a with ``s * i + d * a - p = t``, stride s,
    dilation d, crop p (Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016). There are
    ``s * (n - 1) + d * (filter_length - 1) + 1 - 2 * p + output_padding`` steps.

    Parameters
    ----------
    filter_length : int >= 1
        Number of steps of a filter.
    stride : int >= 1, default 1
        Steps of the output for one of the input.
    crop : int >= 0, "same", "full" or "valid", default 0
        Steps left out at both ends of the output: the `pad` of the `Conv1DLayer` that is transposed.
    output_padding : int >= 0, default 0
        Steps appended to the output, fewer than `stride` or `dilation`.
    dilation : int >= 1, default 1
        Steps between the values of a filter.
    axes : "NCL" or "NLC", default "NCL"
        Order of the axes, of inputs and outputs: examples are (channels, steps), or (steps, channels). An example
        (steps,) is one channel.

    Examples
    --------
    >>> TransposedConv1DLayer(n_output_maps=8, filter_length=4, stride=2, crop=1).output_shape((16, 32))
    (8, 64)
    """

    _window: ClassVar[str] = "filter_length"
    filter_length: Count
    stride: Count = 1
    crop: Pad1D = 0
    output_padding: NonNegativeCount = 0
    dilation: Count = 1
    axes: SeriesAxes = "NCL"

    @property
    def layout(self) -> Series:
        """Order of the axes of an example."""
        return Series(self.axes)

    @property
    def geometry(self) -> Geometry:
        """Windows of the filters in the output, whose zeros are what is cropped: steps."""
        window, dilation = (self.filter_length,), (self.dilation,)
        crop = zeros_of(self.crop, window, dilation, "crop")
        return Geometry(window, (self.stride,), crop, dilation, self.n_groups)

    @property
    def _more(self) -> tuple[int, ...]:
        return (self.output_padding,)


class _OfPixels(TransposedConvolution):
    """Base class of transposed convolutions over images and volumes, whose parameters have a number for each axis."""

    filter_shape: tuple[int, ...]
    stride: tuple[int, ...]
    crop: tuple[int, ...] | PadName
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def geometry(self) -> Geometry:
        """Windows of the filters in the output, whose zeros are what is cropped."""
        crop = zeros_of(self.crop, self.filter_shape, self.dilation, "crop")
        return Geometry(self.filter_shape, self.stride, crop, self.dilation, self.n_groups)

    @property
    def _more(self) -> tuple[int, ...]:
        return self.output_padding


@register()
class TransposedConvLayer(_OfPixels):
    """Transposed convolution: each pixel of the input, times a filter, is added to the output.

    ``y[m, t] = f(sum_{c, i, a} W[m, c, a] * x[c, i] + b[m])`` over all i, a with ``s * i + d * a - p = t``: places i, a
    and t, strides s, dilations d and crops p of two numbers each (Dumoulin and Visin, "A guide to convolution
    arithmetic for deep learning", 2016). A map has ``s * (n - 1) + d * (filter_shape - 1) + 1 - 2 * p +
    output_padding`` pixels.

    Parameters
    ----------
    filter_shape : (int, int) or int
        Height and width of a filter, pixels.
    stride : (int, int) or int, default 1
        Pixels of the output for one of the input.
    crop : (int, int), int, "same", "full" or "valid", default 0
        Rows and columns left out on each side of the output: the `pad` of the `ConvLayer` that is transposed.
    output_padding : (int, int) or int, default 0
        Rows and columns appended to the output at the bottom and on the right, fewer than `stride` or `dilation`.
    dilation : (int, int) or int, default 1
        Steps between the pixels of a filter.

    Notes
    -----
    W is that of ``torch.nn.ConvTranspose2d`` with the axes of input and output maps exchanged, if there is one group.

    Examples
    --------
    >>> TransposedConvLayer(n_output_maps=8, filter_shape=4, stride=2, crop=1).output_shape((16, 12, 12))
    (8, 24, 24)
    """

    filter_shape: Pair
    stride: Pair = (1, 1)
    crop: Pad2D = (0, 0)
    output_padding: Zeros2D = (0, 0)
    dilation: Annotated[Pair, ADDED] = (1, 1)

    @property
    def layout(self) -> Images:
        """Order of the axes of an example."""
        return Images()


@register()
class TransposedConv3DLayer(_OfPixels):
    """Transposed convolution over volumes: each pixel of the input, times a filter, is added to the output.

    ``y[m, t] = f(sum_{c, i, a} W[m, c, a] * x[c, i] + b[m])`` over all i, a with ``s * i + d * a - p = t``, as of
    `TransposedConvLayer`, with places of three numbers

    Parameters
    ----------
    filter_shape : (int, int, int) or int
        Depth, height and width of a filter, pixels.
    stride : (int, int, int) or int, default 1
        Pixels of the output for one of the input.
    crop : (int, int, int), int, "same", "full" or "valid", default 0
        Slices, rows and columns left out on each side of the output: the `pad` of the `Conv3DLayer` that is transposed.
    output_padding : (int, int, int) or int, default 0
        Slices, rows and columns appended to the output at the end of each axis, fewer than `stride` or `dilation`.
    dilation : (int, int, int) or int, default 1
        Steps between the pixels of a filter.

    Examples
    --------
    >>> TransposedConv3DLayer(n_output_maps=4, filter_shape=2, stride=2).output_shape((8, 3, 12, 12))
    (4, 6, 24, 24)
    """

    filter_shape: Triple
    stride: Triple = (1, 1, 1)
    crop: Pad3D = (0, 0, 0)
    output_padding: Zeros3D = (0, 0, 0)
    dilation: Triple = (1, 1, 1)

    @property
    def layout(self) -> Volumes:
        """Order of the axes of an example."""
        return Volumes()
