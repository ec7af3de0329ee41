"""A rule that lists values and when each begins."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from arignote.optim.rules.base import Position, Rule, RuleState
from arignote.registry import Finite, one_of_required, register

__all__ = ["Absolute"]


def _entry(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"must be a list of pairs [number of complete epochs or updates, value]; got {value!r}")
    return tuple(value)


_Entry = Annotated[tuple[Annotated[int, Field(ge=0)], Finite], BeforeValidator(_entry)]
_Entries = Annotated[list[_Entry], Field(min_length=1)]


@register(name="absolute")
class Absolute(Rule):
    """The value is that of a list, from the moment that the list names.

    ``value(n) = v_i``, i the last entry ``[n_i, v_i]`` with ``n_i <= n``; n complete epochs or updates

    Parameters
    ----------
    after_epochs : list of [int >= 0, float], optional
        Numbers of complete epochs, ascending, and the value from then on: ``[20, 0.01]`` is in force from epoch 21,
        counted from 1. In pydnn, which counts epochs from 0, that is ``(20, 0.01)``.
    after_updates : list of [int >= 0, float], optional
        The same in updates. One of the two is required.

    Examples
    --------
    >>> rule = Absolute(after_epochs=[[0, 0.1], [2, 0.05], [3, 0.01]])
    >>> [rule.value_at(rule.start(default=0.2), Position(n_epochs=n, n_updates=0)) for n in range(5)]
    [0.1, 0.1, 0.05, 0.01, 0.01]
    """

    model_config = ConfigDict(json_schema_extra=one_of_required("after_epochs", "after_updates"))
    after_epochs: _Entries | None = None
    after_updates: _Entries | None = None

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if (self.after_epochs is None) == (self.after_updates is None):
            given = "both are given" if self.after_epochs is not None else "neither is given"
            raise ValueError(f"after_epochs or after_updates must be given; {given}")
        for (before, _), (n, _) in pairwise(self._entries):
            if n <= before:
                raise ValueError(f"{self._unit} must be in ascending order, each number once; {n} follows {before}")
        if self.initial_value is not None and self._entries[0][0] == 0:
            raise ValueError(
                f"initial_value {self.initial_value} and {self._unit} both give the first value: leave one out"
            )
        return self

    @property
    def _unit(self) -> str:
        return "after_updates" if self.after_epochs is None else "after_epochs"

    @property
    def _entries(self) -> list[tuple[int, float]]:
        return self.after_epochs or self.after_updates or []

    @property
    def follows_updates(self) -> bool:
        return self.after_updates is not None

    def given_values(self) -> Iterator[tuple[tuple[str | int, ...], float]]:
        yield from super().given_values()
        for number, (_, value) in enumerate(self._entries):
            yield (self._unit, number, 1), value

    def start(self, default: float) -> RuleState:
        n, value = self._entries[0]
        return RuleState(value) if n == 0 else super().start(default)

    def ineffective_reason(self, start: float) -> str | None:
        is_same = all(value == start for _, value in self._entries)
        return f"the value never changes: all values are {start}" if is_same else None

    def waits(self, start: float) -> Position | None:
        n = next((n for n, value in self._entries if value != start), 0)
        return Position(0, n) if self.follows_updates else Position(n, 0)

    def highest(self, start: float) -> float:
        return max(start, *(value for _, value in self._entries))

    def value_at(self, state: RuleState, position: Position) -> float:
        elapsed = position.n_updates if self.after_epochs is None else position.n_epochs
        # In ascending order: of those that have begun the last one holds.
        # Before the first entry the value is the initial one.
        return next((value for n, value in reversed(self._entries) if n <= elapsed), state.value)
