"""Losses: what is minimised, and what is reported of a validation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from arignote.registry import Part, register

__all__ = ["NLL", "Error", "Loss", "cross_entropy"]


class Loss(Part):
    """Base class of losses: ``build() -> f(logits, y)``, the mean over the examples of a batch.

    The function of a loss that can be minimised also takes the weights of the examples: ``f(logits, y, weights)``.

    Attributes
    ----------
    differentiable : bool
        Whether it has a gradient, so that it can be minimised.
    """

    kind: ClassVar[str] = "loss"
    differentiable: ClassVar[bool] = False

    @abstractmethod
    def build(self) -> Callable[..., Any]:
        """Return the function of engine tensors: logits (n, n_classes), class numbers (n,) -> mean, a scalar."""


@register("cross_entropy", name="nll")
class NLL(Loss):
    """Negative log-likelihood of the true class, or cross-entropy: ``loss = -mean_i log p_i[y_i]``.

    Notes
    -----
    p is the softmax of the logits. If `y` are shares of the classes, ``loss = -mean_i sum_c y_i[c] * log p_i[c]``.

    Examples
    --------
    >>> import torch
    >>> NLL().build()(torch.tensor([[2.0, 2.0]]), torch.tensor([1]))
    tensor(0.6931)
    """

    differentiable: ClassVar[bool] = True

    def build(self) -> Callable[..., Any]:
        return cross_entropy


def cross_entropy(logits: Any, y: Any, weights: Any = None) -> Any:
    """Return the mean negative log-likelihood of `y` under `logits` (n, n_classes).

    `y` are classes (n,), or shares of all classes (n, n_classes); `weights` (n,) are those of the examples.
    """
    from torch.nn import functional

    if weights is None:
        return functional.cross_entropy(logits, y)
    return (functional.cross_entropy(logits, y, reduction="none") * weights).mean()


@register(name="error")
class Error(Loss):
    """Classification error, in [0, 1]: ``loss = mean_i [argmax_c p_i[c] != y_i]``.

    Notes
    -----
    It is 1 - accuracy, so that the smaller value is the better one. It has no gradient.

    Examples
    --------
    >>> import torch
    >>> Error().build()(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
    tensor(0.5000)
    """

    def build(self) -> Callable[..., Any]:
        return lambda logits, y: (logits.argmax(1) != y).float().mean()
