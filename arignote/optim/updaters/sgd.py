"""Stochastic gradient descent, with and without momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from arignote.optim.updaters.base import FusedUpdater, Updater, kernels
from arignote.registry import Probability, register

if TYPE_CHECKING:
    from torch import Tensor

    from arignote.optim.updaters.base import Tensors

__all__ = ["NAG", "SGD", "Momentum"]


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

    def step(self, w: Tensor, g: Tensor, slots: Mapping[str, Tensor], lr: float, momentum: float, n: int) -> None:
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

    def step_slices(
        self, w: Tensors, g: Tensors, slots: Mapping[str, Tensors], lr: float, momentum: float, n: int, decay: float
    ) -> None:
        # lr is outside of v, as in torch.optim: a change acts on earlier gradients too. In the paper it is inside.
        kernels().fused_sgd_(w, g, slots["velocity"], lr=lr, mu=momentum, decay=decay, nesterov=False)


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

    def step_slices(
        self, w: Tensors, g: Tensors, slots: Mapping[str, Tensors], lr: float, momentum: float, n: int, decay: float
    ) -> None:
        kernels().fused_sgd_(w, g, slots["velocity"], lr=lr, mu=momentum, decay=decay, nesterov=True)
