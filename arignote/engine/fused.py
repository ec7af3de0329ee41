"""Updates in one pass over memory, by the kernels of torch.optim."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["adam", "momentum"]

# Penalties are among the gradients already.
_PLAIN: dict[str, Any] = {"weight_decay": 0.0, "maximize": False}


def momentum(w: Tensor, g: Tensor, v: Tensor, lr: float, mu: float, *, nesterov: bool) -> None:
    """``v <- mu * v + g;  w <- w - lr * v``, or with ``g + mu * v`` in place of `v` (nesterov)."""
    if mu == 0:
        # The kernel would keep no `v`, which an update to come may need.
        w.sub_(v.copy_(g), alpha=lr)
        return
    torch._fused_sgd_(
        [w],
        [g],
        [v],
        lr=lr,
        momentum=mu,
        nesterov=nesterov,
        dampening=0.0,
        is_first_step=False,
        **_PLAIN,
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
        eps=epsilon,
        amsgrad=False,
        **_PLAIN,
    )
