"""Layers with weights, forward and backward: dense ones, convolutions, batch normalisation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from arignote.engine.by_hand.activations import ActivationFunction, linear, write_unit_sums
from arignote.layers.windows import Geometry

__all__ = ["BatchNorm", "Convolution", "Dense"]

_aten = torch.ops.aten


class Dense:
    """``f(x @ W + b)``."""

    def __init__(self, params: dict[str, Tensor], gradients: dict[str, Tensor], activation: ActivationFunction):
        self.trains = bool(gradients)
        self._w, self._b, self._activation = params["W"], params.get("b"), activation
        self.is_linear = activation is linear
        # A view, which follows the weights.
        self._w_t = self._w.t()
        self._grad_w, self._grad_b = gradients.get("W"), gradients.get("b")

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[torch.Size, Tensor, Any]]:
        flat = x if x.ndim == 2 else x.flatten(1)
        sums = flat.mm(self._w)
        if self._b is not None:
            # Not addmm, which copies the bias to every row, and then reads it all.
            sums.add_(self._b)
        y, saved = self._activation.forward(sums)
        return y, (x.shape, flat, saved)

    def backward(self, g: Tensor, saved: tuple[torch.Size, Tensor, Any], beta: float, needs_input: bool) -> Tensor:
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


class Convolution:
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
        self._grad_w, self._grad_b = gradients.get("W" + suffix), gradients.get("b" + suffix)
        # A series (n, channels, steps) is an image of one row, which may lie in memory step by step.
        self._is_series = len(geometry.window) == 1
        if self._is_series:
            geometry, self._w = geometry.of_one_row(), self._w[:, :, None]
            self._grad_w = None if self._grad_w is None else self._grad_w[:, :, None]
        # False, zeros: not transposed, and so without padding of the output.
        self._options = (*geometry[1:4], False, (0,) * len(geometry.window), geometry.n_groups)
        self._activation = activation
        self.is_linear = activation is linear

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Any]]:
        x = x[:, :, None] if self._is_series else x
        sums = _aten.convolution(x, self._w, self._b, *self._options)
        y, saved = self._activation.forward(sums[:, :, 0] if self._is_series else sums)
        return y, (x, saved)

    def backward(self, g: Tensor, saved: tuple[Tensor, Any], beta: float, needs_input: bool) -> Tensor:
        x, saved_of_activation = saved
        g = self._activation.backward(g, saved_of_activation, beta)
        g = g[:, :, None] if self._is_series else g
        output_mask = (needs_input, self._grad_w is not None, self._grad_b is not None)
        # (len(W),) is the shape of b. The kernel returns new tensors: it cannot write into views of the flat vector.
        grad_x, *of_params = _aten.convolution_backward(g, x, self._w, (len(self._w),), *self._options, output_mask)
        for gradient, values in zip((self._grad_w, self._grad_b), of_params, strict=True):
            if gradient is not None:
                gradient.add_(values) if beta else gradient.copy_(values)
        grad_x = grad_x if needs_input else g
        return grad_x[:, :, 0] if self._is_series else grad_x


class BatchNorm:
    """Normalisation by mean and variance of the batch, or by the running ones: the kernel of autograd on a CPU."""

    def __init__(
        self,
        params: dict[str, Tensor],
        gradients: dict[str, Tensor],
        alpha: float,
        epsilon: float,
        keeps_statistics: bool,
    ):
        self.trains = bool(gradients)
        self._gamma, self._beta, self._mean, self._var = (params[name] for name in ("gamma", "beta", "mean", "var"))
        self._gradients = gradients.get("gamma"), gradients.get("beta")
        self._alpha, self._epsilon, self._keeps_statistics = alpha, epsilon, keeps_statistics

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, bool]]:
        # A single value of each unit has no variance.
        uses_batch = not self._keeps_statistics and x.numel() > x.shape[1]
        y, mean, inverse = _aten.native_batch_norm(
            x, self._gamma, self._beta, self._mean, self._var, uses_batch, self._alpha, self._epsilon
        )
        return y, (x, mean, inverse, uses_batch)

    def backward(self, g: Tensor, saved: tuple[Tensor, Tensor, Tensor, bool], beta: float, needs_input: bool) -> Tensor:
        x, mean, inverse, uses_batch = saved
        mask = (needs_input, *(gradient is not None for gradient in self._gradients))
        statistics = (self._gamma, self._mean, self._var, mean, inverse)
        grad_x, *of_params = _aten.native_batch_norm_backward(g, x, *statistics, uses_batch, self._epsilon, mask)
        for gradient, values in zip(self._gradients, of_params, strict=True):
            if gradient is not None:
                gradient.add_(values) if beta else gradient.copy_(values)
        return grad_x if needs_input else g
