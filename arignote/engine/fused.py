"""Updates in one pass over memory, by the kernels of torch.optim; `g` is ``gradients + decay * w`` in each."""

from __future__ import annotations

import torch
from torch import Tensor

from arignote.engine.private import fused_adam_, fused_sgd_

__all__ = ["adam", "momentum"]

Tensors = list[Tensor]


def momentum(w: Tensors, g: Tensors, v: Tensors, lr: float, mu: float, decay: float, *, nesterov: bool) -> None:
    """``v <- mu * v + g;  w <- w - lr * v``, or with ``g + mu * v`` in place of `v` (nesterov)."""
    if mu == 0:
        # The kernel would keep no `v`, which a later update may need.
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
    """``m <- b1*m + (1-b1)*g;  s <- b2*s + (1-b2)*g^2;  w <- w - lr/(1-b1^n) * m / (sqrt(s/(1-b2^n)) + epsilon)``."""
    fused_adam_(w, g, m, s, n, lr=lr, betas=(beta1, beta2), decay=decay, epsilon=epsilon)
