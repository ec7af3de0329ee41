"""Rules that are monotonic functions of the position: linear, exponential, in steps, inverse."""

from __future__ import annotations

from abc import abstractmethod
from math import inf
from typing import Annotated

from pydantic import Field

from arignote.optim.rules.base import Position
from arignote.optim.rules.timed import ScheduledRule
from arignote.registry import Finite, register

__all__ = ["Exponential", "Inverse", "LinearRule", "Step"]

# Infinity is no number that a value can be multiplied by.
_Factor = Annotated[Finite, Field(gt=0)]


@register(name="linear")
class LinearRule(ScheduledRule):
    """The value changes by equal amounts until it is `final_value`, which it keeps.

    ``value(n) = initial_value + (final_value - initial_value) * min(n / length, 1)``, n complete epochs or updates

    Parameters
    ----------
    final_value : float
        Last value; above the first one for a momentum that grows to a maximum.

    Examples
    --------
    >>> rule = LinearRule(initial_value=0.5, final_value=0.9, n_epochs=4)
    >>> [round(rule.value_after(n, first=0.5), 6) for n in range(6)]
    [0.5, 0.6, 0.7, 0.8, 0.9, 0.9]
    """

    final_value: Finite

    def ineffective_reason(self, start: float) -> str | None:
        return f"the value never changes: it begins at final_value {start}" if start == self.final_value else None

    def highest(self, start: float) -> float:
        return max(start, self.final_value)

    def value_after(self, n: int, first: float) -> float:
        if n >= self._length:
            return self.final_value
        return first + (self.final_value - first) * n / self._length


class _Bounded(ScheduledRule):
    """Base class of rules that multiply the first value by a factor, bounded by `final_value`.

    Parameters
    ----------
    final_value : float, optional
        Bound of the value; required by a momentum that would rise to 1.
    """

    final_value: Finite | None = None

    @abstractmethod
    def _factor(self, n: int) -> float:
        """Return the factor after `n` epochs or updates."""

    @property
    @abstractmethod
    def _rises(self) -> bool:
        """Whether the factor grows."""

    def ineffective_reason(self, start: float) -> str | None:
        if self._factor(self._length) == 1 or start == 0:
            return "the value never changes: " + ("it begins at 0" if start == 0 else "multiply_by is 1")
        if self.final_value is None or (self.final_value > start if self._rises else self.final_value < start):
            return None
        direction = "rises" if self._rises else "falls"
        return f"final_value {self.final_value} can never be reached: the value begins at {start} and {direction}"

    def highest(self, start: float) -> float:
        if not self._rises:
            return start
        return inf if self.final_value is None else self.final_value

    def value_after(self, n: int, first: float) -> float:
        try:
            value = first * self._factor(n)
        except OverflowError:
            # Python raises for a power that is beyond float64, where a product would be infinite.
            value = inf
        if self.final_value is None:
            return value
        return min(value, self.final_value) if self._rises else max(value, self.final_value)


class _Multiplied(_Bounded):
    """Base class of rules that multiply by the same factor again and again.

    Parameters
    ----------
    multiply_by : float > 0
        Factor over the length; above 1 for a value that rises.
    """

    multiply_by: _Factor

    @property
    def _rises(self) -> bool:
        return self.multiply_by > 1


@register(name="exponential")
class Exponential(_Multiplied):
    """The value is multiplied by `multiply_by` over each length, in equal ratios.

    ``value(n) = initial_value * multiply_by^(n / length)``, bounded by `final_value`; n complete epochs or updates

    Examples
    --------
    >>> rule = Exponential(initial_value=0.8, multiply_by=0.25, n_epochs=2)
    >>> [rule.value_after(n, first=0.8) for n in range(4)]
    [0.8, 0.4, 0.2, 0.1]
    """

    def _factor(self, n: int) -> float:
        return float(self.multiply_by ** (n / self._length))


@register(name="step")
class Step(_Multiplied):
    """The value is multiplied by `multiply_by` at the end of each length, and is constant between.

    ``value(n) = initial_value * multiply_by^floor(n / length)``, bounded by `final_value`; n complete epochs or updates

    Examples
    --------
    >>> rule = Step(initial_value=0.8, multiply_by=0.5, n_epochs=2)
    >>> [rule.value_after(n, first=0.8) for n in range(5)]
    [0.8, 0.8, 0.4, 0.4, 0.2]
    """

    def waits(self, start: float) -> Position | None:
        return Position(self.n_epochs or 0, self.n_updates or 0)

    def _factor(self, n: int) -> float:
        return float(self.multiply_by ** (n // self._length))


@register(name="inverse")
class Inverse(_Bounded):
    """The value falls as one over the number of epochs or updates.

    ``value(n) = initial_value / (1 + decay * n / length)``, at least `final_value`; n complete epochs or updates

    With ``n_epochs=1`` this is the decay of pydnn, which keeps the last value above the minimum instead.

    Parameters
    ----------
    decay : float > 0
        Growth of the divisor over the length.

    Examples
    --------
    >>> rule = Inverse(initial_value=0.6, decay=0.5, n_epochs=1, final_value=0.25)
    >>> [round(rule.value_after(n, first=0.6), 6) for n in range(5)]
    [0.6, 0.4, 0.3, 0.25, 0.25]
    """

    decay: _Factor

    @property
    def _rises(self) -> bool:
        return False

    def _factor(self, n: int) -> float:
        return 1 / (1 + self.decay * n / self._length)
