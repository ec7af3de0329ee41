"""Base class of rules, the state of a rule, and the constant rule.

A rule has frozen settings; its state is a `RuleState` of plain numbers, which the training state stores.
`after_validation` and `after_epoch` take a state and return the next one; `value_at` takes a state and a position and
returns the value in force.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf, nan
from typing import Any, ClassVar, Literal, NamedTuple

from arignote.registry import Finite, Part, register

__all__ = ["ConstantRule", "Position", "RestartNetwork", "Rule", "RuleState", "RuleValues", "rule_of_number"]

# The network of the lowest training loss, or of the best validation.
RestartNetwork = Literal["train", "valid"]


class Position(NamedTuple):
    """The position of an update in a run.

    Attributes
    ----------
    n_epochs, n_updates : int
        Numbers of complete epochs and updates before it.
    """

    n_epochs: int
    n_updates: int


class RuleValues(NamedTuple):
    """The values of all rules that are in force in an update.

    Attributes
    ----------
    lr, momentum : float
    numbers : dict of str to float
        Numbers of layers and settings that follow a rule, such as "fc1.l2".
    """

    lr: float
    momentum: float
    numbers: dict[str, float]

    @property
    def by_name(self) -> dict[str, float]:
        """The values by the names of their rules: "lr", "momentum" and those of the numbers."""
        return {"lr": self.lr, "momentum": self.momentum} | self.numbers


@dataclass(frozen=True)
class RuleState:
    """State of a rule.

    Attributes
    ----------
    value : float
        Current value; of a rule that is a function of the position, the value that it begins with.
    best_loss : float
        The lowest validation loss so far.
    changed_at : int
        Number (from 1) of the validation of the last change or improvement.
    best_train_loss : float
        The lowest training loss so far, of a rule that watches it.
    """

    value: float
    best_loss: float = inf
    changed_at: int = 0
    # Not shown, as `Annealer` alone has it.
    best_train_loss: float = field(default=inf, repr=False)


class Rule(Part):
    """Base class of rules.

    Parameters
    ----------
    initial_value : float, optional
        First value; by default that of the updater.
    """

    kind: ClassVar[str] = "rule"
    initial_value: Finite | None = None

    @property
    def needs_validation(self) -> bool:
        """Whether the rule can have no effect without validation data."""
        return False

    @property
    def follows_updates(self) -> bool:
        """Whether the value may change within an epoch, though nothing is validated."""
        return False

    def given_values(self) -> Iterator[tuple[tuple[str | int, ...], float]]:
        """Yield each value that a user gave, with the path of its parameter; all must be allowed for what it drives."""
        for name in ("initial_value", "final_value"):
            value = getattr(self, name, None)
            if value is not None:
                yield (name,), value

    def start(self, default: float) -> RuleState:
        """Return the first state; `default` is the updater's value."""
        return RuleState(default if self.initial_value is None else self.initial_value)

    def value_at(self, state: RuleState, position: Position) -> float:
        """Return the value in force in the update at a position."""
        return state.value

    def ineffective_reason(self, start: float) -> str | None:
        """Return a message about why the rule can have no effect when it begins at `start`; None if it can."""
        return None

    @property
    def invalid_reason(self) -> str | None:
        """Why no new run may begin with the rule; None if one may. A resumed run keeps its rule."""
        return None

    def waits(self, start: float) -> Position | None:
        """Return the complete epochs, or updates, before the first change of a value that is listed or a step.

        One of the two numbers is 0; None if the value changes at once, or if validations decide when it does.
        """
        return None

    def highest(self, start: float) -> float:
        """Return the highest value that is reached in training of any length; infinity if there is none."""
        return start

    def becomes_0(self, start: float) -> bool:
        """Return whether the value becomes 0 in training of some length, though no `given_values` are 0."""
        return False

    @property
    def restart_network(self) -> RestartNetwork | None:
        """The network from which training restarts at each change of the value; None if it continues as it is."""
        return None

    def after_validation(
        self, state: RuleState, validation: int, epoch: int, loss: float, train_loss: float = nan
    ) -> RuleState:
        """Return the state after a validation.

        Parameters
        ----------
        state : RuleState
        validation : int
            Its number, from 1.
        epoch : int
            Number of complete epochs.
        loss : float
            Its first loss; NaN without validation data.
        train_loss : float
            The mean training loss of the epoch so far; NaN if it is not known.
        """
        return state

    def ends(self, state: RuleState) -> bool:
        """Return whether training ends with the epoch after which the rule has this state."""
        return False

    def after_epoch(self, state: RuleState, validation: int, epoch: int) -> RuleState:
        """Return the state after epoch number `epoch` (from 1) is complete."""
        return state


@register("constant", name="const")
class ConstantRule(Rule):
    """The value never changes: ``new = old``.

    Examples
    --------
    >>> ConstantRule(initial_value=0.1).start(default=0.01)
    RuleState(value=0.1, best_loss=inf, changed_at=0)
    """


def rule_of_number(value: Any) -> Any:
    """Return a number as the spec of the rule that is constant; a bool is an int, but no number here."""
    return ["const", {"initial_value": float(value)}] if type(value) in (int, float) else value
