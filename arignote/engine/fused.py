"""Updates in one pass over memory, by the fused kernels of torch.optim; in each, g is ``gradients + decay * w``."""

from __future__ import annotations

import torch
from torch import Tensor

from arignote.engine.private import fused_adam_, fused_sgd_

__all__ = ["adam", "momentum"]

Tensors = list[Tensor]


def momentum(w: Tensors, g: Tensors, v: Tensors, lr: float, mu: float, decay: float, *, nesterov: bool) -> None:
    """Update by momentum: ``v <- mu * v + g;  w <- w - lr * v``, or with ``g + mu * v`` instead of `v` (nesterov)."""
    if mu == 0:
        # With mu = 0 the kernel does not store `v`, which a later update may need.
        for one_w, one_g, one_v in zip(w, g, v, strict=True):
            one_w.sub_(torch.add(one_g, one_w, alpha=decay, out=one_v), alpha=lr)
        return
    fused_sgd_(w, g, v, lr=lr, mu=mu, decay=decay, nesterov=nesterov)


def adam(
    w: Tensors,
    g: Tensors,
    m: Tensors,
    s: Tensors,
    n: int,
    decay: float,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    """Update by Adam, in update `n` (from 1).

    ``m <- b1*m + (1-b1)*g;  s <- b2*s + (1-b2)*g^2;  w <- w - lr/(1-b1^n) * m / (sqrt(s/(1-b2^n)) + epsilon)``
    """
    fused_adam_(w, g, m, s, n, lr=lr, betas=(beta1, beta2), decay=decay, epsilon=epsilon)
