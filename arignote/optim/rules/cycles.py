"""Rules of cycles: half a cosine, with or without restarts, and one cycle up and down."""

from __future__ import annotations

from collections.abc import Iterator
from math import cos, pi
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from arignote.optim.rules.timed import ScheduledRule
from arignote.registry import Count, Finite, register

__all__ = ["Cosine", "OneCycle"]


def _between(first: float, last: float, share: float) -> float:
    """Return the value of half a cosine from `first` (share 0) to `last` (share 1)."""
    return last + (first - last) * (1 + cos(pi * share)) / 2


def _in_line(first: float, last: float, share: float) -> float:
    """Return the value of a straight line from `first` (share 0) to `last` (share 1)."""
    return first + (last - first) * share


@register(name="cosine")
class Cosine(ScheduledRule):
    """The value follows half a cosine down to `final_value`; with `restarts` it begins again at the end of each cycle.

    ``value(n) = final_value + (initial_value - final_value) * (1 + cos(pi * t / T)) / 2``, t of the T epochs or updates
    of a cycle complete (Loshchilov and Hutter, "SGDR", ICLR 2017)

    Parameters
    ----------
    final_value : float, default 0.0
        Last value, which is kept without `restarts`.
    restarts : bool, default False
        Whether another cycle follows each; the length is that of the first.
    multiply_length_by : int >= 1, default 1
        Factor from the length of a cycle to that of the next one.

    Examples
    --------
    >>> rule = Cosine(initial_value=0.4, n_epochs=2, restarts=True)
    >>> [round(rule.value_after(n, first=0.4), 6) for n in range(5)]
    [0.4, 0.2, 0.4, 0.2, 0.4]
    """

    final_value: Finite = 0.0
    restarts: bool = False
    multiply_length_by: Count = 1

    @model_validator(mode="after")
    def _lengthens_what_is_repeated(self) -> Self:
        if self.multiply_length_by > 1 and not self.restarts:
            raise ValueError(f"multiply_length_by {self.multiply_length_by} needs restarts: true")
        return self

    def ineffective_reason(self, start: float) -> str | None:
        return f"the value never changes: it begins at final_value {start}" if start == self.final_value else None

    def highest(self, start: float) -> float:
        return max(start, self.final_value)

    def value_after(self, n: int, first: float) -> float:
        length = self._length
        if not self.restarts:
            return self.final_value if n >= length else _between(first, self.final_value, n / length)
        if self.multiply_length_by == 1:
            # Of many equal cycles, without a loop over them.
            n %= length
        while n >= length:
            n, length = n - length, length * self.multiply_length_by
        return _between(first, self.final_value, n / length)


@register(name="one_cycle")
class OneCycle(ScheduledRule):
    """The value changes to `middle_value`, then to `final_value`, which it keeps.

    ``value(n) = a + (b - a) * (1 - cos(pi * s)) / 2``: from a to b, s the share of the way that is complete, which ends
    in epoch or update ``rise * length`` and in the last one (Smith and Topin, "Super-Convergence", 2018)

    Parameters
    ----------
    middle_value : float
        The highest learning rate; the lowest momentum.
    final_value : float
        Value in the last epoch or update of the cycle, and after it.
    rise : float in (0, 1), default 0.3
        Share of the length in which `middle_value` is reached.
    shape : {"cosine", "linear"}, default "cosine"
        How the value changes on each of the two ways.

    Examples
    --------
    >>> rule = OneCycle(initial_value=0.1, middle_value=0.5, final_value=0.0, rise=0.5, n_epochs=6, shape="linear")
    >>> [round(rule.value_after(n, first=0.1), 6) for n in range(7)]
    [0.1, 0.3, 0.5, 0.333333, 0.166667, 0.0, 0.0]
    """

    middle_value: Finite
    final_value: Finite
    rise: Annotated[float, Field(gt=0, lt=1)] = 0.3
    shape: Literal["cosine", "linear"] = "cosine"

    @model_validator(mode="after")
    def _has_two_ways(self) -> Self:
        # The first way ends at rise * length - 1, counted from 0, which must be above 0.
        if self.rise * self._length <= 1:
            unit = "n_epochs" if self.n_epochs is not None else "n_updates"
            raise ValueError(f"{unit} must be more than 1 / rise = {1 / self.rise:g}; got {self._length}")
        return self

    def given_values(self) -> Iterator[tuple[tuple[str | int, ...], float]]:
        yield from super().given_values()
        yield ("middle_value",), self.middle_value

    def ineffective_reason(self, start: float) -> str | None:
        if start == self.middle_value == self.final_value:
            return f"the value never changes: initial, middle and final value are {start}"
        return None

    def highest(self, start: float) -> float:
        return max(start, self.middle_value, self.final_value)

    def value_after(self, n: int, first: float) -> float:
        between = _between if self.shape == "cosine" else _in_line
        # Counted from 0, as in OneCycleLR of torch: the last of the length has the final value.
        middle, last = self.rise * self._length - 1, self._length - 1
        if n >= last:
            return self.final_value
        if n <= middle:
            return between(first, self.middle_value, n / middle)
        return between(self.middle_value, self.final_value, (n - middle) / (last - middle))
