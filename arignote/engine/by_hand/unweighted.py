"""Layers without weights, forward and backward: activations alone, noise, pooling, shapes, merges."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from arignote.engine.by_hand.activations import ActivationFunction, relu
from arignote.layers.noise import dropout_mask

__all__ = [
    "Activation",
    "ActivationAlone",
    "Concat",
    "Dropout",
    "GlobalAverage",
    "MaxPool",
    "Noise",
    "Reshape",
    "Sum",
]

_aten = torch.ops.aten


class Activation:
    """An activation behind a convolution, whose sums it overwrites."""

    trains = False

    def __init__(self, activation: ActivationFunction):
        self._activation = activation

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return self._activation.forward(x)

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return self._activation.backward(g, saved, beta)


class ActivationAlone:
    """An activation as a layer: its input is not overwritten, as other layers may take it."""

    def __init__(self, activation: ActivationFunction, trains: bool):
        self.activation, self.trains = activation, trains

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        if self.activation is relu:
            # One pass, where a copy and the rectifier in place are two.
            y = x.relu()
            return y, y
        # Activations overwrite the sums that they are given.
        return self.activation.forward(x.clone())

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return self.activation.backward(g, saved, beta)


class Dropout:
    """``x * mask``, the mask drawn at each forward pass."""

    trains = False

    def __init__(self, p: float):
        self._draw = dropout_mask(p)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        mask = self._draw(x)
        return x * mask, mask

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        grad_x: Tensor = g * saved
        return grad_x


class Noise:
    """``x + sigma * n``, n standard normal."""

    trains = False

    def __init__(self, sigma: float):
        self._sigma = sigma

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return x + self._sigma * torch.randn_like(x), None

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return g


class Reshape:
    """A change of the shape alone."""

    trains = False

    def __init__(self, size: tuple[int, ...]):
        self._size = size

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return x.reshape(-1, *self._size), x.shape

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return g.reshape(saved)


class MaxPool:
    """Largest value of each window."""

    trains = False

    def __init__(self, pool_shape: tuple[int, int], stride: tuple[int, int]):
        # Window, stride, padding, dilation, and whether windows may reach beyond the edge.
        self._window = (pool_shape, stride, (0, 0), (1, 1), False)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        y, indices = _aten.max_pool2d_with_indices(x, *self._window)
        return y, (x, indices)

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        x, indices = saved
        grad_x: Tensor = _aten.max_pool2d_with_indices_backward(g, x, *self._window, indices)
        return grad_x


class GlobalAverage:
    """Mean of all pixels of each map."""

    trains = False

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return x.mean((2, 3)), x.shape

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        grad_x: Tensor = g[:, :, None, None].expand(saved) / (saved[2] * saved[3])
        return grad_x


class Sum:
    """``x_1 + x_2 + ...``, divided by `divisor`."""

    trains = False

    def __init__(self, divisor: int = 1):
        self._divisor = divisor

    def forward(self, x: list[Tensor]) -> tuple[Tensor, Any]:
        # Not in place: other layers may take the inputs too.
        y = x[0] + x[1]
        for other in x[2:]:
            y.add_(other)
        return y.div_(self._divisor) if self._divisor > 1 else y, len(x)

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> list[Tensor]:
        g = g / self._divisor if self._divisor > 1 else g
        return [g] * saved


class Concat:
    """Tensors joined along an axis."""

    trains = False

    def __init__(self, axis: int):
        self._axis = axis

    def forward(self, x: list[Tensor]) -> tuple[Tensor, Any]:
        return torch.cat(x, self._axis), [one.shape[self._axis] for one in x]

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> list[Tensor]:
        # Views of one tensor, which whoever takes them may overwrite.
        return [one.clone(memory_format=torch.contiguous_format) for one in torch.split(g, saved, self._axis)]
