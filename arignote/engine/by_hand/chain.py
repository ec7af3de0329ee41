"""Chains of dense and convolutional layers, forward and backward by hand: no graph is built, and gradients land where
they are needed.

The same sums as autograd's, in a third of its time for small layers. What is not known here is left to autograd, and
tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from arignote.engine.by_hand.curves import Curve, add_up, curve_of, linear, relu
from arignote.engine.network import Network
from arignote.engine.private import log_softmax_backward
from arignote.layers.architecture import Placed
from arignote.layers.conv import ConvLayer, MLPConvLayer
from arignote.layers.dense import FCLayer
from arignote.layers.noise import DropoutLayer, GaussianNoiseLayer, dropout_mask
from arignote.layers.output import ClassificationOutputLayer
from arignote.layers.pool import MaxPool2DLayer
from arignote.layers.shape import BC01ToC01BLayer, C01BToBC01Layer, InputImageLayer, InputLayer
from arignote.optim.losses import cross_entropy

__all__ = ["Chain", "chain_of"]

_aten = torch.ops.aten


class _Link(Protocol):
    """One layer, or a part of one."""

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        """Return the output, and what `backward` needs."""

    def backward(self, g: Tensor, kept: Any, beta: float, needs_input: bool) -> Tensor:
        """Return the gradient of the input; put those of parameters where they belong (beta 1: add them).

        The gradient that it is given may be overwritten.
        """


class _Dense:
    """``f(x @ W + b)``."""

    def __init__(self, params: dict[str, Tensor], gradients: dict[str, Tensor], curve: Curve):
        self._w, self._b, self._curve = params["W"], params.get("b"), curve
        self._w_t = self._w.t()
        self._into_w, self._into_b = gradients.get("W"), gradients.get("b")

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        flat = x.flatten(1)
        sums = flat.mm(self._w)
        if self._b is not None:
            # Not addmm, which copies the bias to every row, and then reads it all.
            sums.add_(self._b)
        y, kept = self._curve.forward(sums)
        return y, (x.shape, flat, kept)

    def backward(self, g: Tensor, kept: Any, beta: float, needs_input: bool) -> Tensor:
        shape, x, of_curve = kept
        g = self._curve.backward(g, of_curve, beta)
        if self._into_w is not None:
            if beta:
                self._into_w.addmm_(x.t(), g)
            else:
                torch.mm(x.t(), g, out=self._into_w)
        add_up(self._into_b, g, beta)
        if not needs_input:
            return g
        to_x = g.mm(self._w_t)
        return to_x if len(shape) == 2 else to_x.view(shape)


class _Convolution:
    """``f(W * x + b)``."""

    def __init__(
        self, params: dict[str, Tensor], gradients: dict[str, Tensor], mark: str, stride: tuple[int, int], curve: Curve
    ):
        self._w, self._b, self._stride, self._curve = params["W" + mark], params.get("b" + mark), stride, curve
        self._into_w, self._into_b = gradients.get("W" + mark), gradients.get("b" + mark)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        sums = _aten.convolution(x, self._w, self._b, self._stride, (0, 0), (1, 1), False, (0, 0), 1)
        y, kept = self._curve.forward(sums)
        return y, (x, kept)

    def backward(self, g: Tensor, kept: Any, beta: float, needs_input: bool) -> Tensor:
        x, of_curve = kept
        g = self._curve.backward(g, of_curve, beta)
        wanted = (needs_input, self._into_w is not None, self._into_b is not None)
        to_x, *found = _aten.convolution_backward(
            g, x, self._w, (len(self._w),), self._stride, (0, 0), (1, 1), False, (0, 0), 1, wanted
        )
        for into, values in zip((self._into_w, self._into_b), found, strict=True):
            if into is not None:
                into.add_(values) if beta else into.copy_(values)
        return to_x if needs_input else g


class _MaxPool:
    def __init__(self, pool_shape: tuple[int, int], stride: tuple[int, int]):
        self._how = (pool_shape, stride, (0, 0), (1, 1), False)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        y, places = _aten.max_pool2d_with_indices(x, *self._how)
        return y, (x, places)

    def backward(self, g: Tensor, kept: Any, beta: float, needs_input: bool) -> Tensor:
        x, places = kept
        found: Tensor = _aten.max_pool2d_with_indices_backward(g, x, *self._how, places)
        return found


class _Activation:
    """An activation that stands alone."""

    def __init__(self, curve: Curve):
        self._curve = curve

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return self._curve.forward(x)

    def backward(self, g: Tensor, kept: Any, beta: float, needs_input: bool) -> Tensor:
        return self._curve.backward(g, kept, beta)


class _Dropout:
    def __init__(self, p: float):
        self._draw = dropout_mask(p)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        mask = self._draw(x)
        return x * mask, mask

    def backward(self, g: Tensor, kept: Any, beta: float, needs_input: bool) -> Tensor:
        return g.mul_(kept)


class _Noise:
    def __init__(self, sigma: float):
        self._sigma = sigma

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return x + self._sigma * torch.randn_like(x), None

    def backward(self, g: Tensor, kept: Any, beta: float, needs_input: bool) -> Tensor:
        return g


class _Shape:
    """Layers that only give another shape."""

    def __init__(self, size: tuple[int, ...]):
        self._size = size

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return x.reshape(-1, *self._size), x.shape

    def backward(self, g: Tensor, kept: Any, beta: float, needs_input: bool) -> Tensor:
        return g.reshape(kept)


class Chain:
    """Loss and gradients of a network whose layers are all known here.

    Parameters
    ----------
    links : sequence of _Link
        The layers in order.
    loss : callable
        (logits, y[, weights]) -> mean.
    device : torch.device
        Where the network lives.
    """

    def __init__(self, links: Sequence[_Link], loss: Callable[..., Tensor], device: torch.device):
        self._links, self._loss = links, loss
        self._one = torch.ones((), device=device)
        first = next(n for n, link in enumerate(links) if isinstance(link, _Dense | _Convolution))
        self._first = first

    def __call__(self, x: Tensor, y: Tensor, weights: Tensor | None, share: float, beta: float) -> Tensor:
        """Put the gradients of ``share * loss`` where the network keeps them (beta 1: add them); return that loss."""
        # No tensor here asks for a gradient, so that autograd records nothing.
        kept = []
        for link in self._links:
            x, of_link = link.forward(x)
            kept.append(of_link)
        loss, g = self._of_logits(x, y, weights, share)
        for n in range(len(self._links) - 1, self._first - 1, -1):
            g = self._links[n].backward(g, kept[n], beta, n > self._first)
        return loss

    def _of_logits(self, logits: Tensor, y: Tensor, weights: Tensor | None, share: float) -> tuple[Tensor, Tensor]:
        if self._loss is cross_entropy and weights is None and y.ndim == 1 and share == 1:
            log_p = torch.log_softmax(logits, 1)
            loss, n = _aten.nll_loss_forward(log_p, y, None, 1, -100)
            g = _aten.nll_loss_backward(self._one, log_p, y, None, 1, -100, n)
            return loss, log_softmax_backward(g, log_p)
        leaf = logits.detach().requires_grad_()
        loss = self._loss(leaf, y) if weights is None else self._loss(leaf, y, weights)
        loss = loss if share == 1 else loss * share
        (g,) = torch.autograd.grad(loss, leaf)
        return loss.detach(), g


def chain_of(network: Network, loss: Callable[..., Tensor]) -> Chain | None:
    """Return the chain of a network; None where autograd is needed, which is a matter of its layers and its setup."""
    setup = network.setup
    if setup.cast is not None or (setup.compile and network.device.type != "cpu"):
        # On a GPU one compiled kernel is faster than many small ones; on a CPU it is slower than what is here.
        return None
    gradients = network.flat_views(network.gradients)
    links: list[_Link] = []
    for place, (params, _) in network.placed():
        own = {name: tensor.detach() for name, tensor in params.items()}
        into = {name: gradients[f"{place.name}.{name}"] for name in own if f"{place.name}.{name}" in gradients}
        found = _links(place, own, into)
        if found is None:
            return None
        if isinstance(place.layer, MaxPool2DLayer) and links and isinstance(links[-1], _Activation):
            # The largest of rectified values is the largest, rectified: the same bits, of fewer values.
            found.append(links.pop())
        links += found
    return Chain(links, loss, network.device)


def _links(place: Placed, params: dict[str, Tensor], gradients: dict[str, Tensor]) -> list[_Link] | None:
    layer = place.layer
    if isinstance(layer, InputLayer | InputImageLayer | BC01ToC01BLayer | C01BToBC01Layer):
        return [] if place.output_shape == place.input_shape else [_Shape(place.output_shape)]
    if isinstance(layer, DropoutLayer):
        return [_Dropout(layer.dropout_p)]
    if isinstance(layer, GaussianNoiseLayer):
        return [_Noise(layer.sigma)]
    if isinstance(layer, MaxPool2DLayer):
        return [_MaxPool(layer.pool_shape, layer.stride or layer.pool_shape)]
    if isinstance(layer, ClassificationOutputLayer) and layer.n_classes != 1:
        return [_Dense(params, gradients, linear)]
    if isinstance(layer, FCLayer):
        curve = curve_of(layer.activation, params, gradients)
        return None if curve is None else [_Dense(params, gradients, curve)]
    if isinstance(layer, ConvLayer | MLPConvLayer):
        return _convolutions(layer, params, gradients)
    return None


def _convolutions(
    layer: ConvLayer | MLPConvLayer, params: dict[str, Tensor], gradients: dict[str, Tensor]
) -> list[_Link] | None:
    found: list[_Link] = []
    for stage in range(sum(name.startswith("W") for name in params)):
        mark, stride = str(stage or ""), layer.stride if stage == 0 else (1, 1)
        curve = curve_of(layer.activation, params, gradients, mark, n_pixel_axes=2)
        if curve is None:
            return None
        if curve is relu:
            found += [_Convolution(params, gradients, mark, stride, linear), _Activation(relu)]
        else:
            found.append(_Convolution(params, gradients, mark, stride, curve))
    return found
