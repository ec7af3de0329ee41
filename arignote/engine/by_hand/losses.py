"""Losses and their gradients with respect to the outputs of a network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from arignote.engine.private import log_softmax_backward
from arignote.optim.losses import NLL, AbsoluteError, Huber, Loss, SquaredError

__all__ = ["LossAndGradient", "loss_and_gradient"]

# The overloads themselves: their packets look for them in each call.
_nll_forward = torch.ops.aten.nll_loss_forward.default
_nll_backward = torch.ops.aten.nll_loss_backward.default
# (outputs, y, weights, share) -> (share * loss, its gradient)
LossAndGradient = Callable[[Tensor, Tensor, Tensor | None, float], tuple[Tensor, Tensor]]


def loss_and_gradient(loss: Loss, device: torch.device) -> LossAndGradient:
    """Return the function that computes a loss and its gradient: by hand if there is one here, else by autograd."""
    if type(loss) is NLL and not loss.label_smoothing:
        return _of_nll(loss, torch.ones((), device=device))
    by_autograd, of_numbers = _by_autograd(loss), _of_numbers(loss)
    if of_numbers is None:
        return by_autograd
    # Outputs of each step are (rows, steps, n_outputs).
    return lambda outputs, *more: (of_numbers if outputs.ndim == 2 else by_autograd)(outputs, *more)


def _of_numbers(loss: Loss) -> LossAndGradient | None:
    """Return the function for a loss of numbers; None for others."""
    if type(loss) is SquaredError:
        return _of_squared
    if type(loss) is AbsoluteError:
        return partial(_of_cost, torch.abs, torch.sign)
    if type(loss) is Huber:
        delta = loss.delta
        return partial(_of_cost, partial(_huber, delta=delta), partial(torch.clamp, min=-delta, max=delta))
    return None


def _huber(difference: Tensor, delta: float) -> Tensor:
    size = difference.abs()
    # small * (size - small / 2): d^2 / 2 up to delta, and delta * (|d| - delta / 2) beyond (Huber 1964).
    small = size.clamp(max=delta)
    return small.mul_(size.sub_(small, alpha=0.5))


def _by_autograd(loss: Loss) -> LossAndGradient:
    """Return the function for any loss; only the loss is recorded, not the network."""
    mean = loss.mean()

    def loss_and_gradient(outputs: Tensor, y: Tensor, weights: Tensor | None, share: float) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(False):
            # Not detach: outputs that are computed in the inference mode cannot require a gradient.
            leaf = outputs.clone().requires_grad_()
            value = mean(leaf, y) if weights is None else mean(leaf, y, weights)
            value = value if share == 1 else value * share
            (g,) = torch.autograd.grad(value, leaf)
            return value.detach(), g

    return loss_and_gradient


def _of_nll(loss: NLL, one: Tensor) -> LossAndGradient:
    by_autograd = _by_autograd(loss)

    def loss_and_gradient(logits: Tensor, y: Tensor, weights: Tensor | None, share: float) -> tuple[Tensor, Tensor]:
        if weights is not None or y.ndim != 1 or share != 1:
            return by_autograd(logits, y, weights, share)
        log_p = torch.log_softmax(logits, 1)
        # 1 is the mean; -100 the class number that torch ignores, which no class has.
        value, n = _nll_forward(log_p, y, None, 1, -100)
        g = _nll_backward(one, log_p, y, None, 1, -100, n)
        return value, log_softmax_backward(g, log_p)

    return loss_and_gradient


def _of_cost(
    cost: Callable[[Tensor], Tensor],
    slope: Callable[[Tensor], Tensor],
    outputs: Tensor,
    y: Tensor,
    weights: Tensor | None,
    share: float,
) -> tuple[Tensor, Tensor]:
    """Return ``share * mean_i w_i * mean_j cost(o - y)`` over the columns that are there, and its gradient."""
    difference, factor = _differences(outputs, y, weights, share)
    return (cost(difference) * factor[:, None]).sum(), slope(difference).mul_(factor[:, None])


def _of_squared(outputs: Tensor, y: Tensor, weights: Tensor | None, share: float) -> tuple[Tensor, Tensor]:
    """Return ``share * mean_i w_i * mean_j (o - y)^2`` over the columns that are there, and its gradient."""
    difference, factor = _differences(outputs, y, weights, share)
    g = difference * factor[:, None]
    loss = torch.dot(g.view(-1), difference.view(-1))
    return loss, g.mul_(2.0)


def _differences(outputs: Tensor, y: Tensor, weights: Tensor | None, share: float) -> tuple[Tensor, Tensor]:
    """Return ``o - y``, 0 for columns that are missing, and how much a column of each row counts."""
    # A missing value is NaN, which is not equal to itself.
    is_present = y == y
    difference = torch.where(is_present, outputs - y, 0.0)
    factor = is_present.sum(1).clamp_(min=1).reciprocal().mul_(share / len(y))
    return difference, factor if weights is None else factor.mul_(weights)
