"""Steps divided by averages or sums of squared gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from arignote.optim.updaters.base import Updater
from arignote.registry import Positive, Probability, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Adadelta", "Adagrad", "RMSProp"]


@register(name="rmsprop")
class RMSProp(Updater):
    """Steps divided by a running root mean square of the gradient (Tieleman and Hinton, "Lecture 6.5", 2012).

    ``s <- rho * s + (1 - rho) * g^2;  w <- w - lr * g / (sqrt(s) + epsilon)``

    Parameters
    ----------
    rho : float in [0, 1), default 0.9
        Decay of the averages. `momentum_rule` changes it while training, as there is no other momentum here (a
        behaviour of 2015).
    epsilon : float > 0, default 1e-06
        Added to the root.

    Examples
    --------
    >>> import torch
    >>> w, g = torch.ones(2), torch.tensor([0.5, -0.5])
    >>> RMSProp().step(w, g, {"square": torch.zeros(2)}, lr=0.001, momentum=0.9, n=1)
    >>> w
    tensor([0.9968, 1.0032])
    """

    slots: ClassVar[tuple[str, ...]] = ("square",)
    default_lr: ClassVar[float] = 0.001
    momentum_name: ClassVar[str | None] = "rho"
    rho: Probability = 0.9
    epsilon: Positive = 1e-6

    def step(self, w: Tensor, g: Tensor, slots: Mapping[str, Tensor], lr: float, momentum: float, n: int) -> None:
        # Epsilon outside the root, as in torch.optim; other libraries add it to s.
        s = slots["square"].mul_(momentum).addcmul_(g, g, value=1 - momentum)
        w.addcdiv_(g, s.sqrt().add_(self.epsilon), value=-lr)


@register(name="adagrad")
class Adagrad(Updater):
    """Steps divided by the root of the sum of squared gradients (Duchi et al., JMLR 2011).

    ``s <- s + g^2;  w <- w - lr * g / (sqrt(s) + epsilon)``

    Parameters
    ----------
    epsilon : float > 0, default 1e-10
        Added to the root.

    Examples
    --------
    >>> import torch
    >>> w, g = torch.ones(2), torch.tensor([0.5, -0.5])
    >>> Adagrad().step(w, g, {"square": torch.zeros(2)}, lr=0.1, momentum=0.0, n=1)
    >>> w
    tensor([0.9000, 1.1000])
    """

    slots: ClassVar[tuple[str, ...]] = ("square",)
    epsilon: Positive = 1e-10

    def step(self, w: Tensor, g: Tensor, slots: Mapping[str, Tensor], lr: float, momentum: float, n: int) -> None:
        s = slots["square"].addcmul_(g, g)
        w.addcdiv_(g, s.sqrt().add_(self.epsilon), value=-lr)


@register(name="adadelta")
class Adadelta(Updater):
    """Step sizes from the ratio of past steps and past gradients (Zeiler, arXiv:1212.5701).

    ``s <- rho*s + (1-rho)*g^2;  d = g * sqrt(u + epsilon) / sqrt(s + epsilon)``
    ``u <- rho*u + (1-rho)*d^2;  w <- w - lr*d``

    Parameters
    ----------
    rho : float in [0, 1), default 0.95
        Decay of the averages. `momentum_rule` changes it while training, as there is no other momentum here (a
        behaviour of 2015).
    epsilon : float > 0, default 1e-06
        Added to both averages.

    Examples
    --------
    >>> import torch
    >>> w, g = torch.ones(2), torch.tensor([0.5, -0.5])
    >>> Adadelta().step(w, g, {"square": torch.zeros(2), "square_step": torch.zeros(2)}, lr=1.0, momentum=0.95, n=1)
    >>> w
    tensor([0.9955, 1.0045])
    """

    slots: ClassVar[tuple[str, ...]] = ("square", "square_step")
    # The method of the paper has no learning rate.
    default_lr: ClassVar[float] = 1.0
    momentum_name: ClassVar[str | None] = "rho"
    rho: Probability = 0.95
    epsilon: Positive = 1e-6

    def step(self, w: Tensor, g: Tensor, slots: Mapping[str, Tensor], lr: float, momentum: float, n: int) -> None:
        s = slots["square"].mul_(momentum).addcmul_(g, g, value=1 - momentum)
        u = slots["square_step"]
        # Epsilon within both roots, as in the paper: u starts at 0, so that it sets the length of the first steps.
        d = u.add(self.epsilon).sqrt_().div_(s.add(self.epsilon).sqrt_()).mul_(g)
        u.mul_(momentum).addcmul_(d, d, value=1 - momentum)
        w.add_(d, alpha=-lr)
