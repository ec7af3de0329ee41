"""Updaters: variants of stochastic gradient descent.

The engine keeps all trained parameters in one flat vector `w`, their gradients in another, `g`; an updater changes `w`
in place. Its memory is its slots, vectors of the same length, kept by the training state. Methods of tensors, and the
engine's updates in one pass, are all that it uses.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from arignote.registry import NonNegative, Part, Positive, Probability, register

__all__ = ["OnePassUpdater", "Updater"]


class Updater(Part):
    """What every updater is.

    Attributes
    ----------
    slots : tuple of str
        Names of its memory, which starts at zero.
    default_lr : float
        Learning rate where no rule gives one.
    momentum_name : str or None
        The parameter that momentum_rule drives, if there is one.
    """

    kind: ClassVar[str] = "updater"
    slots: ClassVar[tuple[str, ...]] = ()
    default_lr: ClassVar[float] = 0.01
    momentum_name: ClassVar[str | None] = None

    @abstractmethod
    def step(self, w: Any, g: Any, slots: Mapping[str, Any], lr: float, momentum: float, n: int) -> None:
        """Change `w` in place.

        Parameters
        ----------
        w, g : tensor (n_values,)
            Parameters and gradients; `g` may be used as scratch.
        slots : mapping of str to tensor (n_values,)
            The updater's memory, changed in place.
        lr, momentum : float
            The values in force.
        n : int
            Number of this update, from 1.
        """

    @property
    def default_momentum(self) -> float:
        """The value in force where no momentum_rule is given; 0 where there is none."""
        return float(getattr(self, self.momentum_name)) if self.momentum_name else 0.0


class OnePassUpdater(Updater):
    """One that the engine has a kernel for, which adds the gradient of l2 in the same pass over memory."""

    @abstractmethod
    def step_stretches(self, w: Any, g: Any, slots: Any, lr: float, momentum: float, n: int, decay: float) -> None:
        """Change lists of stretches of the vectors, ``decay * w`` being added to `g`; the rest is as in `step`."""

    def step(self, w: Any, g: Any, slots: Mapping[str, Any], lr: float, momentum: float, n: int) -> None:
        self.step_stretches([w], [g], {name: [slot] for name, slot in slots.items()}, lr, momentum, n, 0.0)


@register(name="sgd")
class SGD(Updater):
    """Stochastic gradient descent: ``w <- w - lr * g``."""

    def step(self, w: Any, g: Any, slots: Mapping[str, Any], lr: float, momentum: float, n: int) -> None:
        w.add_(g, alpha=-lr)


@register(name="momentum")
class Momentum(OnePassUpdater):
    """Classical momentum: ``v <- mu * v + g;  w <- w - lr * v`` (Sutskever et al., ICML 2013; PyTorch's form)."""

    slots: ClassVar[tuple[str, ...]] = ("velocity",)
    momentum_name: ClassVar[str | None] = "momentum"
    momentum: Probability = 0.9

    def step_stretches(self, w: Any, g: Any, slots: Any, lr: float, momentum: float, n: int, decay: float) -> None:
        from arignote.engine import fused

        fused.momentum(w, g, slots["velocity"], lr, momentum, decay, nesterov=False)


@register("nesterov", name="nag")
class NAG(OnePassUpdater):
    """Nesterov's accelerated gradient: ``v <- mu * v + g;  w <- w - lr * (g + mu * v)`` (as torch.optim.SGD)."""

    slots: ClassVar[tuple[str, ...]] = ("velocity",)
    momentum_name: ClassVar[str | None] = "momentum"
    momentum: Probability = 0.9

    def step_stretches(self, w: Any, g: Any, slots: Any, lr: float, momentum: float, n: int, decay: float) -> None:
        from arignote.engine import fused

        fused.momentum(w, g, slots["velocity"], lr, momentum, decay, nesterov=True)


@register(name="rmsprop")
class RMSProp(Updater):
    """``s <- rho * s + (1 - rho) * g^2;  w <- w - lr * g / (sqrt(s) + epsilon)`` (Tieleman and Hinton, 2012)."""

    slots: ClassVar[tuple[str, ...]] = ("square",)
    default_lr: ClassVar[float] = 0.001
    momentum_name: ClassVar[str | None] = "rho"
    rho: Probability = 0.9
    epsilon: Positive = 1e-6

    def step(self, w: Any, g: Any, slots: Mapping[str, Any], lr: float, momentum: float, n: int) -> None:
        s = slots["square"].mul_(momentum).addcmul_(g, g, value=1 - momentum)
        w.addcdiv_(g, s.sqrt().add_(self.epsilon), value=-lr)


@register(name="adagrad")
class Adagrad(Updater):
    """``s <- s + g^2;  w <- w - lr * g / (sqrt(s) + epsilon)`` (Duchi et al., JMLR 2011)."""

    slots: ClassVar[tuple[str, ...]] = ("square",)
    epsilon: Positive = 1e-10

    def step(self, w: Any, g: Any, slots: Mapping[str, Any], lr: float, momentum: float, n: int) -> None:
        s = slots["square"].addcmul_(g, g)
        w.addcdiv_(g, s.sqrt().add_(self.epsilon), value=-lr)


@register(name="adadelta")
class Adadelta(Updater):
    """Step sizes from the ratio of past steps and past gradients (Zeiler, arXiv:1212.5701).

    ``s <- rho*s + (1-rho)*g^2;  d = g * sqrt(u + epsilon) / sqrt(s + epsilon)``
    ``u <- rho*u + (1-rho)*d^2;  w <- w - lr*d``
    """

    slots: ClassVar[tuple[str, ...]] = ("square", "square_step")
    default_lr: ClassVar[float] = 1.0
    momentum_name: ClassVar[str | None] = "rho"
    rho: Probability = 0.95
    epsilon: Positive = 1e-6

    def step(self, w: Any, g: Any, slots: Mapping[str, Any], lr: float, momentum: float, n: int) -> None:
        s = slots["square"].mul_(momentum).addcmul_(g, g, value=1 - momentum)
        u = slots["square_step"]
        d = u.add(self.epsilon).sqrt_().div_(s.add(self.epsilon).sqrt_()).mul_(g)
        u.mul_(momentum).addcmul_(d, d, value=1 - momentum)
        w.add_(d, alpha=-lr)


@register(name="adam")
class Adam(OnePassUpdater):
    """Moments of the gradient, corrected for their start (Kingma and Ba, ICLR 2015).

    ``m <- b1*m + (1-b1)*g;  s <- b2*s + (1-b2)*g^2;  w <- w - lr/(1-b1^n) * m / (sqrt(s/(1-b2^n)) + epsilon)``
    """

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")
    default_lr: ClassVar[float] = 0.001
    beta1: Probability = 0.9
    beta2: Probability = 0.999
    epsilon: NonNegative = 1e-8

    def step_stretches(self, w: Any, g: Any, slots: Any, lr: float, momentum: float, n: int, decay: float) -> None:
        from arignote.engine import fused

        how = {"lr": lr, "beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon}
        fused.adam(w, g, slots["mean"], slots["square"], n, decay, **how)
