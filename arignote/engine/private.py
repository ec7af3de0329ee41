"""Private functions of torch, each with a fallback of public functions for versions that lack it.

No other module uses a name of torch that begins with an underscore; a test enforces it. A fallback returns the same
numbers up to rounding, in more passes over memory.
"""

from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "adam_in_passes_",
    "compile_errors",
    "compiler_limits",
    "fused_adam_",
    "fused_sgd_",
    "log_softmax_backward",
    "log_softmax_backward_in_passes",
    "recompile_limit_errors",
    "sgd_in_passes_",
    "unscale_",
    "unscale_in_passes_",
    "update_scale_",
    "update_scale_in_passes_",
]

Tensors = list[Tensor]


def sgd_in_passes_(w: Tensors, g: Tensors, v: Tensors, *, lr: float, mu: float, decay: float, nesterov: bool) -> None:
    """Do what `fused_sgd_` does with public operations."""
    for one_w, one_g, one_v in zip(w, g, v, strict=True):
        slope = one_g.add(one_w, alpha=decay)
        one_v.mul_(mu).add_(slope)
        one_w.add_(slope.add_(one_v, alpha=mu) if nesterov else one_v, alpha=-lr)


def fused_sgd_(w: Tensors, g: Tensors, v: Tensors, *, lr: float, mu: float, decay: float, nesterov: bool) -> None:
    """Update by momentum in one pass over memory.

    ``g <- g + decay * w;  v <- mu * v + g;  w <- w - lr * v``, or with ``g + mu * v`` instead of `v` (nesterov).

    Parameters
    ----------
    w, g, v : list of Tensor
        Slices of parameters, gradients and velocities; changed in place.
    lr, mu, decay : float
        Learning rate, momentum, and share of `w` in the gradient.
    nesterov : bool
    """
    if mu == 0:
        # The kernel would not store `v`, which a later update may need.
        for one_w, one_g, one_v in zip(w, g, v, strict=True):
            one_w.sub_(torch.add(one_g, one_w, alpha=decay, out=one_v), alpha=lr)
        return
    if not hasattr(torch, "_fused_sgd_"):
        return sgd_in_passes_(w, g, v, lr=lr, mu=mu, decay=decay, nesterov=nesterov)
    # The kernel of torch.optim.SGD(fused=True). At a first step it would set v to g, which a v of 0 gives too.
    torch._fused_sgd_(
        w,
        g,
        v,
        weight_decay=decay,
        momentum=mu,
        lr=lr,
        dampening=0.0,
        nesterov=nesterov,
        maximize=False,
        is_first_step=False,
    )


def adam_in_passes_(
    w: Tensors,
    g: Tensors,
    m: Tensors,
    s: Tensors,
    n: int,
    *,
    lr: float,
    betas: tuple[float, float],
    decay: float,
    epsilon: float,
    largest: Tensors | None = None,
    is_decoupled: bool = False,
) -> None:
    """Do what `fused_adam_` does with public operations."""
    beta1, beta2 = betas
    for k, (one_w, one_g, one_m, one_s) in enumerate(zip(w, g, m, s, strict=True)):
        slope = one_g if is_decoupled else one_g.add(one_w, alpha=decay)
        if is_decoupled:
            one_w.mul_(1 - lr * decay)
        one_m.mul_(beta1).add_(slope, alpha=1 - beta1)
        one_s.mul_(beta2).addcmul_(slope, slope, value=1 - beta2)
        divisor = one_s if largest is None else torch.maximum(largest[k], one_s, out=largest[k])
        root = divisor.div(1 - beta2**n).sqrt_().add_(epsilon)
        one_w.addcdiv_(one_m, root, value=-lr / (1 - beta1**n))


def fused_adam_(
    w: Tensors,
    g: Tensors,
    m: Tensors,
    s: Tensors,
    n: int,
    *,
    lr: float,
    betas: tuple[float, float],
    decay: float,
    epsilon: float,
    largest: Tensors | None = None,
    is_decoupled: bool = False,
) -> None:
    """Update by Adam in one pass over memory.

    ``g <- g + decay * w`` or, if it `is_decoupled`, ``w <- w - lr * decay * w``
    ``m <- b1*m + (1-b1)*g;  s <- b2*s + (1-b2)*g^2``
    ``w <- w - lr/(1-b1^n) * m / (sqrt(s/(1-b2^n)) + epsilon)``, with ``largest <- max(largest, s)``, if there is one,
    in the place of s (amsgrad).

    Parameters
    ----------
    w, g, m, s : list of Tensor
        Slices of parameters and gradients, and their two moments; changed in place.
    n : int
        Number of the update, from 1.
    lr, epsilon : float
    betas : (float, float)
        Decays of the two moments.
    decay : float
        Share of `w`.
    largest : list of Tensor, optional
        Largest `s` so far; changed in place.
    is_decoupled : bool, default False
        Whether the decay is beside the gradient, as of AdamW.
    """
    name = "_fused_adamw_" if is_decoupled else "_fused_adam_"
    if not hasattr(torch, name):
        how: dict[str, Any] = {"lr": lr, "betas": betas, "decay": decay, "epsilon": epsilon}
        return adam_in_passes_(w, g, m, s, n, **how, largest=largest, is_decoupled=is_decoupled)
    # The kernel of torch.optim.Adam(fused=True), or of AdamW.
    getattr(torch, name)(
        w,
        g,
        m,
        s,
        largest or [],
        # The kernels take the number of the update as a tensor for each parameter.
        [torch.tensor(float(n), device=w[0].device)] * len(w),
        lr=lr,
        beta1=betas[0],
        beta2=betas[1],
        weight_decay=decay,
        eps=epsilon,
        amsgrad=largest is not None,
        maximize=False,
    )


def log_softmax_backward_in_passes(g: Tensor, log_p: Tensor) -> Tensor:
    """Do what `log_softmax_backward` does with public operations."""
    return g - log_p.exp() * g.sum(1, keepdim=True)


def log_softmax_backward(g: Tensor, log_p: Tensor) -> Tensor:
    """Return the gradient of logits (n, n_outputs), given that of their log-softmax `log_p`."""
    if not hasattr(torch, "_log_softmax_backward_data"):
        return log_softmax_backward_in_passes(g, log_p)
    return torch._log_softmax_backward_data(g, log_p, 1, log_p.dtype)


def unscale_in_passes_(gradients: Tensor, found_inf: Tensor, scale: Tensor) -> None:
    """Do what `unscale_` does with public operations."""
    gradients.mul_(scale.reciprocal())
    found_inf.fill_(float(not bool(gradients.isfinite().all())))


def unscale_(gradients: Tensor, found_inf: Tensor, scale: Tensor) -> None:
    """Divide gradients by `scale`; set `found_inf` (a scalar, 0 before) to 1 if one is not finite."""
    if not hasattr(torch, "_amp_foreach_non_finite_check_and_unscale_"):
        return unscale_in_passes_(gradients, found_inf, scale)
    torch._amp_foreach_non_finite_check_and_unscale_([gradients], found_inf.view(1), scale.reciprocal())


def update_scale_in_passes_(scale: Tensor, n_good: Tensor, found_inf: Tensor, interval: int) -> None:
    """Do what `update_scale_` does with public operations."""
    if bool(found_inf):
        scale.mul_(0.5)
        n_good.zero_()
        return
    n_good.add_(1)
    if int(n_good) == interval:
        # As in the kernel: a scale that were infinite would make all gradients so.
        if bool(scale.mul(2).isfinite()):
            scale.mul_(2)
        n_good.zero_()


def update_scale_(scale: Tensor, n_good: Tensor, found_inf: Tensor, interval: int) -> None:
    """Halve the scale if gradients were not finite; double it after `interval` updates in a row that were."""
    if not hasattr(torch, "_amp_update_scale_"):
        return update_scale_in_passes_(scale, n_good, found_inf, interval)
    torch._amp_update_scale_(scale, n_good, found_inf, 2.0, 0.5, interval)


def compiler_limits(n_shapes: int) -> ExitStack:
    """Return a context for compiled functions: no worker processes, and an error beyond `n_shapes` shapes.

    Beyond its own limit of 8 the compiler runs the function uncompiled, without a message and with other bits.
    """
    stack = ExitStack()
    inductor, dynamo = _named("_inductor.config"), _named("_dynamo.config")
    if hasattr(inductor, "compile_threads"):
        stack.enter_context(inductor.patch(compile_threads=1))
    limits = {"recompile_limit": n_shapes, "accumulated_recompile_limit": n_shapes, "fail_on_recompile_limit_hit": True}
    if all(hasattr(dynamo, name) for name in limits):
        stack.enter_context(dynamo.patch(**limits))
    return stack


def recompile_limit_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that the compiler raises beyond the limit of shapes."""
    return _exceptions("_dynamo.exc.FailOnRecompileLimitHit")


def compile_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that the compiler raises if it cannot compile a function."""
    return _exceptions("_dynamo.exc.BackendCompilerFailed", "_inductor.exc.InductorError")


def _exceptions(*paths: str) -> tuple[type[Exception], ...]:
    return tuple(cls for path in paths if (cls := _named(path)) is not None)


def _named(path: str) -> Any:
    """Return the object with a dotted name in torch, whose module is imported; None if there is none."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(f"torch.{module}"), name, None)
    except ImportError:
        return None
