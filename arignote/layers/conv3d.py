"""Convolutional layers over volumes (channels, depth, height, width)."""

from __future__ import annotations

from typing import Annotated

from arignote.layers.activations import Activation, ActivationSpec
from arignote.layers.convolution import ConvolutionLayer
from arignote.layers.pads import Pad3D, zeros_of
from arignote.layers.windows import Geometry, Volumes
from arignote.registry import ADDED, Count, Triple, build, register

__all__ = ["Conv3DLayer"]


@register()
class Conv3DLayer(ConvolutionLayer):
    """Three-dimensional convolution (cross-correlation) over volumes.

    ``y[m, i] = f(sum_{c, a} W[m, c, a] * x[c, s * i + d * a] + b[m])``, with places i, a, strides s and dilations d of
    three numbers each (Ji et al., IEEE Transactions on Pattern Analysis and Machine Intelligence 2013)

    Parameters
    ----------
    n_output_maps : int >= 1
        Number of filters.
    filter_shape : (int, int, int) or int
        Depth, height and width of a filter, pixels.
    stride : (int, int, int) or int, default 1
        Steps between windows, pixels.
    pad : (int, int, int), int, "same", "full" or "valid", default 0
        Slices, rows and columns of zeros around each map: as many as leave its size as it is with stride 1 ("same", for
        odd filters), as many as overlap with a filter at all ("full"), or none ("valid").
    dilation : (int, int, int) or int, default 1
        Steps between the pixels that a filter sees.
    n_groups : int >= 1, default 1
        Number of groups of maps, each of which sees an equal share of the input maps.
    activation : str, [Name, {params}] or callable, default "prelu"
        Applied to the sums; its slopes are per map.

    Examples
    --------
    >>> Conv3DLayer(n_output_maps=8, filter_shape=[3, 5, 5]).output_shape((1, 16, 28, 28))
    (8, 14, 24, 24)
    """

    filter_shape: Triple
    stride: Triple = (1, 1, 1)
    pad: Pad3D = (0, 0, 0)
    dilation: Triple = (1, 1, 1)
    n_groups: Annotated[Count, ADDED] = 1
    activation: ActivationSpec = build("activation", "prelu")

    @property
    def layout(self) -> Volumes:
        """Order of the axes of an example."""
        return Volumes()

    @property
    def geometry(self) -> Geometry:
        """Windows of the filters: slices, rows and columns."""
        zeros = zeros_of(self.pad, self.filter_shape, self.dilation)
        return Geometry(self.filter_shape, self.stride, zeros, self.dilation, self.n_groups)

    def _activation(self) -> Activation:
        activation: Activation = self.activation
        return activation
