"""Linear warm-up in front of any rule."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Annotated

from arignote.optim.rules.base import Position, RestartNetwork, Rule, RuleState, rule_of_number
from arignote.optim.rules.timed import TimedRule
from arignote.registry import Finite, PartField, register

__all__ = ["Warmup"]


@register(name="warmup")
class Warmup(TimedRule):
    """The value rises from `initial_value` in a line to that of another rule, which it follows from then on.

    ``value(n) = initial_value + (v(n) - initial_value) * min(n / length, 1)``, v the value of `then`; n complete epochs
    or updates (Goyal et al., arXiv:1706.02677)

    Parameters
    ----------
    initial_value : float
        First value.
    then : number, str or [Name, {params}]
        The rule that follows; it counts epochs, updates and validations from the start of training too.

    Examples
    --------
    >>> rule = Warmup(initial_value=0.1, n_epochs=4, then=0.5)
    >>> [round(rule.value_at(rule.start(default=0.01), Position(n, 0)), 6) for n in range(6)]
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.5]
    """

    initial_value: Finite
    then: Annotated[Rule, PartField("rule", rule_of_number, shorthand_schema={"type": "number"})]

    @property
    def needs_validation(self) -> bool:
        return self.then.needs_validation

    @property
    def follows_updates(self) -> bool:
        return super().follows_updates or self.then.follows_updates

    def given_values(self) -> Iterator[tuple[tuple[str | int, ...], float]]:
        yield from super().given_values()
        for path, value in self.then.given_values():
            yield ("then", *path), value

    def start(self, default: float) -> RuleState:
        # The state is that of `then` alone: the warm-up is a function of the position.
        return self.then.start(default)

    def ineffective_reason(self, start: float) -> str | None:
        if self.initial_value >= start:
            return f"the warm-up begins at {self.initial_value}, and must rise; the rule that follows begins at {start}"
        return self.then.ineffective_reason(start)

    @property
    def invalid_reason(self) -> str | None:
        return self.then.invalid_reason

    def highest(self, start: float) -> float:
        return self.then.highest(start)

    def becomes_0(self, start: float) -> bool:
        return self.then.becomes_0(start)

    @property
    def restart_network(self) -> RestartNetwork | None:
        return self.then.restart_network

    def ends(self, state: RuleState) -> bool:
        return self.then.ends(state)

    def after_validation(
        self, state: RuleState, validation: int, epoch: int, loss: float, train_loss: float = nan
    ) -> RuleState:
        return self.then.after_validation(state, validation, epoch, loss, train_loss)

    def after_epoch(self, state: RuleState, validation: int, epoch: int) -> RuleState:
        return self.then.after_epoch(state, validation, epoch)

    def value_at(self, state: RuleState, position: Position) -> float:
        value = self.then.value_at(state, position)
        n = self._elapsed(position)
        return value if n >= self._length else self.initial_value + (value - self.initial_value) * n / self._length
