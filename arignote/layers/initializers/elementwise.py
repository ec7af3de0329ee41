"""Initialisers of values that are drawn one by one: constant, normal, uniform, and those of He and Glorot."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from arignote.layers.initializers.base import Gain, Initializer
from arignote.registry import Interval, NonNegative, Positive, register

__all__ = ["Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Normal", "Uniform"]


@register(name="constant")
class Constant(Initializer):
    """The same value everywhere: ``w = value``.

    Parameters
    ----------
    value : float, default 0.0
        The value.

    Examples
    --------
    >>> Constant(value=0.5).draw(np.random.default_rng(0), (3,), fan_in=1, fan_out=1)
    array([0.5, 0.5, 0.5])
    """

    value: float = 0.0

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        return np.full(shape, self.value)


@register(name="normal")
class Normal(Initializer):
    """Normal values: ``w = mean + std * n``, n standard normal.

    Parameters
    ----------
    std : float >= 0, default 0.01
        Standard deviation.
    mean : float, default 0.0
        Mean.

    Examples
    --------
    >>> weights = Normal(std=0.1).draw(np.random.default_rng(0), (200, 100), fan_in=200, fan_out=100)
    >>> float(weights.std().round(2))
    0.1
    """

    std: NonNegative = 0.01
    mean: float = 0.0

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        return self.mean + self.std * rng.standard_normal(shape)


@register(name="uniform")
class Uniform(Initializer):
    """Uniform values: ``-range <= w < range``.

    Parameters
    ----------
    range : float > 0 or (float, float), default 0.01
        Bound of the absolute value; or the bounds (low, high), ``low <= w < high``.

    Examples
    --------
    >>> weights = Uniform(range=0.5).draw(np.random.default_rng(0), (200, 100), fan_in=200, fan_out=100)
    >>> float(abs(weights).max().round(2))
    0.5
    """

    range: Positive | Interval = 0.01

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        low, high = self.range if isinstance(self.range, tuple) else (-self.range, self.range)
        return rng.uniform(low, high, shape)


def _has_that_of_relu(gain: Any) -> Any:
    if gain == "relu":
        raise ValueError("must be a number > 0; got 'relu', whose factor sqrt(2) is in the formula: leave it out")
    return gain


class _Scaled(Initializer):
    """Base class of initialisers whose standard deviation follows from the fans of a layer."""

    gain: float
    normal: ClassVar[bool]

    @abstractmethod
    def _std(self, fan_in: int, fan_out: int) -> float:
        """Return the standard deviation without `gain`."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        std = self.gain * self._std(fan_in, fan_out)
        if self.normal:
            return std * rng.standard_normal(shape)
        # A uniform value in [-a, a] has the standard deviation a / sqrt(3).
        limit = 3**0.5 * std
        return rng.uniform(-limit, limit, shape)


class _He(_Scaled):
    """Base class of initialisers for rectifiers.

    Parameters
    ----------
    gain : float > 0, default 1.0
        Factor of the standard deviation, beside the sqrt(2) of rectifiers, which is in the formula. HeNormal and
        HeUniform of Lasagne have no such factor, unless their gain is "relu".
    """

    gain: Annotated[Positive, BeforeValidator(_has_that_of_relu)] = 1.0

    def _std(self, fan_in: int, fan_out: int) -> float:
        return float((2.0 / fan_in) ** 0.5)


class _Glorot(_Scaled):
    """Base class of initialisers for activations that are nearly linear around zero.

    Parameters
    ----------
    gain : float > 0 or "relu", default 1.0
        Factor of the standard deviation; "relu" is sqrt(2).
    """

    gain: Gain = 1.0

    def _std(self, fan_in: int, fan_out: int) -> float:
        return float((2.0 / (fan_in + fan_out)) ** 0.5)


@register("he", name="he_normal")
class HeNormal(_He):
    """Normal values for rectifiers: ``w ~ N(0, gain^2 * 2 / fan_in)`` (He et al., ICCV 2015).

    Examples
    --------
    >>> weights = HeNormal().draw(np.random.default_rng(0), (200, 100), fan_in=200, fan_out=100)
    >>> float(weights.std().round(2))
    0.1
    """

    normal: ClassVar[bool] = True


@register(name="he_uniform")
class HeUniform(_He):
    """Uniform values for rectifiers: ``|w| < gain * sqrt(6 / fan_in)`` (He et al., ICCV 2015).

    Examples
    --------
    >>> weights = HeUniform().draw(np.random.default_rng(0), (200, 100), fan_in=200, fan_out=100)
    >>> float(weights.std().round(2))
    0.1
    """

    normal: ClassVar[bool] = False


@register(name="glorot_normal")
class GlorotNormal(_Glorot):
    """Normal values: ``w ~ N(0, gain^2 * 2 / (fan_in + fan_out))`` (Glorot and Bengio, AISTATS 2010).

    Examples
    --------
    >>> weights = GlorotNormal().draw(np.random.default_rng(0), (150, 50), fan_in=150, fan_out=50)
    >>> float(weights.std().round(2))
    0.1
    """

    normal: ClassVar[bool] = True


@register("glorot", name="glorot_uniform")
class GlorotUniform(_Glorot):
    """Uniform values: ``|w| < gain * sqrt(6 / (fan_in + fan_out))`` (Glorot and Bengio, AISTATS 2010).

    Examples
    --------
    >>> weights = GlorotUniform().draw(np.random.default_rng(0), (150, 50), fan_in=150, fan_out=50)
    >>> float(weights.std().round(2))
    0.1
    """

    normal: ClassVar[bool] = False
