"""Activations: forward and backward passes without autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from arignote.layers.activations import (
    ELU,
    GELU,
    SELU,
    AbsTanh,
    Activation,
    LeakyReLU,
    Linear,
    PReLU,
    PReLUShelf,
    ReLU,
    ScaledTanh,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)

__all__ = ["ActivationFunction", "function_of", "linear", "relu", "write_unit_sums"]

_aten = torch.ops.aten
# The overload itself: its packet looks for it in each call.
_threshold_backward = _aten.threshold_backward.default


class ActivationFunction(Protocol):
    """Forward and backward pass of an activation of sums `s` (n, n_units, ...), which it may overwrite."""

    def forward(self, s: Tensor) -> tuple[Tensor, Any]:
        """Return the output, and what `backward` needs."""

    def backward(self, g: Tensor, saved: Any, beta: float) -> Tensor:
        """Return the gradient of the sums, and write those of the slopes (beta 1: add them)."""


def write_unit_sums(gradient: Tensor | None, values: Tensor, beta: float) -> None:
    """Write the sums of `values` for each unit into its gradient (n_units,); None is for parameters that are fixed.

    Sums are over all axes but the second, which is that of the units. With `beta` 1 they are added.
    """
    if gradient is None:
        return
    axes = (0,) if values.ndim == 2 else (0, *range(2, values.ndim))
    if beta:
        gradient.add_(values.sum(axes))
    else:
        torch.sum(values, axes, out=gradient)


class _Plain:
    """An activation without parameters, whose gradient is a function of its output."""

    def __init__(self, forward: Callable[[Tensor], Tensor], backward: Callable[[Tensor, Tensor], Tensor]):
        self._forward, self._backward = forward, backward

    def forward(self, s: Tensor) -> tuple[Tensor, Tensor]:
        y = self._forward(s)
        return y, y

    def backward(self, g: Tensor, saved: Tensor, beta: float) -> Tensor:
        return self._backward(g, saved)


class _OfInput:
    """An activation without parameters, whose gradient is a function of its input."""

    def __init__(self, forward: Callable[[Tensor], Tensor], backward: Callable[[Tensor, Tensor], Tensor]):
        self._forward, self._backward = forward, backward

    def forward(self, s: Tensor) -> tuple[Tensor, Tensor]:
        return self._forward(s), s

    def backward(self, g: Tensor, saved: Tensor, beta: float) -> Tensor:
        return self._backward(g, saved)


linear = _Plain(lambda s: s, lambda g, y: g)
# The kernel asks where y > 0, which is where s > 0: the sums need not be kept.
relu = _Plain(lambda s: s.relu_(), lambda g, y: _threshold_backward(g, y, 0))
_PLAIN: dict[type, ActivationFunction] = {
    Linear: linear,
    ReLU: relu,
    Tanh: _Plain(lambda s: s.tanh_(), lambda g, y: _aten.tanh_backward(g, y)),
    Sigmoid: _Plain(lambda s: s.sigmoid_(), lambda g, y: _aten.sigmoid_backward(g, y)),
    Softmax: _Plain(lambda s: s.softmax(1), lambda g, y: y * (g - (g * y).sum(1, keepdim=True))),
    # 1 and 20 are beta and threshold, as of softplus() by default.
    Softplus: _OfInput(torch.nn.functional.softplus, lambda g, s: _aten.softplus_backward(g, s, 1, 20)),
    GELU: _OfInput(torch.nn.functional.gelu, lambda g, s: _aten.gelu_backward(g, s)),
    SiLU: _OfInput(torch.nn.functional.silu, lambda g, s: _aten.silu_backward(g, s)),
}


def _leaky(slope: float) -> _Plain:
    # True: y is the output, from whose sign that of the sum follows.
    return _Plain(
        lambda s: torch.nn.functional.leaky_relu_(s, slope), lambda g, y: _aten.leaky_relu_backward(g, y, slope, True)
    )


def _exponential(alpha: float, scale: float) -> _Plain:
    """Return ``scale * (s if s > 0 else alpha * (exp(s) - 1))``."""
    return _Plain(lambda s: _aten.elu_(s, alpha, scale), lambda g, y: _aten.elu_backward(g, alpha, scale, 1, True, y))


# The constants of selu (Klambauer et al., NIPS 2017), as torch has them.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
_OF_PARAMETERS: dict[type, Callable[[Any], ActivationFunction]] = {
    LeakyReLU: lambda activation: _leaky(activation.slope),
    ELU: lambda activation: _exponential(activation.alpha, 1.0),
    SELU: lambda activation: _exponential(_SELU_ALPHA, _SELU_SCALE),
    ScaledTanh: lambda activation: _ScaledTanh(activation.scale_in, activation.scale_out),
}


class _ScaledTanh:
    """``scale_out * tanh(scale_in * s)``."""

    def __init__(self, scale_in: float, scale_out: float):
        self._scale_in, self._scale_out = scale_in, scale_out

    def forward(self, s: Tensor) -> tuple[Tensor, Tensor]:
        t = s.mul_(self._scale_in).tanh_()
        return t * self._scale_out, t

    def backward(self, g: Tensor, saved: Tensor, beta: float) -> Tensor:
        grad_s: Tensor = _aten.tanh_backward(g * (self._scale_in * self._scale_out), saved)
        return grad_s


class _AbsTanh:
    """``|tanh(s)|``."""

    def forward(self, s: Tensor) -> tuple[Tensor, Tensor]:
        t = s.tanh_()
        return t.abs(), t

    def backward(self, g: Tensor, saved: Tensor, beta: float) -> Tensor:
        grad_s: Tensor = _aten.tanh_backward(g * saved.sgn(), saved)
        return grad_s


class _PReLU:
    """``max(s, 0) + a * min(s, 0)``."""

    def __init__(self, a: Tensor, grad_a: Tensor | None):
        self._a, self._grad_a = a, grad_a

    def forward(self, s: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        below = s.clamp_max(0)
        return s.addcmul(below, self._a - 1), (s, below)

    def backward(self, g: Tensor, saved: tuple[Tensor, Tensor], beta: float) -> Tensor:
        s, below = saved
        write_unit_sums(self._grad_a, below.mul_(g), beta)
        # g + 0 * a if s > 0, else 0 + g * a: a sixth of the time of torch.where.
        above: Tensor = _aten.threshold_backward(g, s, 0)
        return above.addcmul_(g - above, self._a)


class _PReLUShelf:
    """``max(s - c, 0) - a * max(-(s + c), 0)``."""

    def __init__(self, a: Tensor, c: Tensor, grad_a: Tensor | None, grad_c: Tensor | None):
        self._a, self._c, self._grad_a, self._grad_c = a, c, grad_a, grad_c

    def forward(self, s: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        above, below = (s - self._c).relu_(), s.add_(self._c).neg_().relu_()
        return above.addcmul(below, self._a, value=-1), (above, below)

    def backward(self, g: Tensor, saved: tuple[Tensor, Tensor], beta: float) -> Tensor:
        above, below = saved
        grad_above, grad_below = _aten.threshold_backward(g, above, 0), _aten.threshold_backward(g, below, 0)
        write_unit_sums(self._grad_a, below.mul_(g).neg_(), beta)
        grad_below.mul_(self._a)
        # `above` is not read again.
        write_unit_sums(self._grad_c, torch.sub(grad_below, grad_above, out=above), beta)
        grad_s: Tensor = grad_below.add_(grad_above)
        return grad_s


def function_of(
    activation: Activation,
    params: dict[str, Tensor],
    gradients: dict[str, Tensor],
    suffix: str = "",
    n_pixel_axes: int = 0,
) -> ActivationFunction | None:
    """Return the forward and backward pass of an activation; None if it has none here.

    Parameters
    ----------
    activation : Activation
        As it is declared.
    params, gradients : dict of str to Tensor (n_units,)
        Slopes and their gradients by name; those without a gradient are fixed.
    suffix : str
        Suffix of the names: that of the stage of a convolution.
    n_pixel_axes : int
        Number of axes after that of the units: 2 for images.
    """
    kind = type(activation)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _OF_PARAMETERS:
        return _OF_PARAMETERS[kind](activation)
    if kind is AbsTanh:
        return _AbsTanh()
    if kind not in (PReLU, PReLUShelf):
        return None
    names = [name + suffix for name in activation.slopes]
    slopes = [params[name].view(-1, *(1,) * n_pixel_axes) for name in names]
    own = [gradients.get(name) for name in names]
    return _PReLU(slopes[0], own[0]) if kind is PReLU else _PReLUShelf(*slopes, *own)
