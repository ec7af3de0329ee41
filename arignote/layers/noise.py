"""Layers that disturb their input while training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from arignote.layers.base import Layer, Shape
from arignote.registry import NonNegative, Probability, register

__all__ = ["DropoutLayer", "GaussianNoiseLayer"]


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


@register()
class GaussianNoiseLayer(Layer):
    """Normal noise on every value while training: ``y = x + sigma * n``; the identity outside training.

    Parameters
    ----------
    sigma : float >= 0
        Standard deviation of the noise.

    Examples
    --------
    >>> GaussianNoiseLayer(sigma=0.1).output_shape((400,))
    (400,)
    """

    stem: ClassVar[str] = "noise"
    sigma: NonNegative = 0.1

    def build(self, shape: Shape) -> Callable[..., Any]:
        from arignote.engine.modules import gaussian_noise

        return gaussian_noise(self.sigma)
