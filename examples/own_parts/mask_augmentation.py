"""An augmentation: set values of the features to zero at random."""

import numpy as np

from arignote.data.transforms import Transform
from arignote.registry import Probability, register


@register()
class Mask(Transform):
    """``x * m``, each m 0 with probability p, else 1."""

    p: Probability = 0.1

    def __call__(self, x, y, *, epoch, rng):
        # All random numbers come from `rng`, the stream of this batch, so that a resumed run draws them again.
        return x * (rng.random(x.shape) >= self.p).astype(np.float32), y
