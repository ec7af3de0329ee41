"""Adam and its variants with the same kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from arignote.optim.updaters.base import DecoupledUpdater, FusedUpdater, kernels
from arignote.registry import ADDED, NonNegative, Probability, register

if TYPE_CHECKING:
    from arignote.optim.updaters.base import Tensors

__all__ = ["AMSGrad", "Adam", "AdamW"]


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
    beta1_decay : float in (0, 1], default 1.0
        Factor of b1 after each update: the mean of update n has ``b1 = beta1 * beta1_decay^(n-1)``, the step still
        ``1 - beta1^n`` (arXiv:1412.6980v4, algorithm 1, which suggests 1 - 1e-8).

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
    beta1_decay: Annotated[float, Field(gt=0, le=1), ADDED] = 1.0

    def step_slices(
        self, w: Tensors, g: Tensors, slots: Mapping[str, Tensors], lr: float, momentum: float, n: int, decay: float
    ) -> None:
        betas = self.beta1 * self.beta1_decay ** (n - 1), self.beta2
        # The kernel divides by 1 - b1^n with the b1 that it is given; the ratio is 1 without a decay.
        lr *= (1 - betas[0] ** n) / (1 - self.beta1**n)
        kernels().fused_adam_(
            w, g, slots["mean"], slots["square"], n, lr=lr, betas=betas, decay=decay, epsilon=self.epsilon
        )


@register(name="amsgrad")
class AMSGrad(FusedUpdater):
    """Adam with steps that do not grow again: the largest of all means of squared gradients divides.

    ``m <- b1*m + (1-b1)*g;  s <- b2*s + (1-b2)*g^2;  h <- max(h, s)``
    ``w <- w - lr/(1-b1^n) * m / (sqrt(h/(1-b2^n)) + epsilon)`` (Reddi et al., ICLR 2018, in the form of
    torch.optim.Adam).

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
    >>> slots = {name: torch.zeros(2) for name in AMSGrad.slots}
    >>> AMSGrad().step(w, g, slots, lr=0.001, momentum=0.0, n=1)
    >>> w
    tensor([0.9990, 1.0010])
    """

    slots: ClassVar[tuple[str, ...]] = ("mean", "square", "max_square")
    default_lr: ClassVar[float] = 0.001
    beta1: Probability = 0.9
    beta2: Probability = 0.999
    epsilon: NonNegative = 1e-8

    def step_slices(
        self, w: Tensors, g: Tensors, slots: Mapping[str, Tensors], lr: float, momentum: float, n: int, decay: float
    ) -> None:
        betas, m, s = (self.beta1, self.beta2), slots["mean"], slots["square"]
        largest = slots["max_square"]
        kernels().fused_adam_(w, g, m, s, n, lr=lr, betas=betas, decay=decay, epsilon=self.epsilon, largest=largest)


@register(name="adamw")
class AdamW(DecoupledUpdater):
    """Adam with a weight decay that is not divided by the root (Loshchilov and Hutter, ICLR 2019).

    ``w <- w - lr * weight_decay * w``, then the step of Adam.

    Parameters
    ----------
    beta1 : float in [0, 1), default 0.9
        Decay of the mean of gradients; `momentum_rule` does not change it.
    beta2 : float in [0, 1), default 0.999
        Decay of the mean of squared gradients.
    epsilon : float >= 0, default 1e-08
        Added to the root.
    weight_decay : float >= 0, default 0.01
        Each update takes ``lr * weight_decay * w`` off the weights, never off biases or slopes. The l2 of a layer is
        another penalty, whose gradient goes into the means.

    Examples
    --------
    >>> import torch
    >>> w, g = torch.ones(2), torch.tensor([0.5, -0.5])
    >>> slots = {"mean": [torch.zeros(2)], "square": [torch.zeros(2)]}
    >>> AdamW().step_slices([w], [g], slots, lr=0.001, momentum=0.0, n=1, decay=100.0)
    >>> w
    tensor([0.8990, 0.9010])
    """

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")
    default_lr: ClassVar[float] = 0.001
    beta1: Probability = 0.9
    beta2: Probability = 0.999
    epsilon: NonNegative = 1e-8
    weight_decay: NonNegative = 0.01

    def step_slices(
        self, w: Tensors, g: Tensors, slots: Mapping[str, Tensors], lr: float, momentum: float, n: int, decay: float
    ) -> None:
        betas, m, s = (self.beta1, self.beta2), slots["mean"], slots["square"]
        kernels().fused_adam_(w, g, m, s, n, lr=lr, betas=betas, decay=decay, epsilon=self.epsilon, is_decoupled=True)
