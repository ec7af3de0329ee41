"""Output layers."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

from arignote.layers.base import Param, Shape, WeightedLayer
from arignote.layers.dense import affine
from arignote.layers.initializers import Constant
from arignote.registry import Count, register

__all__ = ["ClassificationOutputLayer", "OutputLayer"]


class OutputLayer(WeightedLayer):
    """Base class of output layers, which are the last of a network."""

    name_prefix: ClassVar[str] = "output"


@register()
class ClassificationOutputLayer(OutputLayer):
    """Class probabilities.

    ``p = softmax(x @ W + b)``; with ``n_classes=1``, ``p = sigmoid(x @ W + b)`` for the second of two classes.

    Parameters
    ----------
    n_classes : int >= 1, optional
        Number of classes; by default that of the labels.

    Notes
    -----
    W and b start at zero. The built layer returns logits, from which losses are computed without rounding to 0 or 1.

    Examples
    --------
    >>> ClassificationOutputLayer(n_classes=10).output_shape((400,))
    (10,)
    """

    n_classes: Count | None = None

    def output_shape(self, shape: Shape) -> Shape:
        return (max(self.n_classes or 0, 2),)

    def params(self, shape: Shape) -> dict[str, Param]:
        n_in, n_out = prod(shape), self.n_classes or 2
        params = {"W": Param((n_in, n_out), self.W or Constant(), n_in, n_out, unit_axis=1)}
        if self.use_bias:
            params["b"] = Param((n_out,), self.b or Constant())
        return params

    def build(self, shape: Shape) -> Callable[..., Any]:
        return affine(_two_logits if self.n_classes == 1 else lambda x: x)


def _two_logits(z: Any) -> Any:
    """Return the logits (0, z) of two classes, whose softmax is the sigmoid of `z` (n, 1)."""
    from torch.nn.functional import pad

    return pad(z, (1, 0))
