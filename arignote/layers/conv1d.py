"""Convolutional layers over series (channels, steps)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from arignote.layers.activations import Activation, ActivationSpec
from arignote.layers.convolution import ConvolutionLayer
from arignote.layers.pads import Pad1D, zeros_of
from arignote.layers.windows import Geometry, Series, SeriesAxes
from arignote.registry import ADDED, Count, build, register

__all__ = ["Conv1DLayer"]


@register()
class Conv1DLayer(ConvolutionLayer):
    """One-dimensional convolution (cross-correlation) over series.

    ``y[m, t] = f(sum_{c, i} W[m, c, i] * x[c, s * t + d * i] + b[m])``, stride s, dilation d (Waibel et al., IEEE
    Transactions on Acoustics, Speech and Signal Processing 1989)

    Parameters
    ----------
    n_output_maps : int >= 1
        Number of filters.
    filter_length : int >= 1
        Number of steps of a filter.
    stride : int >= 1, default 1
        Steps between windows.
    pad : int >= 0, "same", "full" or "valid", default 0
        Zeros before and behind each series: as many as leave its length as it is with stride 1 ("same", for odd
        filters), as many as overlap with a filter at all ("full"), or none ("valid").
    dilation : int >= 1, default 1
        Steps between the values that a filter sees.
    n_groups : int >= 1, default 1
        Number of groups of maps, each of which sees an equal share of the input maps.
    axes : "NCL" or "NLC", default "NCL"
        Order of the axes, of inputs and outputs: examples are (channels, steps), or (steps, channels), as recurrent
        layers have them. An example (steps,) is one channel.
    activation : str, [Name, {params}] or callable, default "prelu"
        Applied to the sums; its slopes are per map.

    Examples
    --------
    >>> Conv1DLayer(n_output_maps=32, filter_length=5).output_shape((3, 128))
    (32, 124)
    >>> Conv1DLayer(n_output_maps=32, filter_length=5, pad="same", axes="NLC").output_shape((128, 3))
    (128, 32)
    """

    _window: ClassVar[str] = "filter_length"
    filter_length: Count
    stride: Count = 1
    pad: Pad1D = 0
    dilation: Count = 1
    n_groups: Annotated[Count, ADDED] = 1
    axes: SeriesAxes = "NCL"
    activation: ActivationSpec = build("activation", "prelu")

    @property
    def layout(self) -> Series:
        """Order of the axes of an example."""
        return Series(self.axes)

    @property
    def geometry(self) -> Geometry:
        """Windows of the filters: steps."""
        window, dilation = (self.filter_length,), (self.dilation,)
        zeros = zeros_of(self.pad, window, dilation)
        return Geometry(window, (self.stride,), zeros, dilation, self.n_groups)

    def _activation(self) -> Activation:
        activation: Activation = self.activation
        return activation
