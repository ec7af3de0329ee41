"""The loop. It builds nothing and owns nothing: everything is handed to it, ready made."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from math import isnan, nan
from typing import Any, Protocol

from arignote.checkpoints.progress import STOP_RULE
from arignote.checkpoints.schedule import Checkpointer
from arignote.checkpoints.state import TrainingState
from arignote.data.batches import Batch, Batches
from arignote.fit import apply_rules
from arignote.optim.rules import Position, Rule
from arignote.optim.stopping import StopRule
from arignote.preemption.signals import StopRequested
from arignote.report.events import Event
from arignote.streams import stream_seed

__all__ = ["Monitor", "Score", "Step", "Trainer"]


class Step(Protocol):
    """One update from one batch, or from several that count as one; returns the mean loss, on the device."""

    def __call__(
        self,
        batches: Sequence[Any],
        seeds: Sequence[int],
        *,
        lr: float,
        momentum: float,
        n: int,
        numbers: Mapping[str, float],
        thawed: Mapping[str, int],
    ) -> Any: ...


class Monitor(Protocol):
    """Columns of the history beside losses, and what they are means of, which begins again after each validation."""

    def columns(self, state: TrainingState) -> dict[str, float]: ...

    def begin_again(self, state: TrainingState) -> None: ...


Score = Callable[[int], dict[str, float]]


class Trainer:
    """Runs epochs.

    Parameters
    ----------
    step : Step
        One update.
    to_device : callable
        From a `Batch` to the same batch on the device of the network, which has `n_rows`.
    batches : Batches
        What is trained on.
    rules : dict of str to Rule
        "lr", "momentum", and numbers of layers, such as "fc1.l2".
    validate, score_train, score_test : callable or None
        Number of validations before this one -> losses by the names of the history's columns; the first of `validate`
        decides what is best.
    monitor : Monitor or None
        What else the history has, none of which decides anything.
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
    train_loss : str
        Name of the loss that is trained on, in the history.
    greater_is_better : bool
        Whether the first loss of `validate` is better if it is larger; rules and stop rules are given its negative.
    validation_frequency : int or None
        Examples between validations; None: the end of each epoch.
    observers : sequence of callable
        Each is called with every `Event`.
    """

    def __init__(
        self,
        *,
        step: Step,
        to_device: Callable[[Batch], Any],
        batches: Batches,
        rules: Mapping[str, Rule],
        validate: Score | None,
        score_train: Score | None,
        score_test: Score | None,
        monitor: Monitor | None,
        checkpointer: Checkpointer,
        check_stop: Callable[[], None],
        n_epochs: int,
        accumulate: int,
        average: Callable[[int, int, bool], None] | None,
        thaw_at: Mapping[str, int],
        stop_rule: StopRule | None,
        train_loss: str,
        greater_is_better: bool,
        validation_frequency: int | None,
        observers: Sequence[Callable[[Event], None]],
    ):
        self.step, self.to_device, self.batches, self.rules = step, to_device, batches, rules
        self.validate, self.score_train, self.score_test = validate, score_train, score_test
        self.monitor, self.checkpointer, self.check_stop = monitor, checkpointer, check_stop
        self.accumulate, self.average, self.thaw_at, self.stop_rule = accumulate, average, thaw_at, stop_rule
        self.n_epochs, self.train_loss, self.validation_frequency = n_epochs, train_loss, validation_frequency
        self.greater_is_better, self.observers = greater_is_better, observers
        self._clock = time.perf_counter()

    def run(self, state: TrainingState) -> TrainingState:
        """Train until `n_epochs` are done, or a stop is requested. `state` may be fresh or from a checkpoint."""
        self._clock = time.perf_counter()
        try:
            if state.progress.validation_due:
                self._validate(state, state.progress.epoch)
            while state.progress.epoch < self.n_epochs and not state.progress.ended:
                self.check_stop()
                self._train_epoch(state)
                self._finish_epoch(state)  # history, rules, best: before anything is saved
                self.checkpointer.after_epoch(state)
        except StopRequested as asked:
            state.progress.stopped_by = asked.reason
        self.checkpointer.finish(state)
        return state

    def _train_epoch(self, state: TrainingState) -> None:
        """Train on what is left of the epoch, `accumulate` batches at a time."""
        due = [layer for layer, epoch in self.thaw_at.items() if epoch <= state.progress.epoch]
        state.thawed = dict.fromkeys(due, state.progress.n_updates) | state.thawed
        with contextlib.closing(self.batches.epoch(state.progress.epoch, start=state.progress.batch)) as left:
            while batches := list(islice(left, self.accumulate)):
                self._step(state, batches)
                self.checkpointer.after_batch(state)
                self.check_stop()

    def _step(self, state: TrainingState, batches: list[Batch]) -> None:
        """Update the network; a validation belongs to the step that it follows."""
        progress = state.progress
        moved = [self.to_device(batch) for batch in batches]
        n_rows = sum(batch.n_rows for batch in moved)
        values = self.values(state, progress.n_updates)
        loss = self.step(
            moved,
            [stream_seed(state.rng, "step", progress.epoch, batch.index, 0) for batch in batches],
            lr=values.pop("lr"),
            momentum=values.pop("momentum"),
            n=progress.n_updates + 1 - progress.slots_since,
            numbers=values,
            thawed={layer: max(n - progress.slots_since, 0) for layer, n in state.thawed.items()},
        )
        state.epoch_loss.add_(loss, alpha=n_rows)
        before = progress.examples_seen
        progress.batch = batches[-1].index + 1
        progress.n_updates += 1
        progress.examples_seen += n_rows
        progress.epoch_examples += n_rows
        if self.average is not None:
            self.average(progress.n_updates, progress.epoch + 1, progress.batch == self.batches.n_batches)
        if self.observers:
            self._notify("batch", state, progress.epoch + 1)
        frequency = self.validation_frequency
        if frequency is not None and progress.examples_seen // frequency > before // frequency:
            progress.validation_due = True
            self._validate(state, progress.epoch)

    def _finish_epoch(self, state: TrainingState) -> None:
        progress = state.progress
        if self.validation_frequency is None:
            self._validate(state, progress.epoch + 1)
        progress.epoch, progress.batch, progress.epoch_examples = progress.epoch + 1, 0, 0
        state.epoch_loss.zero_()
        apply_rules.after_epoch(state, self.rules)
        if self.stop_rule is not None and state.best is not None:
            loss = self._loss(
                next(value for name, value in state.history.record(-1).items() if name.startswith("valid_"))
            )
            if self.stop_rule.ends(progress.n_validations, state.best.n_rows, loss):
                progress.ended, progress.stopped_by = True, STOP_RULE

    def _validate(self, state: TrainingState, complete_epochs: int) -> None:
        """Score the network, then change the state: a row of the history, the best network, the rules."""
        progress, epoch = state.progress, state.progress.epoch + 1
        row, value, is_best = self._scored(state)
        # Nothing above changes the state: a stop in mid-validation leaves it still to be done.
        progress.validation_due = False
        if self.monitor is not None:
            self.monitor.begin_again(state)
        progress.n_validations += 1
        state.history.append(row)
        if is_best:
            state.best = state.as_best(value)
        train_loss = row[f"train_{self.train_loss}"]
        apply_rules.after_validation(state, self.rules, complete_epochs, self._loss(value), train_loss)
        self._notify("validation", state, epoch, state.history.record(-1) if self.observers else {}, is_best)

    def _scored(self, state: TrainingState) -> tuple[dict[str, float], float, bool]:
        """Return a row of the history, the value that decides what is best, and whether it is the best so far."""
        progress = state.progress
        row = {"epoch": float(progress.epoch + 1), "examples_seen": float(progress.examples_seen)}
        row[f"train_{self.train_loss}"] = float(state.epoch_loss) / max(progress.epoch_examples, 1)
        if self.score_train is not None:
            row |= self.score_train(progress.n_validations)
        losses = self.validate(progress.n_validations) if self.validate is not None else {}
        value = next(iter(losses.values()), nan)
        row |= losses
        is_best = bool(losses) and (state.best is None or _is_better(self._loss(value), self._loss(state.best.value)))
        if self.score_test is not None:
            tested = self.score_test(progress.n_validations) if is_best or not losses else None
            row |= tested if tested is not None else dict.fromkeys(self._test_columns(state), nan)
        row |= self.monitor.columns(state) if self.monitor is not None else {}
        now = time.perf_counter()
        # Those of the last update, which the validation follows.
        values = self.values(state, max(progress.n_updates - 1, 0))
        row |= {"learning_rate": values.pop("lr"), "momentum": values.pop("momentum")} | values
        row["seconds"], self._clock = now - self._clock, now
        return row, value, is_best

    def values(self, state: TrainingState, n_updates: int) -> dict[str, float]:
        """Return the value of each rule in the update of the unfinished epoch that follows `n_updates` updates."""
        position = Position(state.progress.epoch, n_updates)
        return {name: rule.value_at(state.rules[name], position) for name, rule in self.rules.items()}

    def _loss(self, value: float) -> float:
        """Return the value of a validation as a loss, which is better if it is smaller."""
        return -value if self.greater_is_better else value

    @staticmethod
    def _test_columns(state: TrainingState) -> list[str]:
        return [name for name in state.history.names if name.startswith("test_")]

    def _notify(
        self, kind: str, state: TrainingState, epoch: int, record: Mapping[str, Any] | None = None, best: bool = False
    ) -> None:
        event = Event(kind, epoch, self.n_epochs, state.progress.batch, self.batches.n_batches, record or {}, best)
        for observer in self.observers:
            observer(event)


def _is_better(loss: float, best: float) -> bool:
    """Return whether a loss is lower than the best so far; any number is better than a NaN."""
    return loss < best or (isnan(best) and not isnan(loss))
