"""Updaters: variants of stochastic gradient descent.

The engine keeps all trained parameters in one flat vector `w`, their gradients in another, `g`; an updater changes `w`
in place. What it remembers is in its slots, vectors of the same length, which the training state stores. It uses only
methods of tensors and the fused updates of the engine, so that torch is not imported here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from arignote.registry import NonNegative, Part, Positive, Probability, register

__all__ = ["NAG", "SGD", "Adadelta", "Adagrad", "Adam", "FusedUpdater", "Momentum", "RMSProp", "Updater"]


class Updater(Part):
    """Base class of updaters.

    Attributes
    ----------
    slots : tuple of str
        Names of its slots, vectors that start at zero.
    default_lr : float
        Learning rate without a rule.
    momentum_name : str or None
        Parameter that `momentum_rule` changes while training, if there is one.
    """

    kind: ClassVar[str] = "updater"
    slots: ClassVar[tuple[str, ...]] = ()
    default_lr: ClassVar[float] = 0.01
    momentum_name: ClassVar[str | None] = None

    @abstractmethod
    def step(self, w: Any, g: Any, slots: Mapping[str, Any], lr: float, momentum: float, n: int) -> None:
        """Update `w` in place.

        Parameters
        ----------
        w, g : tensor (n_values,)
            Parameters and gradients; `g` may be used as scratch.
        slots : mapping of str to tensor (n_values,)
            The updater's slots, changed in place.
        lr, momentum : float
            Current values.
        n : int
            Number of this update, from 1.
        """

    @property
    def default_momentum(self) -> float:
        """Momentum without a `momentum_rule`; 0 if the updater has none."""
        return float(getattr(self, self.momentum_name)) if self.momentum_name else 0.0


class FusedUpdater(Updater):
    """Base class of updaters with a fused kernel, which adds the gradient of l2 in the same pass over memory."""

    @abstractmethod
    def step_slices(self, w: Any, g: Any, slots: Any, lr: float, momentum: float, n: int, decay: float) -> None:
        """Update slices of the vectors, with ``decay * w`` added to `g`; other parameters are as in `step`."""

    def step(self, w: Any, g: Any, slots: Mapping[str, Any], lr: float, momentum: float, n: int) -> None:
        # Without a decay: the penalties are in `g` already.
        self.step_slices([w], [g], {name: [slot] for name, slot in slots.items()}, lr, momentum, n, 0.0)


@register(name="sgd")
class SGD(Updater):
    """Stochastic gradient descent: ``w <- w - lr * g`` (Robbins and Monro, 1951).

    Examples
    --------
    >>> import torch
    >>> w, g = torch.ones(2), torch.tensor([0.5, -0.5])
    >>> SGD().step(w, g, {}, lr=0.1, momentum=0.0, n=1)
    >>> w
    tensor([0.9500, 1.0500])
    """

    def step(self, w: Any, g: Any, slots: Mapping[str, Any], lr: float, momentum: float, n: int) -> None:
        w.add_(g, alpha=-lr)


@register(name="momentum")
class Momentum(FusedUpdater):
    """Classical momentum: ``v <- mu * v + g;  w <- w - lr * v``.

    Sutskever et al., ICML 2013, in the form of torch.optim.SGD.

    Parameters
    ----------
    momentum : float in [0, 1), default 0.9
        mu; `momentum_rule` changes it while training.

    Examples
    --------
    >>> import torch
    >>> w, g = torch.ones(2), torch.tensor([0.5, -0.5])
    >>> Momentum().step(w, g, {"velocity": torch.zeros(2)}, lr=0.1, momentum=0.9, n=1)
    >>> w
    tensor([0.9500, 1.0500])
    """

    slots: ClassVar[tuple[str, ...]] = ("velocity",)
    momentum_name: ClassVar[str | None] = "momentum"
    momentum: Probability = 0.9

    def step_slices(self, w: Any, g: Any, slots: Any, lr: float, momentum: float, n: int, decay: float) -> None:
        from arignote.engine.private import fused_sgd_

        fused_sgd_(w, g, slots["velocity"], lr=lr, mu=momentum, decay=decay, nesterov=False)


@register("nesterov", name="nag")
class NAG(FusedUpdater):
    """Nesterov's accelerated gradient: ``v <- mu * v + g;  w <- w - lr * (g + mu * v)``.

    Sutskever et al., ICML 2013, in the form of torch.optim.SGD.

    Parameters
    ----------
    momentum : float in [0, 1), default 0.9
        mu; `momentum_rule` changes it while training.

    Examples
    --------
    >>> import torch
    >>> w, g = torch.ones(2), torch.tensor([0.5, -0.5])
    >>> NAG().step(w, g, {"velocity": torch.zeros(2)}, lr=0.1, momentum=0.9, n=1)
    >>> w
    tensor([0.9050, 1.0950])
    """

    slots: ClassVar[tuple[str, ...]] = ("velocity",)
    momentum_name: ClassVar[str | None] = "momentum"
    momentum: Probability = 0.9

    def step_slices(self, w: Any, g: Any, slots: Any, lr: float, momentum: float, n: int, decay: float) -> None:
        from arignote.engine.private import fused_sgd_

        fused_sgd_(w, g, slots["velocity"], lr=lr, mu=momentum, decay=decay, nesterov=True)


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

    def step(self, w: Any, g: Any, slots: Mapping[str, Any], lr: float, momentum: float, n: int) -> None:
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

    def step(self, w: Any, g: Any, slots: Mapping[str, Any], lr: float, momentum: float, n: int) -> None:
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

    def step(self, w: Any, g: Any, slots: Mapping[str, Any], lr: float, momentum: float, n: int) -> None:
        s = slots["square"].mul_(momentum).addcmul_(g, g, value=1 - momentum)
        u = slots["square_step"]
        # Epsilon within both roots, as in the paper: u starts at 0, so that it sets the length of the first steps.
        d = u.add(self.epsilon).sqrt_().div_(s.add(self.epsilon).sqrt_()).mul_(g)
        u.mul_(momentum).addcmul_(d, d, value=1 - momentum)
        w.add_(d, alpha=-lr)


@register(name="adam")
class Adam(FusedUpdater):
    """Steps from running moments of the gradient, corrected for their start at 0 (Kingma and Ba, ICLR 2015).

    ``m <- b1*m + (1-b1)*g;  s <- b2*s + (1-b2)*g^2;  w <- w - lr/(1-b1^n) * m / (sqrt(s/(1-b2^n)) + epsilon)``

    Parameters
    ----------
    beta1 : float in [0, 1), default 0.9
        Decay of the mean of gradients; `momentum_rule` does not change it.
    beta2 : float in [0, 1), default 0.999
        Decay of the mean of squared gradients.
    epsilon : float >= 0, default 1e-08
        Added to the root.

    Examples
    --------
    >>> import torch
    >>> w, g = torch.ones(2), torch.tensor([0.5, -0.5])
    >>> Adam().step(w, g, {"mean": torch.zeros(2), "square": torch.zeros(2)}, lr=0.001, momentum=0.0, n=1)
    >>> w
    tensor([0.9990, 1.0010])
    """

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")
    default_lr: ClassVar[float] = 0.001
    beta1: Probability = 0.9
    beta2: Probability = 0.999
    epsilon: NonNegative = 1e-8

    def step_slices(self, w: Any, g: Any, slots: Any, lr: float, momentum: float, n: int, decay: float) -> None:
        from arignote.engine.private import fused_adam_

        betas = self.beta1, self.beta2
        fused_adam_(w, g, slots["mean"], slots["square"], n, lr=lr, betas=betas, decay=decay, epsilon=self.epsilon)
