"""Initial weights: each a function of the shape, the fans and a stream of its own."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from arignote.registry import NonNegative, Part, PartField, Positive, register

__all__ = ["Initializer", "InitializerSpec"]


class Initializer(Part):
    """What every initialiser is: one method, `draw`."""

    kind: ClassVar[str] = "initializer"

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        """Return float64 values of `shape`; `fan_in` and `fan_out` count connections of one unit."""


@register(name="constant")
class Constant(Initializer):
    """The same value everywhere."""

    value: float = 0.0

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        return np.full(shape, self.value)


@register(name="normal")
class Normal(Initializer):
    """Normal values: ``mean + std * N(0, 1)``."""

    std: NonNegative = 0.01
    mean: float = 0.0

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        return self.mean + self.std * rng.standard_normal(shape)


@register(name="uniform")
class Uniform(Initializer):
    """Uniform values in ``[-range, range)``."""

    range: Positive = 0.01

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        return rng.uniform(-self.range, self.range, shape)


class _Scaled(Initializer):
    """Standard deviation by the fans, times `gain`."""

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
    """``N(0, gain^2 * 2 / fan_in)`` (He et al., ICCV 2015)."""

    normal: ClassVar[bool] = True


@register(name="he_uniform")
class HeUniform(_He):
    """Uniform with the variance ``gain^2 * 2 / fan_in``."""

    normal: ClassVar[bool] = False


@register(name="glorot_normal")
class GlorotNormal(_Glorot):
    """``N(0, gain^2 * 2 / (fan_in + fan_out))`` (Glorot and Bengio, AISTATS 2010)."""

    normal: ClassVar[bool] = True


@register("glorot", name="glorot_uniform")
class GlorotUniform(_Glorot):
    """Uniform with the variance ``gain^2 * 2 / (fan_in + fan_out)``."""

    normal: ClassVar[bool] = False


def _number(value: Any) -> Any:
    return ["constant", {"value": float(value)}] if isinstance(value, int | float) else value


InitializerSpec = Annotated[Initializer | None, PartField("initializer", _number)]
