"""Layers without weights, forward and backward: activations alone, noise, pooling, shapes, merges."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from arignote.engine.by_hand.activations import ActivationFunction, relu

__all__ = [
    "ActivationInPlace",
    "ActivationOutOfPlace",
    "AveragePool",
    "Concat",
    "Dropout",
    "GaussianNoise",
    "GlobalAverage",
    "MaxPool",
    "Reshape",
    "Sum",
    "Transpose",
]

_aten = torch.ops.aten


class ActivationInPlace:
    """An activation that overwrites its input."""

    trains = False

    def __init__(self, activation: ActivationFunction):
        self._activation = activation

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return self._activation.forward(x)

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return self._activation.backward(g, saved, beta)


class ActivationOutOfPlace:
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
    """``x * mask``, the mask drawn at each forward pass.

    Parameters
    ----------
    mask : callable
        As `DropoutLayer.mask` returns it.
    numbers : mapping of str to float
        What follows a rule; it changes while training.
    """

    trains = False

    def __init__(self, mask: Callable[[Tensor, Mapping[str, Tensor]], Tensor], numbers: Mapping[str, Tensor]):
        self._mask, self._numbers = mask, numbers

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mask = self._mask(x, self._numbers)
        return x * mask, mask

    def backward(self, g: Tensor, saved: Tensor, beta: float, needs_input: bool) -> Tensor:
        grad_x: Tensor = g * saved
        return grad_x


class GaussianNoise:
    """``x + sigma * n``, n standard normal; `numbers` are as of `Dropout`."""

    trains = False

    def __init__(self, sigma: float, numbers: Mapping[str, Tensor]):
        self._sigma, self._numbers = sigma, numbers

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return x + self._numbers.get("sigma", self._sigma) * torch.randn_like(x), None

    def backward(self, g: Tensor, saved: None, beta: float, needs_input: bool) -> Tensor:
        return g


class Reshape:
    """A change of the shape alone."""

    trains = False

    def __init__(self, size: tuple[int, ...]):
        self._size = size

    def forward(self, x: Tensor) -> tuple[Tensor, torch.Size]:
        return x.reshape(-1, *self._size), x.shape

    def backward(self, g: Tensor, saved: torch.Size, beta: float, needs_input: bool) -> Tensor:
        return g.reshape(saved)


class Transpose:
    """The last two axes exchanged."""

    trains = False

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return x.transpose(1, 2), None

    def backward(self, g: Tensor, saved: None, beta: float, needs_input: bool) -> Tensor:
        return g.transpose(1, 2)


class _Pool:
    """Base class of pooling; a series (n, channels, steps) is an image of one row."""

    trains = False

    def __init__(self, window: tuple[int, ...], stride: tuple[int, ...], zeros: tuple[int, ...], ignore_border: bool):
        self._is_series = len(window) == 1
        if self._is_series:
            window, stride, zeros = (1, *window), (1, *stride), (0, *zeros)
        self._window, self._stride, self._zeros, self._ceil = window, stride, zeros, not ignore_border

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        if not self._is_series:
            return self._forward(x)
        y, saved = self._forward(x[:, :, None])
        return y[:, :, 0], saved

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> Tensor:
        return self._backward(g[:, :, None], saved)[:, :, 0] if self._is_series else self._backward(g, saved)

    @abstractmethod
    def _forward(self, x: Tensor) -> tuple[Tensor, Any]:
        """Return the output for images, and what `_backward` needs."""

    @abstractmethod
    def _backward(self, g: Tensor, saved: Any) -> Tensor:
        """Return the gradient of the input."""


class MaxPool(_Pool):
    """Largest value of each window."""

    def _forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        # Dilation, and whether windows may reach beyond the edge.
        y, indices = _aten.max_pool2d_with_indices(x, self._window, self._stride, self._zeros, (1, 1), self._ceil)
        return y, (x, indices)

    def _backward(self, g: Tensor, saved: tuple[Tensor, Tensor]) -> Tensor:
        x, indices = saved
        grad_x: Tensor = _aten.max_pool2d_with_indices_backward(
            g, x, self._window, self._stride, self._zeros, (1, 1), self._ceil, indices
        )
        return grad_x


class AveragePool(_Pool):
    """Mean of each window."""

    def __init__(
        self,
        window: tuple[int, ...],
        stride: tuple[int, ...],
        zeros: tuple[int, ...],
        ignore_border: bool,
        count_include_pad: bool,
    ):
        super().__init__(window, stride, zeros, ignore_border)
        # Whether windows may reach beyond the edge, whether zeros count, and another divisor.
        self._options = (self._window, self._stride, self._zeros, self._ceil, count_include_pad, None)

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return _aten.avg_pool2d(x, *self._options), x

    def _backward(self, g: Tensor, saved: Tensor) -> Tensor:
        grad_x: Tensor = _aten.avg_pool2d_backward(g, saved, *self._options)
        return grad_x


class GlobalAverage:
    """Mean of each map over its pixels or steps."""

    trains = False

    def __init__(self, n_axes: int = 2):
        self._axes = tuple(range(2, 2 + n_axes))

    def forward(self, x: Tensor) -> tuple[Tensor, torch.Size]:
        return x.mean(self._axes), x.shape

    def backward(self, g: Tensor, saved: torch.Size, beta: float, needs_input: bool) -> Tensor:
        means: Tensor = g.reshape(*g.shape, *(1 for _ in self._axes)) / saved[2:].numel()
        # Expanded, so that what is computed with it takes the memory format of the other operand.
        return means.expand(saved)


class Sum:
    """``x_1 + x_2 + ...``, divided by `divisor`."""

    trains = False

    def __init__(self, divisor: int = 1):
        self._divisor = divisor

    def forward(self, x: list[Tensor]) -> tuple[Tensor, int]:
        # Not in place: other layers may take the inputs too.
        y = x[0] + x[1]
        for other in x[2:]:
            y.add_(other)
        return y.div_(self._divisor) if self._divisor > 1 else y, len(x)

    def backward(self, g: Tensor, saved: int, beta: float, needs_input: bool) -> list[Tensor]:
        g = g / self._divisor if self._divisor > 1 else g
        return [g] * saved


class Concat:
    """Tensors joined along an axis."""

    trains = False

    def __init__(self, axis: int):
        self._axis = axis

    def forward(self, x: list[Tensor]) -> tuple[Tensor, list[int]]:
        return torch.cat(x, self._axis), [one.shape[self._axis] for one in x]

    def backward(self, g: Tensor, saved: list[int], beta: float, needs_input: bool) -> list[Tensor]:
        # Views of one tensor, which the layers that take them may overwrite.
        return [one.clone(memory_format=torch.contiguous_format) for one in torch.split(g, saved, self._axis)]
