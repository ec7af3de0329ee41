"""A loss: cross-entropy with label smoothing (Szegedy et al., CVPR 2016)."""

from typing import ClassVar

from arignote.optim.losses import Loss
from arignote.registry import register


@register()
class SmoothedLoss(Loss):
    """``loss_i = -sum_k q_ik log p_ik``: q_i is 0.9 of the true class and 0.1 of the uniform distribution."""

    differentiable: ClassVar[bool] = True

    def build(self):
        from torch.nn.functional import cross_entropy

        return lambda logits, y: cross_entropy(logits, y, reduction="none", label_smoothing=0.1)
