"""Forward and backward passes of single layers without autograd: which layer has which.

The sums are those of autograd, in a third of its time for small layers; tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor

from arignote.engine.by_hand.activations import function_of, linear, relu
from arignote.engine.by_hand.unweighted import (
    ActivationInPlace,
    ActivationOutOfPlace,
    AveragePool,
    Concat,
    Dropout,
    GaussianNoise,
    GlobalAverage,
    MaxPool,
    Reshape,
    Sum,
    Transpose,
)
from arignote.engine.by_hand.weighted import BatchNorm, Convolution, Dense
from arignote.layers.alone import ActivationLayer
from arignote.layers.architecture import Placed
from arignote.layers.average_pool import AveragePool1DLayer, AveragePool2DLayer
from arignote.layers.base import Layer
from arignote.layers.conv import ConvLayer, MLPConvLayer
from arignote.layers.conv1d import Conv1DLayer
from arignote.layers.conv3d import Conv3DLayer
from arignote.layers.dense import FCLayer
from arignote.layers.global_pool import GlobalAveragePoolLayer
from arignote.layers.inputs import InputImageLayer, InputLayer
from arignote.layers.max_pool import MaxPool1DLayer, MaxPool2DLayer
from arignote.layers.merge import AverageLayer, ConcatLayer, SumLayer
from arignote.layers.noise import DropoutLayer, GaussianNoiseLayer
from arignote.layers.norm import BatchNormLayer
from arignote.layers.output import ClassificationOutputLayer, MultilabelOutputLayer, RegressionOutputLayer
from arignote.layers.reshape import BC01ToC01BLayer, C01BToBC01Layer, FlattenLayer, ReshapeLayer
from arignote.layers.windows import Geometry, Layout, Series

__all__ = ["ActivationInPlace", "LayerFunction", "MaxPool", "functions_of", "in_place"]

Tensors = dict[str, Tensor]
# Windows of one pixel.
_OF_PIXELS = Geometry((1, 1), (1, 1), (0, 0), (1, 1), 1)


class LayerFunction(Protocol):
    """Forward and backward pass of a layer, or of a stage of one, as a `torch.autograd.Function` without its graph.

    Attributes
    ----------
    trains : bool
        Whether it writes gradients of parameters.
    """

    trains: bool

    def forward(self, x: Any) -> tuple[Tensor, Any]:
        """Return the output, and what `backward` needs; a merge layer takes a list of tensors."""

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Any:
        """Return the gradient of the input (a list for those of a merge layer), and write those of the parameters.

        Parameters
        ----------
        g : Tensor
            Gradient of the output; it is not overwritten, as it may be that of other layers too.
        saved : object
            The second value that `forward` returned.
        beta : float
            0: gradients of parameters are overwritten; 1: they are added to.
        needs_input : bool
            Whether the gradient of the input is needed; otherwise any tensor is returned.

        Returns
        -------
        Tensor or list of Tensor
            They may share memory with one another and with `g`, but with no output.
        """


def in_place(function: LayerFunction, before: LayerFunction) -> LayerFunction:
    """Return a function that may overwrite the output of the function before, which nothing else takes.

    Parameters
    ----------
    function, before : LayerFunction

    Returns
    -------
    LayerFunction
        A rectifier in place for one alone, if the backward pass of `before` does not read its output; else `function`.
    """
    is_free = isinstance(before, BatchNorm | Sum) or (isinstance(before, Convolution | Dense) and before.is_linear)
    is_rectifier = isinstance(function, ActivationOutOfPlace) and function.activation is relu
    return ActivationInPlace(relu) if is_free and is_rectifier else function


def functions_of(place: Placed, params: Tensors, gradients: Tensors) -> list[LayerFunction] | None:
    """Return the functions of a layer, one after the other; None if it has none here.

    Parameters
    ----------
    place : Placed
        The layer.
    params, gradients : dict of str to Tensor
        Its parameters and their gradients by name; a parameter without a gradient is fixed.
    """
    # Not by isinstance: a layer that a user derives from one of these may have another forward pass.
    choose = _BY_TYPE.get(type(place.layer))
    return None if choose is None else choose(place.layer, place, params, gradients)


def _shape(layer: Layer, place: Placed, params: Tensors, gradients: Tensors) -> list[LayerFunction]:
    return [] if place.output_shape == place.input_shape else [Reshape(place.output_shape)]


def _output(layer: Layer, place: Placed, params: Tensors, gradients: Tensors) -> list[LayerFunction] | None:
    # An output for each step is that of rows of steps.
    return None if len(place.output_shape) > 1 else [Dense(params, gradients, linear)]


def _classes(
    layer: ClassificationOutputLayer, place: Placed, params: Tensors, gradients: Tensors
) -> list[LayerFunction] | None:
    # Of a single output the sum z becomes the logits (0, z).
    return None if layer.n_classes == 1 else _output(layer, place, params, gradients)


def _dense(layer: FCLayer, place: Placed, params: Tensors, gradients: Tensors) -> list[LayerFunction] | None:
    activation = function_of(layer.activation, params, gradients)
    return None if activation is None else [Dense(params, gradients, activation)]


def _convolutions(
    layer: ConvLayer | MLPConvLayer | Conv1DLayer | Conv3DLayer, place: Placed, params: Tensors, gradients: Tensors
) -> list[LayerFunction] | None:
    """Return the functions of the stages of a convolutional layer; those after the first have windows of 1x1."""
    if layer.untie_biases:
        return None
    functions: list[LayerFunction] = []
    for stage in range(sum(name.startswith("W") for name in params)):
        suffix = str(stage or "")
        geometry = layer.geometry if stage == 0 else _OF_PIXELS
        activation = function_of(layer.activation, params, gradients, suffix, n_pixel_axes=layer.layout.n_axes)
        if activation is None:
            return None
        # A function of its own, which the tape may move behind pooling, where fewer values are left.
        if activation is relu:
            functions += [Convolution(params, gradients, suffix, geometry, linear), ActivationInPlace(relu)]
        else:
            functions.append(Convolution(params, gradients, suffix, geometry, activation))
    return _of_maps(functions, layer.layout, place)


def _of_maps(
    functions: list[LayerFunction], layout: Layout, place: Placed, gives_maps: bool = True
) -> list[LayerFunction]:
    """Return functions of maps (n, channels, ...) as functions of examples, which give maps or a number for each."""
    if not isinstance(layout, Series):
        return functions
    first: list[LayerFunction] = []
    if len(place.input_shape) == 1:
        first = [Reshape(layout.maps(place.input_shape))]
    elif layout.axes == "NLC":
        first = [Transpose()]
    return [*first, *functions, *([Transpose()] if gives_maps and layout.axes == "NLC" else [])]


def _max_pool(layer: MaxPool1DLayer | MaxPool2DLayer, place: Placed, *_: Tensors) -> list[LayerFunction]:
    return _of_maps([MaxPool(*layer.geometry[:3], layer.ignore_border)], layer.layout, place)


def _average_pool(layer: AveragePool1DLayer | AveragePool2DLayer, place: Placed, *_: Tensors) -> list[LayerFunction]:
    function = AveragePool(*layer.geometry[:3], layer.ignore_border, layer.count_include_pad)
    return _of_maps([function], layer.layout, place)


def _global_average(layer: GlobalAveragePoolLayer, place: Placed, *_: Tensors) -> list[LayerFunction] | None:
    if place.takes_list:
        # A mean over the steps of sequences that count.
        return None
    layout = layer.layout(place.input_shape)
    return _of_maps([GlobalAverage(layout.n_axes)], layout, place, gives_maps=False)


def _activation(
    layer: ActivationLayer, place: Placed, params: Tensors, gradients: Tensors
) -> list[LayerFunction] | None:
    activation = function_of(layer.function, params, gradients, n_pixel_axes=len(place.output_shape) - 1)
    return None if activation is None else [ActivationOutOfPlace(activation, trains=bool(gradients))]


def _batch_norm(
    layer: BatchNormLayer, place: Placed, params: Tensors, gradients: Tensors
) -> list[LayerFunction] | None:
    # On a GPU autograd chooses between several kernels, such as those of cuDNN.
    on_cpu = params["gamma"].device.type == "cpu"
    if not on_cpu:
        return None
    return [BatchNorm(params, gradients, layer.alpha, layer.epsilon, layer.keeps_statistics)]


def _sum(
    layer: SumLayer | AverageLayer, place: Placed, params: Tensors, gradients: Tensors
) -> list[LayerFunction] | None:
    divisor = len(layer.inputs) if isinstance(layer, AverageLayer) else 1
    return [Sum(divisor)] if layer.crop == "none" else None


# From the type of a layer to the function (layer, place, params, gradients) -> its functions, or None.
_BY_TYPE: dict[type[Layer], Callable[[Any, Placed, Tensors, Tensors], list[LayerFunction] | None]] = {
    InputLayer: _shape,
    InputImageLayer: _shape,
    BC01ToC01BLayer: _shape,
    C01BToBC01Layer: _shape,
    FlattenLayer: _shape,
    ReshapeLayer: _shape,
    FCLayer: _dense,
    Conv1DLayer: _convolutions,
    Conv3DLayer: _convolutions,
    ConvLayer: _convolutions,
    MLPConvLayer: _convolutions,
    ActivationLayer: _activation,
    BatchNormLayer: _batch_norm,
    MaxPool1DLayer: _max_pool,
    MaxPool2DLayer: _max_pool,
    AveragePool1DLayer: _average_pool,
    AveragePool2DLayer: _average_pool,
    GlobalAveragePoolLayer: _global_average,
    DropoutLayer: lambda layer, place, numbers, gradients: [Dropout(layer.mask(place.input_shape), numbers)],
    GaussianNoiseLayer: lambda layer, place, numbers, gradients: [GaussianNoise(layer.sigma, numbers)],
    SumLayer: _sum,
    AverageLayer: _sum,
    ConcatLayer: lambda layer, *_: [Concat(layer.axis)] if layer.crop == "none" else None,
    ClassificationOutputLayer: _classes,
    MultilabelOutputLayer: _output,
    RegressionOutputLayer: _output,
}
