"""Layers that disturb their input while training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from arignote.layers.base import Layer, Shape
from arignote.registry import Probability, register

__all__ = ["DropoutLayer"]


@register()
class DropoutLayer(Layer):
    """Dropout (Srivastava et al., JMLR 2014).

    ``y = x * m / (1 - p)``, each m 0 with probability p, else 1; the identity outside training.

    Parameters
    ----------
    dropout_p : float in [0, 1)
        Probability that a value is dropped.

    Examples
    --------
    >>> DropoutLayer(dropout_p=0.25).output_shape((400,))
    (400,)
    """

    stem: ClassVar[str] = "dropout"
    dropout_p: Probability

    def build(self, shape: Shape) -> Callable[..., Any]:
        from arignote.engine.modules import dropout

        return dropout(self.dropout_p)
