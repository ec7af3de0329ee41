"""An updater: Lion, the sign of a mean of gradients (Chen et al., NeurIPS 2023)."""

from typing import ClassVar

from arignote.optim.updaters import Updater
from arignote.registry import Probability, register


@register()
class Lion(Updater):
    """``w <- w - lr * sign(beta1 * m + (1 - beta1) * g);  m <- beta2 * m + (1 - beta2) * g``."""

    slots: ClassVar[tuple[str, ...]] = ("mean",)
    default_lr: ClassVar[float] = 0.001
    beta1: Probability = 0.9
    beta2: Probability = 0.99

    def step(self, w, g, slots, lr, momentum, n):
        # Slots are saved in every checkpoint, and changed in place.
        w.add_(slots["mean"].lerp(g, 1 - self.beta1).sign_(), alpha=-lr)
        slots["mean"].lerp_(g, 1 - self.beta2)
