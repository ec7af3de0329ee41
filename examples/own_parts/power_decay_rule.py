"""A rule: decay of a learning rate as a power of the epoch."""

from dataclasses import replace

from arignote.optim.rules import Rule
from arignote.registry import NonNegative, register


@register()
class PowerDecay(Rule):
    """``value = initial_value / epoch^power``, epochs counted from 1."""

    power: NonNegative = 0.5

    def after_epoch(self, state, validation, epoch):
        # Of the epoch that is complete, from 1. What a rule remembers is in `state`: it has no attributes that change.
        return replace(state, value=state.value * (epoch / (epoch + 1)) ** self.power)
