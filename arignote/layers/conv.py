"""Convolutional layers over images (channels, height, width)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from arignote.layers.activations import Activation, ActivationSpec, Maxout
from arignote.layers.convolution import ConvolutionLayer
from arignote.layers.pads import Pad2D, zeros_of
from arignote.layers.windows import Geometry, Images
from arignote.registry import ADDED, Count, Pair, build, register

__all__ = ["ConvLayer", "ConvMaxoutLayer", "MLPConvLayer"]


class _Conv(ConvolutionLayer):
    """Base class of convolutional layers over images.

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

    filter_shape: Pair
    stride: Pair = (1, 1)
    pad: Annotated[Pad2D, ADDED] = (0, 0)
    dilation: Annotated[Pair, ADDED] = (1, 1)
    n_groups: Annotated[Count, ADDED] = 1

    @property
    def layout(self) -> Images:
        """Order of the axes of an example."""
        return Images()

    @property
    def geometry(self) -> Geometry:
        """Windows of the filters: rows and columns."""
        zeros = zeros_of(self.pad, self.filter_shape, self.dilation)
        return Geometry(self.filter_shape, self.stride, zeros, self.dilation, self.n_groups)


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

    Notes
    -----
    Filters are not flipped, as in PyTorch and Keras: ``y[m, i, j] = sum W[m, c, a, b] * x[c, i + a, j + b]``. Theano,
    and Lasagne unless ``flip_filters=False``, flip them along each axis of a map: their W is ``W[:, :, ::-1, ::-1]``.

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
