"""The values of rules over a whole training that has not been done, as if no validation improved on the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from arignote.optim.rules.base import Position, Rule, RuleState

__all__ = ["PlannedUpdate", "planned_updates"]

# Of each validation: the first is better than none, the others are no better than that.
_LOSS = 1.0


class PlannedUpdate(NamedTuple):
    """An update and the values in force in it.

    Attributes
    ----------
    epoch : int
        From 1.
    number, n_of_epoch : int
        Number of the update in its epoch, from 0, and how many the epoch has.
    values : dict of str to float
        By the name of the rule.
    """

    epoch: int
    number: int
    n_of_epoch: int
    values: dict[str, float]


def planned_updates(
    rules: Mapping[str, Rule],
    states: Mapping[str, RuleState],
    n_epochs: int,
    rows: Sequence[int],
    validation_frequency: int | None = None,
) -> Iterator[PlannedUpdate]:
    """Yield each update of a training.

    Parameters
    ----------
    rules : dict of str to Rule
    states : dict of str to RuleState
        The first ones.
    n_epochs : int
    rows : sequence of int
        Number of examples of each update of an epoch.
    validation_frequency : int, optional
        Examples between validations; by default an epoch.
    """
    states, n_updates, n_rows, n_validations = dict(states), 0, 0, 0

    def validated(n_complete: int) -> None:
        for name, rule in rules.items():
            states[name] = rule.after_validation(states[name], n_validations, n_complete, _LOSS, _LOSS)

    for epoch in range(n_epochs):
        for number, n_of_update in enumerate(rows):
            position = Position(epoch, n_updates)
            values = {name: rule.value_at(states[name], position) for name, rule in rules.items()}
            yield PlannedUpdate(epoch + 1, number, len(rows), values)
            n_updates, before, n_rows = n_updates + 1, n_rows, n_rows + n_of_update
            if validation_frequency is not None and n_rows // validation_frequency > before // validation_frequency:
                n_validations += 1
                # `epoch` epochs are complete, as it is counted from 0: this one is not.
                validated(epoch)
        if validation_frequency is None:
            n_validations += 1
            validated(epoch + 1)
        # After the validations of the epoch, as in the trainer.
        for name, rule in rules.items():
            states[name] = rule.after_epoch(states[name], n_validations, epoch + 1)
        if any(rule.ends(states[name]) for name, rule in rules.items()):
            return
