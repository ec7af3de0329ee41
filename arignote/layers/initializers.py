"""Initialisers: initial values from the shape of a parameter, its fans and a random stream of its own."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from arignote.registry import NonNegative, Part, PartField, Positive, register

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "InitializerSpec",
    "Normal",
    "Uniform",
]


class Initializer(Part):
    """Base class of initialisers, which define `draw`."""

    kind: ClassVar[str] = "initializer"

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        """Return float64 values of `shape`; `fan_in` and `fan_out` are numbers of connections of one unit."""


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
    range : float > 0, default 0.01
        Bound of the absolute value.

    Examples
    --------
    >>> weights = Uniform(range=0.5).draw(np.random.default_rng(0), (200, 100), fan_in=200, fan_out=100)
    >>> float(abs(weights).max().round(2))
    0.5
    """

    range: Positive = 0.01

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        return rng.uniform(-self.range, self.range, shape)


class _Scaled(Initializer):
    """Base class of initialisers whose standard deviation follows from the fans of a layer.

    Parameters
    ----------
    gain : float > 0, default 1.0
        Factor of the standard deviation.
    """

    gain: Positive = 1.0
    normal: ClassVar[bool]

    @abstractmethod
    def _std(self, fan_in: int, fan_out: int) -> float:
        """Return the standard deviation without `gain`."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        std = self.gain * self._std(fan_in, fan_out)
        if self.normal:
            return std * rng.standard_normal(shape)
        limit = 3**0.5 * std
        return rng.uniform(-limit, limit, shape)


class _He(_Scaled):
    def _std(self, fan_in: int, fan_out: int) -> float:
        return float((2.0 / fan_in) ** 0.5)


class _Glorot(_Scaled):
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


def _number(value: Any) -> Any:
    return ["constant", {"value": float(value)}] if isinstance(value, int | float) else value


InitializerSpec = Annotated[Initializer | None, PartField("initializer", _number, shorthand_schema={"type": "number"})]
