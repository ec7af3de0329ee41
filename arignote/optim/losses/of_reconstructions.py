"""Losses of autoencoders, whose outputs are a reconstruction z and what is reconstructed, x: [z, x]."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from arignote.optim.losses.base import Loss
from arignote.registry import register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Reconstruction"]


@register(name="reconstruction")
class Reconstruction(Loss):
    """Error of a reconstruction: ``loss_i = mean_j (z_i[j] - x_i[j])^2``.

    With the cost "cross_entropy", for x in [0, 1], the reconstruction is ``p = sigmoid(z)`` and the loss
    ``-mean_j (x_i[j] * log p_i[j] + (1 - x_i[j]) * log(1 - p_i[j]))`` (Vincent et al., ICML 2008).

    Parameters
    ----------
    cost : "squared" or "cross_entropy", default "squared"
        How reconstructions are compared with what they reconstruct.

    Examples
    --------
    >>> import torch
    >>> Reconstruction().build()(torch.tensor([[1.0, 3.0, 0.0, 1.0]]), torch.zeros(1, 2))
    tensor([2.5000])
    """

    targets: ClassVar[tuple[str, ...]] = ("own_input",)
    differentiable: ClassVar[bool] = True
    cost: Literal["squared", "cross_entropy"] = "squared"

    def build(self) -> Callable[..., Tensor]:
        from torch.nn.functional import softplus

        def loss_of_rows(outputs: Tensor, y: Tensor) -> Tensor:
            z, x = outputs.tensor_split(2, dim=1)
            # -x log p - (1 - x) log(1 - p) = softplus(z) - x z
            costs = (z - x).square() if self.cost == "squared" else softplus(z) - x * z
            return costs.mean(1)

        return loss_of_rows
