"""Losses: what is trained on, and what is told."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from arignote.registry import Part, register

__all__ = ["Loss", "cross_entropy"]


class Loss(Part):
    """What every loss is: ``build() -> f(logits, y)``, the mean over the examples of a batch.

    One that can be trained on takes the weights of the examples too: ``f(logits, y, weights)``.
    """

    kind: ClassVar[str] = "loss"
    differentiable: ClassVar[bool] = False

    @abstractmethod
    def build(self) -> Callable[..., Any]:
        """Return the function of engine tensors: logits (n, n_classes), class numbers (n,) -> mean, a scalar."""


@register("cross_entropy", name="nll")
class NLL(Loss):
    """Negative log-likelihood of the true class: ``-mean log p_y``."""

    differentiable: ClassVar[bool] = True

    def build(self) -> Callable[..., Any]:
        return cross_entropy


def cross_entropy(logits: Any, y: Any, weights: Any = None) -> Any:
    """Return the mean negative log-likelihood of `y` under `logits` (n, n_classes).

    `y` are classes (n,), or shares of all classes (n, n_classes); `weights` (n,) say how much each example counts.
    """
    from torch.nn import functional

    if weights is None:
        return functional.cross_entropy(logits, y)
    return (functional.cross_entropy(logits, y, reduction="none") * weights).mean()


@register(name="error")
class Error(Loss):
    """Fraction of examples whose most probable class is not the true one, in [0, 1]."""

    def build(self) -> Callable[..., Any]:
        return lambda logits, y: (logits.argmax(1) != y).float().mean()
