"""Activations forward and backward by hand, for networks that need no graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from arignote.layers.activations import AbsTanh, Linear, PReLU, PReLUShelf, ReLU, Sigmoid, Tanh

__all__ = ["Curve", "add_up", "curve_of", "linear", "relu"]

_aten = torch.ops.aten


class Curve(Protocol):
    """An activation of sums `s` (n, n_units, ...), which it may overwrite."""

    def forward(self, s: Tensor) -> tuple[Tensor, Any]:
        """Return the output, and what `backward` needs."""

    def backward(self, g: Tensor, kept: Any, beta: float) -> Tensor:
        """Return the gradient of the sums; put those of slopes where they belong (beta 1: add them)."""


def add_up(into: Tensor | None, values: Tensor, beta: float) -> None:
    """Put the sum over all axes but the second into a gradient (n_units,), or add it."""
    if into is None:
        return
    axes = (0, *range(2, values.ndim))
    if beta:
        into.add_(values.sum(axes))
    else:
        torch.sum(values, axes, out=into)


class _Plain:
    """An activation without parameters, known by its gradient as a function of its output."""

    def __init__(self, forward: Callable[[Tensor], Tensor], backward: Callable[[Tensor, Tensor], Tensor]):
        self._forward, self._backward = forward, backward

    def forward(self, s: Tensor) -> tuple[Tensor, Any]:
        y = self._forward(s)
        return y, y

    def backward(self, g: Tensor, kept: Any, beta: float) -> Tensor:
        return self._backward(g, kept)


linear = _Plain(lambda s: s, lambda g, y: g)
relu = _Plain(lambda s: s.relu_(), lambda g, y: _aten.threshold_backward(g, y, 0))
_PLAIN = {
    Linear: linear,
    ReLU: relu,
    Tanh: _Plain(lambda s: s.tanh_(), lambda g, y: _aten.tanh_backward(g, y)),
    Sigmoid: _Plain(lambda s: s.sigmoid_(), lambda g, y: _aten.sigmoid_backward(g, y)),
}


class _AbsTanh:
    """``|tanh(s)|``."""

    def forward(self, s: Tensor) -> tuple[Tensor, Any]:
        t = s.tanh_()
        return t.abs(), t

    def backward(self, g: Tensor, kept: Any, beta: float) -> Tensor:
        found: Tensor = _aten.tanh_backward(g * kept.sgn(), kept)
        return found


class _PReLU:
    """``max(s, 0) + a * min(s, 0)``."""

    def __init__(self, a: Tensor, into: Tensor | None):
        self._a, self._into = a, into

    def forward(self, s: Tensor) -> tuple[Tensor, Any]:
        below = s.clamp_max(0)
        return s.addcmul(below, self._a - 1), (s, below)

    def backward(self, g: Tensor, kept: Any, beta: float) -> Tensor:
        s, below = kept
        add_up(self._into, below.mul_(g), beta)
        # Where s > 0, g + 0 * a; elsewhere 0 + g * a: a sixth of the time of a choice.
        above: Tensor = _aten.threshold_backward(g, s, 0)
        return above.addcmul_(g - above, self._a)


class _PReLUShelf:
    """``max(s - c, 0) - a * max(-(s + c), 0)``."""

    def __init__(self, a: Tensor, c: Tensor, into_a: Tensor | None, into_c: Tensor | None):
        self._a, self._c, self._into_a, self._into_c = a, c, into_a, into_c

    def forward(self, s: Tensor) -> tuple[Tensor, Any]:
        above, below = (s - self._c).relu_(), s.add_(self._c).neg_().relu_()
        return above.addcmul(below, self._a, value=-1), (above, below)

    def backward(self, g: Tensor, kept: Any, beta: float) -> Tensor:
        above, below = kept
        to_above, to_below = _aten.threshold_backward(g, above, 0), _aten.threshold_backward(g, below, 0)
        add_up(self._into_a, below.mul_(g).neg_(), beta)
        to_below.mul_(self._a)
        # `above` is needed no more.
        add_up(self._into_c, torch.sub(to_below, to_above, out=above), beta)
        found: Tensor = to_below.add_(to_above)
        return found


def curve_of(
    activation: Any, params: dict[str, Tensor], gradients: dict[str, Tensor], mark: str = "", n_pixel_axes: int = 0
) -> Curve | None:
    """Return an activation by hand; None for one that is not known here.

    Parameters
    ----------
    activation : Activation
        As it is declared.
    params, gradients : dict of str to Tensor (n_units,)
        Slopes, and where their gradients belong, by name.
    mark : str
        End of the names.
    n_pixel_axes : int
        Axes behind that of the units: 2 for images.
    """
    kind = type(activation)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind is AbsTanh:
        return _AbsTanh()
    if kind not in (PReLU, PReLUShelf):
        return None
    names = [name + mark for name in activation.slopes]
    slopes = [params[name].view(-1, *(1,) * n_pixel_axes) for name in names]
    into = [gradients.get(name) for name in names]
    return _PReLU(slopes[0], into[0]) if kind is PReLU else _PReLUShelf(*slopes, *into)
