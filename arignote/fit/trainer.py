"""The training loop. It is handed everything it uses."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arignote.checkpoints.progress import STOP_RULE
from arignote.checkpoints.schedule import Checkpointer
from arignote.checkpoints.state import TrainingState
from arignote.data.epoch.batches import Batch, Batches
from arignote.fit.phases import apply_rules
from arignote.fit.phases.final_epochs import EpochSource, FinalEpochs
from arignote.fit.validations.validation import Validation
from arignote.observers.events import Event
from arignote.optim.rules import Position, Rule, RuleValues
from arignote.optim.stopping import StopRule
from arignote.preemption.signals import StopRequested
from arignote.streams import stream_seed

if TYPE_CHECKING:
    from torch import Tensor

    from arignote.engine.feed import DeviceBatch
    from arignote.engine.step import UpdateFunction

__all__ = ["Trainer"]


class Trainer:
    """Runs epochs.

    Parameters
    ----------
    step : UpdateFunction
        One update.
    to_device : callable
        From a `Batch` to the same batch on the device of the network, which has `n_rows`.
    batches : Batches
        What is trained on.
    final : FinalEpochs or None
        The last epochs, which begin with the best network, and train on the rows of validation and test too.
    rules : dict of str to Rule
        "lr", "momentum", and numbers of layers, such as "fc1.l2".
    validation : Validation
        Scores the network.
    checkpointer : Checkpointer
        Keeps the state.
    check_stop : callable
        Raises StopRequested where something asks to stop; called after each batch.
    n_epochs : int
        Epochs in all.
    accumulate : int
        Batches of an update.
    average : callable or None
        Includes the weights in their average after update n (from 1) of an epoch (from 1), perhaps its last one.
    thaw_at : dict of str to int
        Epochs after which layers are thawed, by their name.
    stop_rule : StopRule or None
        What may end training before.
    validation_frequency : int or None
        Examples between validations; None: the end of each epoch.
    observers : sequence of callable
        Each is called with every `Event`.
    """

    def __init__(
        self,
        *,
        step: UpdateFunction,
        to_device: Callable[[Batch], DeviceBatch],
        batches: Batches,
        final: FinalEpochs | None,
        rules: Mapping[str, Rule],
        validation: Validation,
        checkpointer: Checkpointer,
        check_stop: Callable[[], None],
        n_epochs: int,
        accumulate: int,
        average: Callable[[int, int, bool, bool], None] | None,
        thaw_at: Mapping[str, int],
        stop_rule: StopRule | None,
        validation_frequency: int | None,
        observers: Sequence[Callable[[Event], None]],
    ):
        self.step, self.to_device, self.batches, self.final, self.rules = step, to_device, batches, final, rules
        self.validation, self.checkpointer, self.check_stop = validation, checkpointer, check_stop
        self.accumulate, self.average, self.thaw_at, self.stop_rule = accumulate, average, thaw_at, stop_rule
        self.n_epochs, self.validation_frequency, self.observers = n_epochs, validation_frequency, observers
        self._clock = time.perf_counter()

    def run(self, state: TrainingState, status: str = "starts") -> TrainingState:
        """Train until `n_epochs` are done, or a stop is requested. `state` may be fresh or from a checkpoint."""
        self._notify("start", state, state.progress.epoch + 1, text=status)
        # After the observers: their preparations are not a part of the seconds of the first validation.
        self._clock = time.perf_counter()
        try:
            if state.progress.validation_due:  # a stop came within the validation that follows the last update
                self._validate(state, state.progress.epoch)
            self._begin_final_epochs(state)  # of a run that was complete, and has more epochs now
            while state.progress.epoch < self.n_epochs and not state.progress.ended:
                self.check_stop()
                self._train_epoch(state)
                self._finish_epoch(state)  # history, rules, best: before anything is saved
                self.checkpointer.after_epoch(state)
                self._notify_saved(state)
        except StopRequested as asked:
            state.progress.stopped_by = asked.reason
        self.checkpointer.finish(state)  # after a stop too: nothing that was trained is lost
        self._notify_saved(state)
        self._notify("end", state, state.progress.current_epoch, text=state.progress.stopped_by or "")
        return state

    def _train_epoch(self, state: TrainingState) -> None:
        """Train on what is left of the epoch, `accumulate` batches at a time."""
        progress, source = state.progress, self._epoch_source(state)
        due = [layer for layer, epoch in self.thaw_at.items() if epoch <= progress.epoch]
        # The right side wins: a layer that was thawed before keeps the number of its update.
        state.thawed = dict.fromkeys(due, progress.n_updates) | state.thawed
        # Closed at once if a stop is raised within: its threads read ahead.
        with contextlib.closing(source.batches.updates(progress.epoch, progress.batch, self.accumulate)) as updates:
            for numbers, batches in updates:
                self._step(state, numbers, batches)
                self.checkpointer.after_batch(state)
                self._notify_saved(state)
                self.check_stop()

    def _step(self, state: TrainingState, numbers: range, batches: list[Batch]) -> None:
        """Update the network and its average, then validate it if that is due."""
        examples_before = state.progress.examples_seen
        loss = self.update(state, numbers, batches)
        self._update_average(state)
        self._notify("batch", state, state.progress.epoch + 1, _loss=loss)
        frequency = self.validation_frequency
        # Whenever a multiple of the frequency is passed, as the size of batches need not divide it.
        if frequency is not None and state.progress.examples_seen // frequency > examples_before // frequency:
            state.progress.validation_due = True
            self._validate(state, state.progress.epoch)

    def update(self, state: TrainingState, numbers: range, batches: list[Batch]) -> Tensor:
        """Update the network from the batches of these numbers, and count them; return their mean loss, on the device.

        Of batches in shards, `batches` are those that this process computes.
        """
        progress, source = state.progress, self._epoch_source(state)
        moved = [source.to_device(batch) for batch in batches]
        n_rows = [source.batches.cuts.size(number) for number in numbers]
        values = self.values(state, progress.n_updates)
        loss = self.step(
            moved,
            (stream_seed(state.rng, "step", progress.epoch, batch.index, batch.shard) for batch in batches),
            lr=values.lr,
            momentum=values.momentum,
            n=progress.n_updates + 1 - progress.slots_since,
            numbers=values.numbers,
            thawed={layer: max(n - progress.slots_since, 0) for layer, n in state.thawed.items()},
            n_rows=n_rows,
        )
        n_all = sum(n_rows)
        # On a GPU the loss stays there, so that nothing waits for it; the product is exact in float64 either way.
        if loss.is_cuda:
            state.epoch_loss.add_(loss, alpha=n_all)
        else:
            state.epoch_loss.add_(loss.item() * n_all)
        progress.count_update(numbers.stop, n_all)
        return loss

    def _update_average(self, state: TrainingState) -> None:
        """Include the weights in their average."""
        if self.average is not None:
            progress = state.progress
            ends_epoch = progress.batch == self._epoch_source(state).batches.n_batches
            epoch = progress.epoch + 1 - (progress.final_since or 0)  # the average begins again with final epochs
            self.average(progress.n_updates, epoch, ends_epoch, progress.is_final)

    def _finish_epoch(self, state: TrainingState) -> None:
        progress = state.progress
        if self.validation_frequency is None:
            self._validate(state, progress.epoch + 1)
        # After the validation, whose row has the mean loss of this epoch.
        progress.epoch, progress.batch, progress.epoch_examples = progress.epoch + 1, 0, 0
        state.epoch_loss.zero_()
        if not progress.is_final:
            apply_rules.after_epoch(state, self.rules)
            self._apply_stop_rule(state)
            self._begin_final_epochs(state)
        elif self.final is not None:
            self.final.end_if_complete(state)

    def _apply_stop_rule(self, state: TrainingState) -> None:
        rule, best = self.stop_rule, state.best
        if rule is not None and best is not None and rule.ends(self.validation.losses(state.history), best.n_rows):
            state.progress.ended, state.progress.stopped_by = True, STOP_RULE

    def _begin_final_epochs(self, state: TrainingState) -> None:
        """Begin the final epochs, if there are any and they are due."""
        if self.final is not None:
            self.final.begin_if_due(state, self.n_epochs, self.values(state, state.progress.n_updates))

    def _validate(self, state: TrainingState, complete_epochs: int) -> None:
        """Score the network, then change the state: a row of the history, the best network, the rules."""
        progress, epoch = state.progress, state.progress.epoch + 1
        # With the values of the last update, which the validation follows.
        result = self.validation(state, self.values(state, max(progress.n_updates - 1, 0)))
        now = time.perf_counter()
        seconds, self._clock = now - self._clock, now
        # Nothing above changes the state: a stop in mid-validation leaves it still to be done.
        progress.validation_due = False
        if self.validation.monitor is not None:
            self.validation.monitor.begin_again(state)
        progress.n_validations += 1
        state.history.append(result.row | {"seconds": seconds})
        if result.is_best:
            state.best = state.as_best(result.value)
        if not progress.is_final:
            loss, train_loss = self.validation.loss(result.value), result.row[f"train_{self.validation.train_loss}"]
            apply_rules.after_validation(state, self.rules, complete_epochs, loss, train_loss)
        self._notify("validation", state, epoch, is_best=result.is_best, _loss=result.value)

    def values(self, state: TrainingState, n_updates: int) -> RuleValues:
        """Return the value of each rule in the update of the unfinished epoch that follows `n_updates` updates."""
        position = Position(state.progress.epoch, n_updates)
        if state.progress.is_final:  # they train with constant values
            numbers = {name: rule.value for name, rule in state.rules.items()}
        else:
            numbers = {name: rule.value_at(state.rules[name], position) for name, rule in self.rules.items()}
        return RuleValues(numbers.pop("lr"), numbers.pop("momentum"), numbers)

    def _epoch_source(self, state: TrainingState) -> EpochSource:
        """Return what has the batches of the unfinished epoch."""
        return self if self.final is None or not state.progress.is_final else self.final

    def _notify_saved(self, state: TrainingState) -> None:
        if files := self.checkpointer.take_written():
            self._notify("save", state, state.progress.current_epoch, files=files)

    def _notify(self, kind: str, state: TrainingState, epoch: int, **more: Any) -> None:
        """Call each observer; `more` are attributes of the event."""
        if not self.observers:
            return
        progress = state.progress
        record = state.history.record(-1) if kind in ("start", "validation") and len(state.history) else {}
        more |= {"n_updates": progress.n_updates, "examples_seen": progress.examples_seen}
        n_batches = self._epoch_source(state).batches.n_batches
        event = Event(kind, epoch, self.n_epochs, progress.batch, n_batches, record, **more)
        for observer in self.observers:
            observer(event)
