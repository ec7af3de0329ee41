"""Lion: signs of gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from arignote.optim.updaters.base import DecoupledUpdater
from arignote.registry import Probability, register

if TYPE_CHECKING:
    from arignote.optim.updaters.base import Tensors

__all__ = ["Lion"]


@register(name="lion")
class Lion(DecoupledUpdater):
    """Steps of one length, along the sign of a mean of gradients (Chen et al., NeurIPS 2023, algorithm 2).

    ``w <- w - lr * (sign(b1*m + (1-b1)*g) + weight_decay * w);  m <- b2*m + (1-b2)*g``

    Parameters
    ----------
    beta1 : float in [0, 1), default 0.9
        Share of the mean of earlier gradients in the sign; `momentum_rule` does not change it.
    beta2 : float in [0, 1), default 0.99
        Decay of the mean of gradients.
    weight_decay : float >= 0, default 0.0
        Each update takes ``lr * weight_decay * w`` off the weights, never off biases or slopes. The authors advise
        three to ten times that of adamw, with a learning rate as many times lower.

    Examples
    --------
    >>> import torch
    >>> w, g = torch.ones(2), torch.tensor([0.5, -0.5])
    >>> Lion().step(w, g, {"mean": torch.zeros(2)}, lr=0.001, momentum=0.0, n=1)
    >>> w
    tensor([0.9990, 1.0010])
    """

    slots: ClassVar[tuple[str, ...]] = ("mean",)
    default_lr: ClassVar[float] = 0.0001
    beta1: Probability = 0.9
    beta2: Probability = 0.99

    def step_slices(
        self, w: Tensors, g: Tensors, slots: Mapping[str, Tensors], lr: float, momentum: float, n: int, decay: float
    ) -> None:
        for one_w, one_g, mean in zip(w, g, slots["mean"], strict=True):
            if decay:
                one_w.mul_(1 - lr * decay)
            # lerp: b1 * m + (1 - b1) * g.
            one_w.add_(mean.lerp(one_g, 1 - self.beta1).sign_(), alpha=-lr)
            # After the step, whose sign is taken from the former mean.
            mean.lerp_(one_g, 1 - self.beta2)
