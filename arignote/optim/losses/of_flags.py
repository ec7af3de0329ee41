"""Losses of flags: several labels per row, each of which applies or not. Outputs are logits z, p = sigmoid(z)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from arignote.optim.losses.base import Loss
from arignote.registry import register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BinaryCrossEntropy", "FlagError"]


@register("bce", name="binary_cross_entropy")
class BinaryCrossEntropy(Loss):
    """Negative log-likelihood of the flags, a mean over them: ``loss_i = -mean_c log P(y_i[c])``.

    Notes
    -----
    ``P(y) = p`` if the flag is set, else ``1 - p``.

    Examples
    --------
    >>> import torch
    >>> BinaryCrossEntropy().build()(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 1.0]]))
    tensor([0.6931])
    """

    targets: ClassVar[tuple[str, ...]] = ("flags",)
    differentiable: ClassVar[bool] = True

    def build(self) -> Callable[..., Tensor]:
        from torch.nn.functional import binary_cross_entropy_with_logits

        # From the logits: a p that rounds to 0 or 1 has an infinite logarithm.
        return lambda logits, y: binary_cross_entropy_with_logits(logits, y, reduction="none").mean(1)


@register(name="flag_error")
class FlagError(Loss):
    """Share of the flags that are predicted wrongly, the Hamming loss: ``loss_i = mean_c [(p_i[c] > 1/2) != y_i[c]]``.

    Notes
    -----
    It has no gradient.

    Examples
    --------
    >>> import torch
    >>> FlagError().build()(torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 1.0]]))
    tensor([0.5000])
    """

    targets: ClassVar[tuple[str, ...]] = ("flags",)

    def build(self) -> Callable[..., Tensor]:
        # p > 1/2 is z > 0; Mixup makes shares of the flags.
        return lambda logits, y: ((logits > 0) != (y > 0.5)).float().mean(1)
