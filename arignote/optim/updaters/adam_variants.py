"""Variants of Adam with other norms, other momenta or another start."""

from __future__ import annotations

from collections.abc import Mapping
from math import log, sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from arignote.optim.updaters.base import Updater
from arignote.registry import NonNegative, Positive, Probability, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Adamax", "NAdam", "RAdam"]


@register(name="adamax")
class Adamax(Updater):
    """Adam with the largest gradient, which fades, in the place of a root mean square.

    ``m <- b1*m + (1-b1)*g;  u <- max(b2*u, |g| + epsilon);  w <- w - lr/(1-b1^n) * m / u`` (Kingma and Ba, ICLR 2015,
    algorithm 2, with the epsilon of torch.optim.Adamax).

    Parameters
    ----------
    beta1 : float in [0, 1), default 0.9
        Decay of the mean of gradients; `momentum_rule` does not change it.
    beta2 : float in [0, 1), default 0.999
        Decay of the largest gradient.
    epsilon : float > 0, default 1e-08
        Added to the absolute gradient.

    Examples
    --------
    >>> import torch
    >>> w, g = torch.ones(2), torch.tensor([0.5, -0.5])
    >>> Adamax().step(w, g, {"mean": torch.zeros(2), "largest": torch.zeros(2)}, lr=0.002, momentum=0.0, n=1)
    >>> w
    tensor([0.9980, 1.0020])
    """

    slots: ClassVar[tuple[str, ...]] = ("mean", "largest")
    default_lr: ClassVar[float] = 0.002
    beta1: Probability = 0.9
    beta2: Probability = 0.999
    epsilon: Positive = 1e-8

    def step(self, w: Tensor, g: Tensor, slots: Mapping[str, Tensor], lr: float, momentum: float, n: int) -> None:
        m = slots["mean"].mul_(self.beta1).add_(g, alpha=1 - self.beta1)
        u = slots["largest"].mul_(self.beta2)
        # Epsilon is inside the maximum, as in torch.optim: the divisor u is never 0.
        u.copy_(g.abs().add_(self.epsilon).maximum(u))
        w.addcdiv_(m, u, value=-lr / (1 - self.beta1**n))


@register(name="nadam")
class NAdam(Updater):
    """Adam with Nesterov's momentum, which grows (Dozat, "Incorporating Nesterov Momentum into Adam", 2016).

    ``mu_n = b1 * (1 - 0.96^(n * momentum_decay) / 2)``
    ``m <- b1*m + (1-b1)*g;  s <- b2*s + (1-b2)*g^2;  d = sqrt(s/(1-b2^n)) + epsilon``
    ``w <- w - lr * ((1-mu_n) / (1-mu_1...mu_n) * g + mu_{n+1} / (1-mu_1...mu_{n+1}) * m) / d``, as torch.optim.NAdam.

    Parameters
    ----------
    beta1 : float in [0, 1), default 0.9
        Decay of the mean of gradients, and the momentum in the limit; `momentum_rule` does not change it.
    beta2 : float in [0, 1), default 0.999
        Decay of the mean of squared gradients.
    epsilon : float >= 0, default 1e-08
        Added to the root.
    momentum_decay : float >= 0, default 0.004
        How fast the momentum grows from half of beta1 to beta1.

    Examples
    --------
    >>> import torch
    >>> w, g = torch.ones(2), torch.tensor([0.5, -0.5])
    >>> NAdam().step(w, g, {"mean": torch.zeros(2), "square": torch.zeros(2)}, lr=0.002, momentum=0.0, n=1)
    >>> w
    tensor([0.9979, 1.0021])
    """

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")
    default_lr: ClassVar[float] = 0.002
    beta1: Probability = 0.9
    beta2: Probability = 0.999
    epsilon: NonNegative = 1e-8
    momentum_decay: NonNegative = 0.004

    def step(self, w: Tensor, g: Tensor, slots: Mapping[str, Tensor], lr: float, momentum: float, n: int) -> None:
        m = slots["mean"].mul_(self.beta1).add_(g, alpha=1 - self.beta1)
        s = slots["square"].mul_(self.beta2).addcmul_(g, g, value=1 - self.beta2)
        root = s.div(1 - self.beta2**n).sqrt_().add_(self.epsilon)
        mu, following = self._momenta(np.arange(n, n + 2))
        product = self._product(n)
        w.addcdiv_(g, root, value=-lr * (1 - mu) / (1 - product))
        w.addcdiv_(m, root, value=-lr * following / (1 - product * following))

    def _momenta(self, n: Any) -> Any:
        return self.beta1 * (1 - 0.5 * 0.96 ** (n * self.momentum_decay))

    def _product(self, n: int) -> float:
        """Return the product of the momenta of updates 1 to `n`: of their numbers, so that nothing is remembered."""
        # It is less than beta1^n: below 1e-17 one less the product is 1 in float64.
        if self.beta1 == 0 or n * log(self.beta1) < log(1e-17):
            return 0.0
        return float(np.prod(self._momenta(np.arange(1, n + 1))))


@register(name="radam")
class RAdam(Updater):
    """Adam whose first steps are not divided, as the root of few gradients varies too much (Liu et al., ICLR 2020).

    ``m <- b1*m + (1-b1)*g;  s <- b2*s + (1-b2)*g^2;  k = 2/(1-b2) - 1;  r_n = k - 2*n*b2^n/(1-b2^n)``
    ``w <- w - lr/(1-b1^n) * m``, and from ``r_n > 5`` on this step times
    ``sqrt((r_n-4)*(r_n-2)*k / ((k-4)*(k-2)*r_n)) * sqrt(1-b2^n) / (sqrt(s) + epsilon)``, as torch.optim.RAdam.

    Parameters
    ----------
    beta1 : float in [0, 1), default 0.9
        Decay of the mean of gradients; `momentum_rule` does not change it.
    beta2 : float in [0, 1), default 0.999
        Decay of the mean of squared gradients; up to 2/3 no step is divided.
    epsilon : float >= 0, default 1e-08
        Added to the root.

    Examples
    --------
    >>> import torch
    >>> w, g = torch.ones(2), torch.tensor([0.5, -0.5])
    >>> RAdam().step(w, g, {"mean": torch.zeros(2), "square": torch.zeros(2)}, lr=0.001, momentum=0.0, n=1)
    >>> w
    tensor([0.9995, 1.0005])
    """

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")
    default_lr: ClassVar[float] = 0.001
    beta1: Probability = 0.9
    beta2: Probability = 0.999
    epsilon: NonNegative = 1e-8

    def step(self, w: Tensor, g: Tensor, slots: Mapping[str, Tensor], lr: float, momentum: float, n: int) -> None:
        m = slots["mean"].mul_(self.beta1).add_(g, alpha=1 - self.beta1)
        s = slots["square"].mul_(self.beta2).addcmul_(g, g, value=1 - self.beta2)
        lr /= 1 - self.beta1**n
        factor = self._rectification(n)
        if factor is None:
            # Over few updates a root would divide by chance.
            w.add_(m, alpha=-lr)
        else:
            w.addcdiv_(m, s.sqrt().add_(self.epsilon), value=-lr * factor * sqrt(1 - self.beta2**n))

    def _rectification(self, n: int) -> float | None:
        """Return the factor of a divided step; None if the root varies too much."""
        # rho_inf of the paper; `length` is its rho_t.
        limit = 2 / (1 - self.beta2) - 1
        length = limit - 2 * n * self.beta2**n / (1 - self.beta2**n)
        if length <= 5:
            return None
        return sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length))
