"""An updater: Signum, the sign of a mean of gradients (Bernstein et al., ICML 2018)."""

from typing import ClassVar

from arignote.optim.updaters import Updater
from arignote.registry import Probability, register


@register()
class Signum(Updater):
    """``m <- beta * m + (1 - beta) * g;  w <- w - lr * sign(m)``."""

    slots: ClassVar[tuple[str, ...]] = ("mean",)
    default_lr: ClassVar[float] = 0.001
    beta: Probability = 0.9

    def step(self, w, g, slots, lr, momentum, n):
        # Slots are saved in every checkpoint, and changed in place.
        w.add_(slots["mean"].lerp_(g, 1 - self.beta).sign(), alpha=-lr)
