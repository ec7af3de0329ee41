"""Locally connected layers: filters that differ from place to place."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Annotated, ClassVar

from arignote.layers.activations import Activation, ActivationSpec
from arignote.layers.base import Forward, Param, Shape
from arignote.layers.convolution import FilterLayer
from arignote.layers.dense import weights
from arignote.layers.pads import Pad1D, Pad2D, zeros_of
from arignote.layers.windows import Geometry, Images, Series, SeriesAxes
from arignote.registry import ADDED, Count, Pair, build, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LocalFilters", "LocallyConnected1DLayer", "LocallyConnectedLayer"]


class LocalFilters(FilterLayer):
    """Base class of locally connected layers.

    Parameters
    ----------
    n_output_maps : int >= 1
        Number of filters at each place.
    activation : str, [Name, {params}] or callable, default "prelu"
        Applied to the sums; its slopes are per map.
    """

    name_prefix: ClassVar[str] = "local"
    activation: ActivationSpec = build("activation", "prelu")

    def _activation(self) -> Activation:
        activation: Activation = self.activation
        return activation

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        n_maps, *n_pixels = self.layout.maps(shape)
        window, activation = self.geometry.window, self._activation()
        n_sums = self.n_output_maps * activation.pieces
        # The units are the places of all maps, so that penalties and norms are of the weights into one of them.
        size = (n_sums * prod(self._sizes(tuple(n_pixels))), n_maps, *window)
        fan_in, fan_out = n_maps * prod(window), self.n_output_maps * prod(window)
        W = Param(size, weights(activation, self.W), fan_in, fan_out, unit_axis=0)
        return self._stage(W, self.n_output_maps, tuple(n_pixels))

    def build(self, shape: Shape) -> Forward:
        from torch import unflatten
        from torch.nn.functional import unfold

        layout, activation = self.layout, self._activation()
        function, slope_names = activation.build(), tuple(activation.slopes)
        n_sums, sizes = self.n_output_maps * activation.pieces, self._sizes(layout.maps(shape)[1:])
        per_map = (n_sums, *(sizes if self.untie_biases else (1,) * len(sizes)))
        # A series is an image of one row.
        one, none = ((1,), (0,)) if layout.n_axes == 1 else ((), ())
        window, stride, zeros, *_ = self.geometry
        geometry = {"kernel_size": one + window, "stride": one + stride, "padding": none + zeros}

        def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            maps = layout.to_maps(x)
            # Of each place (rows, values of its window), times (values of the window, sums).
            patches = unfold(maps[:, :, None] if one else maps, **geometry).permute(2, 0, 1)
            W = unflatten(params["W"].flatten(1), 0, (n_sums, -1)).permute(1, 2, 0)
            # Not len(x), which fixes the number of rows of an exported program.
            sums = patches.bmm(W).permute(1, 2, 0).reshape(x.shape[0], n_sums, *sizes)
            if "b" in params:
                sums = sums + params["b"].reshape(per_map)
            return layout.to_examples(function(sums, *(params[name] for name in slope_names)))

        return forward


@register()
class LocallyConnected1DLayer(LocalFilters):
    """Filters over series as of `Conv1DLayer`, with weights of their own at each place.

    ``y[m, t] = f(sum_{c, i} W[m, t, c, i] * x[c, s * t + i] + b[m])``, stride s (LeCun, "Generalization and network
    design strategies", 1989)

    Parameters
    ----------
    filter_length : int >= 1
        Number of steps of a filter.
    stride : int >= 1, default 1
        Steps between windows.
    pad : int >= 0, "same", "full" or "valid", default 0
        Zeros before and behind each series, as of `Conv1DLayer`.
    axes : "NCL" or "NLC", default "NCL"
        Order of the axes, of inputs and outputs: examples are (channels, steps), or (steps, channels). An example
        (steps,) is one channel.

    Examples
    --------
    >>> LocallyConnected1DLayer(n_output_maps=4, filter_length=3).declare_params((2, 8))["W"].shape
    (24, 2, 3)
    """

    _window: ClassVar[str] = "filter_length"
    filter_length: Count
    stride: Count = 1
    pad: Pad1D = 0
    axes: SeriesAxes = "NCL"

    @property
    def layout(self) -> Series:
        """Order of the axes of an example."""
        return Series(self.axes)

    @property
    def geometry(self) -> Geometry:
        """Windows of the filters: steps."""
        window = (self.filter_length,)
        zeros = zeros_of(self.pad, window, (1,))
        return Geometry(window, (self.stride,), zeros, (1,), 1)


@register()
class LocallyConnectedLayer(LocalFilters):
    """Filters over images as of `ConvLayer`, with weights of their own at each place.

    ``y[m, i, j] = f(sum_{c, a, b} W[m, i, j, c, a, b] * x[c, s_1 * i + a, s_2 * j + b] + b[m])``, strides s (LeCun,
    "Generalization and network design strategies", 1989)

    Parameters
    ----------
    filter_shape : (int, int) or int
        Height and width of a filter, pixels.
    stride : (int, int) or int, default 1
        Steps between windows, pixels.
    pad : (int, int), int, "same", "full" or "valid", default 0
        Rows and columns of zeros around each map, as of `ConvLayer`.

    Notes
    -----
    W is stored as (maps * places, input maps, height, width), places row by row. Lasagne has the places last.

    Examples
    --------
    >>> LocallyConnectedLayer(n_output_maps=4, filter_shape=3).declare_params((1, 8, 8))["W"].shape
    (144, 1, 3, 3)
    """

    filter_shape: Pair
    stride: Pair = (1, 1)
    pad: Annotated[Pad2D, ADDED] = (0, 0)

    @property
    def layout(self) -> Images:
        """Order of the axes of an example."""
        return Images()

    @property
    def geometry(self) -> Geometry:
        """Windows of the filters: rows and columns."""
        return Geometry(self.filter_shape, self.stride, zeros_of(self.pad, self.filter_shape, (1, 1)), (1, 1), 1)
