"""Updates in one pass over memory, by the kernels of torch.optim."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["adam", "momentum"]


def momentum(w: Tensor, g: Tensor, v: Tensor, lr: float, mu: float, *, nesterov: bool) -> None:
    """``v <- mu * v + g;  w <- w - lr * v``, or with ``g + mu * v`` in place of `v` (nesterov)."""
    torch._fused_sgd_(
        [w],
        [g],
        [v],
        weight_decay=0.0,
        momentum=mu,
        lr=lr,
        dampening=0.0,
        nesterov=nesterov,
        maximize=False,
        is_first_step=False,
    )


def adam(
    w: Tensor, g: Tensor, m: Tensor, s: Tensor, n: int, *, lr: float, beta1: float, beta2: float, epsilon: float
) -> None:
    """``m <- b1*m + (1-b1)*g;  s <- b2*s + (1-b2)*g^2;  w <- w - lr/(1-b1^n) * m / (sqrt(s/(1-b2^n)) + epsilon)``."""
    torch._fused_adam_(
        [w],
        [g],
        [m],
        [s],
        [],
        [torch.tensor(float(n), device=w.device)],
        lr=lr,
        beta1=beta1,
        beta2=beta2,
        weight_decay=0.0,
        eps=epsilon,
        amsgrad=False,
        maximize=False,
    )
