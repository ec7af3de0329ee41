"""Forward and backward passes of chains of layers without autograd: gradients are written into the flat vector.

The sums are those of autograd, in a third of its time for small layers. Networks with other layers are left to
autograd, and tests compare the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from arignote.engine.by_hand.activations import ActivationFunction, function_of, linear, relu, write_unit_sums
from arignote.engine.by_hand.losses import loss_and_gradient
from arignote.engine.network import Network
from arignote.layers.architecture import Placed
from arignote.layers.conv import ConvLayer, MLPConvLayer
from arignote.layers.dense import FCLayer
from arignote.layers.noise import DropoutLayer, GaussianNoiseLayer, dropout_mask
from arignote.layers.output import ClassificationOutputLayer, MultilabelOutputLayer, RegressionOutputLayer
from arignote.layers.pool import MaxPool2DLayer
from arignote.layers.shape import BC01ToC01BLayer, C01BToBC01Layer, InputImageLayer, InputLayer
from arignote.optim.losses import Loss

__all__ = ["Chain", "LayerFunction", "chain_of"]

_aten = torch.ops.aten


class LayerFunction(Protocol):
    """Forward and backward pass of one layer, or of a part of one, as a `torch.autograd.Function` without its graph."""

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        """Return the output, and what `backward` needs."""

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        """Return the gradient of the input, and write those of the parameters.

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
        """


class _Dense:
    """``f(x @ W + b)``."""

    def __init__(self, params: dict[str, Tensor], gradients: dict[str, Tensor], activation: ActivationFunction):
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
        stride: tuple[int, int],
        activation: ActivationFunction,
    ):
        self._w, self._b = params["W" + suffix], params.get("b" + suffix)
        self._stride, self._activation = stride, activation
        self._grad_w, self._grad_b = gradients.get("W" + suffix), gradients.get("b" + suffix)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        sums = _aten.convolution(x, self._w, self._b, self._stride, (0, 0), (1, 1), False, (0, 0), 1)
        y, saved = self._activation.forward(sums)
        return y, (x, saved)

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        x, saved_of_activation = saved
        g = self._activation.backward(g, saved_of_activation, beta)
        output_mask = (needs_input, self._grad_w is not None, self._grad_b is not None)
        grad_x, *of_params = _aten.convolution_backward(
            g, x, self._w, (len(self._w),), self._stride, (0, 0), (1, 1), False, (0, 0), 1, output_mask
        )
        for gradient, values in zip((self._grad_w, self._grad_b), of_params, strict=True):
            if gradient is not None:
                gradient.add_(values) if beta else gradient.copy_(values)
        return grad_x if needs_input else g


class _MaxPool:
    """Largest value of each window."""

    def __init__(self, pool_shape: tuple[int, int], stride: tuple[int, int]):
        self._window = (pool_shape, stride, (0, 0), (1, 1), False)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        y, indices = _aten.max_pool2d_with_indices(x, *self._window)
        return y, (x, indices)

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        x, indices = saved
        grad_x: Tensor = _aten.max_pool2d_with_indices_backward(g, x, *self._window, indices)
        return grad_x


class _Activation:
    """An activation that is not part of a layer."""

    def __init__(self, activation: ActivationFunction):
        self._activation = activation

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return self._activation.forward(x)

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return self._activation.backward(g, saved, beta)


class _Dropout:
    """``x * mask``, the mask drawn at each forward pass."""

    def __init__(self, p: float):
        self._draw = dropout_mask(p)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        mask = self._draw(x)
        return x * mask, mask

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return g.mul_(saved)


class _Noise:
    """``x + sigma * n``, n standard normal."""

    def __init__(self, sigma: float):
        self._sigma = sigma

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return x + self._sigma * torch.randn_like(x), None

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return g


class _Shape:
    """A change of the shape alone."""

    def __init__(self, size: tuple[int, ...]):
        self._size = size

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return x.reshape(-1, *self._size), x.shape

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return g.reshape(saved)


class Chain:
    """Loss and gradients of a network, each layer of which has a `LayerFunction`.

    Parameters
    ----------
    functions : sequence of LayerFunction
        Those of the layers, in order.
    loss : Loss
        What is minimised.
    device : torch.device
        Device of the network.
    """

    def __init__(self, functions: Sequence[LayerFunction], loss: Loss, device: torch.device):
        self._functions = functions
        self._loss_and_gradient = loss_and_gradient(loss, device)
        # Layers before the first one with parameters need no gradient.
        self._first = next(n for n, function in enumerate(functions) if isinstance(function, _Dense | _Convolution))

    def __call__(self, x: Tensor, y: Tensor, weights: Tensor | None, share: float, beta: float) -> Tensor:
        """Write the gradients of ``share * loss`` into the flat vector (beta 1: add them), and return that loss."""
        # No tensor here requires a gradient, so that autograd records nothing.
        saved_of = []
        for function in self._functions:
            x, saved = function.forward(x)
            saved_of.append(saved)
        loss, g = self._loss_and_gradient(x, y, weights, share)
        for n in range(len(self._functions) - 1, self._first - 1, -1):
            g = self._functions[n].backward(g, saved_of[n], beta, n > self._first)
        return loss


def chain_of(network: Network, loss: Loss) -> Chain | None:
    """Return the chain of a network; None if autograd is needed, because of one of its layers or of its setup."""
    setup = network.setup
    if setup.cast is not None or (setup.compile and network.device.type != "cpu"):
        # On a GPU one compiled kernel is faster than many small ones; on a CPU it is slower than a chain.
        return None
    gradients = network.flat_views(network.gradients)
    functions: list[LayerFunction] = []
    for place, (params, _) in network.placed():
        tensors = {name: tensor.detach() for name, tensor in params.items()}
        own = {name: gradients[f"{place.name}.{name}"] for name in tensors if f"{place.name}.{name}" in gradients}
        of_layer = _functions(place, tensors, own)
        if of_layer is None:
            return None
        if isinstance(place.layer, MaxPool2DLayer) and functions and isinstance(functions[-1], _Activation):
            # Pooling before the activation gives the same bits from fewer values, as a rectifier keeps their order.
            of_layer.append(functions.pop())
        functions += of_layer
    return Chain(functions, loss, network.device)


def _functions(place: Placed, params: dict[str, Tensor], gradients: dict[str, Tensor]) -> list[LayerFunction] | None:
    """Return the functions of a layer; None if it has none here. A parameter without a gradient is fixed."""
    layer = place.layer
    if isinstance(layer, InputLayer | InputImageLayer | BC01ToC01BLayer | C01BToBC01Layer):
        return [] if place.output_shape == place.input_shape else [_Shape(place.output_shape)]
    if isinstance(layer, DropoutLayer):
        return [_Dropout(layer.dropout_p)]
    if isinstance(layer, GaussianNoiseLayer):
        return [_Noise(layer.sigma)]
    if isinstance(layer, MaxPool2DLayer):
        return [_MaxPool(layer.pool_shape, layer.stride or layer.pool_shape)]
    if isinstance(layer, ClassificationOutputLayer) and layer.n_classes == 1:
        return None
    if isinstance(layer, ClassificationOutputLayer | MultilabelOutputLayer | RegressionOutputLayer):
        return [_Dense(params, gradients, linear)]
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
        suffix, stride = str(stage or ""), layer.stride if stage == 0 else (1, 1)
        activation = function_of(layer.activation, params, gradients, suffix, n_pixel_axes=2)
        if activation is None:
            return None
        if activation is relu:
            functions += [_Convolution(params, gradients, suffix, stride, linear), _Activation(relu)]
        else:
            functions.append(_Convolution(params, gradients, suffix, stride, activation))
    return functions
