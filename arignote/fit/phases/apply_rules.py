"""Apply rules to the state of a run: new values, a restart from the best network, the end of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arignote.checkpoints.state import AVERAGE, TrainingState
from arignote.engine.checked_copy import copy_into
from arignote.optim.rules import Rule
from arignote.spec.rules import setting_of

__all__ = ["after_epoch", "after_validation", "restart_from"]


def after_validation(
    state: TrainingState, rules: Mapping[str, Rule], complete_epochs: int, loss: float, train_loss: float
) -> None:
    """Give each rule the losses of a validation, the last row of the history.

    A rule whose value changes may restart training from the best network, or from that of the lowest training loss,
    which is kept only for such a rule.

    Parameters
    ----------
    state : TrainingState
        It is changed in place.
    rules : dict of str to Rule
    complete_epochs : int
        Epochs that are complete, this one included if the validation is at its end.
    loss : float
        The first loss of the validation, lower if better; NaN without validation data.
    train_loss : float
        Mean training loss of the epoch so far.
    """
    of_train, n_validations = state.best_train, state.progress.n_validations
    if not any(rule.restart_network == "train" for rule in rules.values()):
        # Of a rule that was dropped, by resume="force".
        state.best_train = None
    elif of_train is None or train_loss < of_train.value:
        state.best_train = state.as_best(train_loss)
    for name, rule in rules.items():
        before = state.rules[name]
        state.rules[name] = rule.after_validation(before, n_validations, complete_epochs, loss, train_loss)
        best = {"train": state.best_train, "valid": state.best, None: None}[rule.restart_network]
        if best is not None and state.rules[name].value != before.value:
            restart_from(state, best.network)


def after_epoch(state: TrainingState, rules: Mapping[str, Rule]) -> None:
    """Update the state of each rule after an epoch; a rule may end training."""
    progress = state.progress
    for name, rule in rules.items():
        state.rules[name] = rule.after_epoch(state.rules[name], progress.n_validations, progress.epoch)
        if rule.ends(state.rules[name]):
            progress.ended, progress.stopped_by = True, setting_of(name)


def restart_from(state: TrainingState, network: Mapping[str, Any]) -> None:
    """Copy a network into that of a running state, and into its average, and set the slots of the updater to 0.

    Parameters
    ----------
    state : TrainingState
        Its tensors are those of the engine.
    network : dict of str to array
        All parameters and buffers.
    """
    for tensors in filter(None, (state.network, state.averaged)):
        copy_into(tensors, network, "the network to restart from")
    for name, slot in state.slots.items():
        # Others, such as the scale of the loss, are of no parameter.
        if name.partition("/")[2] in state.network and not name.startswith(AVERAGE):
            slot.zero_()
    # Updaters that correct for their first updates, such as adam, count from here.
    state.progress.slots_since = state.progress.n_updates
