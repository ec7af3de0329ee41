"""Losses and their gradients with respect to the outputs of a network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from arignote.engine.private import log_softmax_backward
from arignote.optim.losses import NLL, Loss, Squared

__all__ = ["LossAndGradient", "loss_and_gradient"]

_aten = torch.ops.aten
# (outputs, y, weights, share) -> (share * loss, its gradient)
LossAndGradient = Callable[[Tensor, Tensor, Tensor | None, float], tuple[Tensor, Tensor]]


def loss_and_gradient(loss: Loss, device: torch.device) -> LossAndGradient:
    """Return the function that computes a loss and its gradient: by hand if there is one here, else by autograd."""
    if type(loss) is NLL and not loss.label_smoothing:
        return _of_nll(loss, torch.ones((), device=device))
    if type(loss) is Squared:
        by_autograd = _by_autograd(loss)
        # Outputs of each step are (rows, steps, n_outputs).
        return lambda outputs, *more: (_of_squared if outputs.ndim == 2 else by_autograd)(outputs, *more)
    return _by_autograd(loss)


def _by_autograd(loss: Loss) -> LossAndGradient:
    """Return the function for any loss; only the loss is recorded, not the network."""
    mean = loss.mean()

    def loss_and_gradient(outputs: Tensor, y: Tensor, weights: Tensor | None, share: float) -> tuple[Tensor, Tensor]:
        leaf = outputs.detach().requires_grad_()
        found = mean(leaf, y) if weights is None else mean(leaf, y, weights)
        found = found if share == 1 else found * share
        (g,) = torch.autograd.grad(found, leaf)
        return found.detach(), g

    return loss_and_gradient


def _of_nll(loss: NLL, one: Tensor) -> LossAndGradient:
    by_autograd = _by_autograd(loss)

    def loss_and_gradient(logits: Tensor, y: Tensor, weights: Tensor | None, share: float) -> tuple[Tensor, Tensor]:
        if weights is not None or y.ndim != 1 or share != 1:
            return by_autograd(logits, y, weights, share)
        log_p = torch.log_softmax(logits, 1)
        # 1 is the mean; -100 the class number that torch ignores, which no class has.
        found, n = _aten.nll_loss_forward(log_p, y, None, 1, -100)
        g = _aten.nll_loss_backward(one, log_p, y, None, 1, -100, n)
        return found, log_softmax_backward(g, log_p)

    return loss_and_gradient


def _of_squared(outputs: Tensor, y: Tensor, weights: Tensor | None, share: float) -> tuple[Tensor, Tensor]:
    """Return ``share * mean_i w_i * mean_j (o - y)^2`` over the columns that are there, and its gradient."""
    # NaN, a missing number, is the only value that differs from itself.
    is_there = y == y
    difference = torch.where(is_there, outputs - y, 0.0)
    # Of each row: how much a column counts.
    factor = is_there.sum(1).clamp_(min=1).reciprocal().mul_(share / len(y))
    if weights is not None:
        factor.mul_(weights)
    g = difference * factor[:, None]
    found = torch.dot(g.view(-1), difference.view(-1))
    return found, g.mul_(2.0)
