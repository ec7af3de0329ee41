"""Forward and backward passes of single layers without autograd.

The sums are those of autograd, in a third of its time for small layers; tests compare the two.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from arignote.engine.by_hand.activations import ActivationFunction, function_of, linear, relu, write_unit_sums
from arignote.layers.alone import ActivationLayer
from arignote.layers.architecture import Placed
from arignote.layers.conv import ConvLayer, MLPConvLayer
from arignote.layers.dense import FCLayer
from arignote.layers.merge import AverageLayer, ConcatLayer, MergeLayer, SumLayer
from arignote.layers.noise import DropoutLayer, GaussianNoiseLayer, dropout_mask
from arignote.layers.norm import BatchNormLayer
from arignote.layers.output import ClassificationOutputLayer, MultilabelOutputLayer, RegressionOutputLayer
from arignote.layers.pool import GlobalAveragePoolLayer, MaxPool2DLayer
from arignote.layers.shape import BC01ToC01BLayer, C01BToBC01Layer, InputImageLayer, InputLayer

__all__ = ["Activation", "LayerFunction", "MaxPool", "functions_of"]

_aten = torch.ops.aten
# Stride, zeros around each map, dilation, number of groups.
Geometry = tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]
_OF_PIXELS: Geometry = ((1, 1), (0, 0), (1, 1), 1)


class LayerFunction(Protocol):
    """Forward and backward pass of one layer, or of a part of one, as a `torch.autograd.Function` without its graph.

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
            Gradient of the output; it may be overwritten.
        saved : object
            The second value that `forward` returned.
        beta : float
            0: gradients of parameters are overwritten; 1: they are added to.
        needs_input : bool
            Whether the gradient of the input is needed; otherwise any tensor is returned.

        Returns
        -------
        Tensor or list of Tensor
            They may be overwritten: none of them shares memory with another one, or with an output.
        """


class _Dense:
    """``f(x @ W + b)``."""

    def __init__(self, params: dict[str, Tensor], gradients: dict[str, Tensor], activation: ActivationFunction):
        self.trains = bool(gradients)
        self._w, self._b, self._activation = params["W"], params.get("b"), activation
        self._w_t = self._w.t()
        self._grad_w, self._grad_b = gradients.get("W"), gradients.get("b")

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        flat = x.flatten(1)
        sums = flat.mm(self._w)
        if self._b is not None:
            # Not addmm, which copies the bias to every row, and then reads it all.
            sums.add_(self._b)
        y, saved = self._activation.forward(sums)
        return y, (x.shape, flat, saved)

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        shape, x, saved_of_activation = saved
        g = self._activation.backward(g, saved_of_activation, beta)
        if self._grad_w is not None:
            if beta:
                self._grad_w.addmm_(x.t(), g)
            else:
                torch.mm(x.t(), g, out=self._grad_w)
        write_unit_sums(self._grad_b, g, beta)
        if not needs_input:
            return g
        grad_x = g.mm(self._w_t)
        return grad_x if len(shape) == 2 else grad_x.view(shape)


class _Convolution:
    """``f(W * x + b)``."""

    def __init__(
        self,
        params: dict[str, Tensor],
        gradients: dict[str, Tensor],
        suffix: str,
        geometry: Geometry,
        activation: ActivationFunction,
    ):
        self.trains = bool(gradients)
        self._w, self._b = params["W" + suffix], params.get("b" + suffix)
        self._geometry, self._activation = geometry, activation
        self._grad_w, self._grad_b = gradients.get("W" + suffix), gradients.get("b" + suffix)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        stride, pad, dilation, n_groups = self._geometry
        sums = _aten.convolution(x, self._w, self._b, stride, pad, dilation, False, (0, 0), n_groups)
        y, saved = self._activation.forward(sums)
        return y, (x, saved)

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        x, saved_of_activation = saved
        g = self._activation.backward(g, saved_of_activation, beta)
        stride, pad, dilation, n_groups = self._geometry
        output_mask = (needs_input, self._grad_w is not None, self._grad_b is not None)
        grad_x, *of_params = _aten.convolution_backward(
            g, x, self._w, (len(self._w),), stride, pad, dilation, False, (0, 0), n_groups, output_mask
        )
        for gradient, values in zip((self._grad_w, self._grad_b), of_params, strict=True):
            if gradient is not None:
                gradient.add_(values) if beta else gradient.copy_(values)
        return grad_x if needs_input else g


class MaxPool:
    """Largest value of each window."""

    trains = False

    def __init__(self, pool_shape: tuple[int, int], stride: tuple[int, int]):
        self._window = (pool_shape, stride, (0, 0), (1, 1), False)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        y, indices = _aten.max_pool2d_with_indices(x, *self._window)
        return y, (x, indices)

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        x, indices = saved
        grad_x: Tensor = _aten.max_pool2d_with_indices_backward(g, x, *self._window, indices)
        return grad_x


class Activation:
    """An activation that is not part of a layer."""

    trains = False

    def __init__(self, activation: ActivationFunction):
        self._activation = activation

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return self._activation.forward(x)

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return self._activation.backward(g, saved, beta)


class _Alone:
    """An activation whose input others may take, or its producer may have kept."""

    def __init__(self, activation: ActivationFunction, trains: bool):
        self._activation, self.trains = activation, trains

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        if self._activation is relu:
            # One pass, where a copy and the rectifier in place are two.
            y = x.relu()
            return y, y
        # Activations overwrite the sums that they are given.
        return self._activation.forward(x.clone())

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return self._activation.backward(g, saved, beta)


class _Dropout:
    """``x * mask``, the mask drawn at each forward pass."""

    trains = False

    def __init__(self, p: float):
        self._draw = dropout_mask(p)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        mask = self._draw(x)
        return x * mask, mask

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return g.mul_(saved)


class _Noise:
    """``x + sigma * n``, n standard normal."""

    trains = False

    def __init__(self, sigma: float):
        self._sigma = sigma

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return x + self._sigma * torch.randn_like(x), None

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return g


class _Shape:
    """A change of the shape alone."""

    trains = False

    def __init__(self, size: tuple[int, ...]):
        self._size = size

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return x.reshape(-1, *self._size), x.shape

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return g.reshape(saved)


class _BatchNorm:
    """Normalisation by mean and variance of the batch, or by the running ones; on a CPU, as autograd calls it there."""

    def __init__(self, params: dict[str, Tensor], gradients: dict[str, Tensor], alpha: float, epsilon: float):
        self.trains = bool(gradients)
        self._gamma, self._beta, self._mean, self._var = (params[name] for name in ("gamma", "beta", "mean", "var"))
        self._gradients = gradients.get("gamma"), gradients.get("beta")
        self._alpha, self._epsilon = alpha, epsilon

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        # A single value of each unit has no variance.
        uses_batch = x.numel() > x.shape[1]
        y, mean, inverse = _aten.native_batch_norm(
            x, self._gamma, self._beta, self._mean, self._var, uses_batch, self._alpha, self._epsilon
        )
        return y, (x, mean, inverse, uses_batch)

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        x, mean, inverse, uses_batch = saved
        mask = (needs_input, *(gradient is not None for gradient in self._gradients))
        statistics = (self._gamma, self._mean, self._var, mean, inverse)
        grad_x, *of_params = _aten.native_batch_norm_backward(g, x, *statistics, uses_batch, self._epsilon, mask)
        for gradient, values in zip(self._gradients, of_params, strict=True):
            if gradient is not None:
                gradient.add_(values) if beta else gradient.copy_(values)
        return grad_x if needs_input else g


class _GlobalAverage:
    """Mean of all pixels of each map."""

    trains = False

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return x.mean((2, 3)), x.shape

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        grad_x: Tensor = g[:, :, None, None].expand(saved) / (saved[2] * saved[3])
        return grad_x


class _Sum:
    """``x_1 + x_2 + ...``, divided by `divisor`."""

    trains = False

    def __init__(self, divisor: int = 1):
        self._divisor = divisor

    def forward(self, x: list[Tensor]) -> tuple[Tensor, Any]:
        y = x[0] + x[1]
        for other in x[2:]:
            y.add_(other)
        return y.div_(self._divisor) if self._divisor > 1 else y, len(x)

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> list[Tensor]:
        g = g.div_(self._divisor) if self._divisor > 1 else g
        return [g, *(g.clone() for _ in range(saved - 1))]


class _Concat:
    """Tensors one behind the other along an axis."""

    trains = False

    def __init__(self, axis: int):
        self._axis = axis

    def forward(self, x: list[Tensor]) -> tuple[Tensor, Any]:
        return torch.cat(x, self._axis), [part.shape[self._axis] for part in x]

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> list[Tensor]:
        return [part.clone(memory_format=torch.contiguous_format) for part in torch.split(g, saved, self._axis)]


def functions_of(place: Placed, params: dict[str, Tensor], gradients: dict[str, Tensor]) -> list[LayerFunction] | None:
    """Return the functions of a layer; None if it has none here. A parameter without a gradient is fixed."""
    layer = place.layer
    if isinstance(layer, InputLayer | InputImageLayer | BC01ToC01BLayer | C01BToBC01Layer):
        return [] if place.output_shape == place.input_shape else [_Shape(place.output_shape)]
    if isinstance(layer, DropoutLayer):
        return [_Dropout(layer.dropout_p)]
    if isinstance(layer, GaussianNoiseLayer):
        return [_Noise(layer.sigma)]
    if isinstance(layer, MergeLayer):
        return _merging(layer)
    if isinstance(layer, BatchNormLayer) and params["gamma"].device.type == "cpu":
        return [_BatchNorm(params, gradients, layer.alpha, layer.epsilon)]
    if isinstance(layer, GlobalAveragePoolLayer):
        return [_GlobalAverage()]
    if isinstance(layer, MaxPool2DLayer):
        return [MaxPool(layer.pool_shape, layer.stride or layer.pool_shape)]
    if isinstance(layer, ClassificationOutputLayer) and layer.n_classes == 1:
        # One sum becomes the logits (0, z).
        return None
    if isinstance(layer, ClassificationOutputLayer | MultilabelOutputLayer | RegressionOutputLayer):
        return [_Dense(params, gradients, linear)]
    if isinstance(layer, ActivationLayer):
        activation = function_of(layer.function, params, gradients, n_pixel_axes=len(place.output_shape) - 1)
        return None if activation is None else [_Alone(activation, trains=bool(gradients))]
    if isinstance(layer, FCLayer):
        activation = function_of(layer.activation, params, gradients)
        return None if activation is None else [_Dense(params, gradients, activation)]
    if isinstance(layer, ConvLayer | MLPConvLayer):
        return _convolutions(layer, params, gradients)
    return None


def _convolutions(
    layer: ConvLayer | MLPConvLayer, params: dict[str, Tensor], gradients: dict[str, Tensor]
) -> list[LayerFunction] | None:
    """Return the functions of the stages of a convolutional layer; those after the first have windows of 1x1."""
    functions: list[LayerFunction] = []
    for stage in range(sum(name.startswith("W") for name in params)):
        suffix = str(stage or "")
        geometry = (layer.stride, layer.zeros, layer.dilation, layer.n_groups) if stage == 0 else _OF_PIXELS
        activation = function_of(layer.activation, params, gradients, suffix, n_pixel_axes=2)
        if activation is None:
            return None
        if activation is relu:
            functions += [_Convolution(params, gradients, suffix, geometry, linear), Activation(relu)]
        else:
            functions.append(_Convolution(params, gradients, suffix, geometry, activation))
    return functions


def _merging(layer: MergeLayer) -> list[LayerFunction] | None:
    """Return the function of a merge layer; None if it has none here, or if it crops its inputs."""
    if layer.crop != "none":
        return None
    if isinstance(layer, SumLayer):
        return [_Sum()]
    if isinstance(layer, AverageLayer):
        return [_Sum(divisor=len(layer.inputs))]
    return [_Concat(layer.axis)] if isinstance(layer, ConcatLayer) else None
