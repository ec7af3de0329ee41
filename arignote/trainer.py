"""The loop. It builds nothing and owns nothing: everything is handed to it, ready made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, Protocol

from arignote.data.batches import Batch, Batches
from arignote.optim.rules import Rule
from arignote.run_files import Checkpointer
from arignote.state import Best, TrainingState
from arignote.streams import stream_seed

__all__ = ["Event", "Trainer"]


@dataclass(frozen=True)
class Event:
    """What happened, for observers.

    Attributes
    ----------
    kind : str
        "batch" or "validation".
    epoch : int
        Epoch at work, from 1.
    n_epochs : int
        Epochs in all.
    batch, n_batches : int
        Batches done in this epoch, and how many it has.
    record : dict
        The new row of the history ("validation"), else empty.
    is_best : bool
        Whether this validation is the best so far.
    """

    kind: str
    epoch: int
    n_epochs: int
    batch: int
    n_batches: int
    record: Mapping[str, Any]
    is_best: bool = False


class Step(Protocol):
    """One update from one batch; returns the mean loss, which stays on the device."""

    def __call__(self, x: Any, y: Any, *, lr: float, momentum: float, n: int, seed: int) -> Any: ...


class Trainer:
    """Runs epochs.

    Parameters
    ----------
    step : Step
        One update.
    prepare : callable
        Array -> tensor where the network lives.
    batches : Batches
        What is trained on.
    rules : dict of str to Rule
        "lr" and "momentum".
    validate, score_train, score_test : callable or None
        Each returns losses by the names of the history's columns; the first of `validate` decides what is best.
    checkpointer : Checkpointer
        Keeps the state.
    should_stop : callable
        Returns the reason to stop after this batch, or None.
    n_epochs : int
        Epochs in all.
    train_loss : str
        Name of the loss that is trained on.
    validation_frequency : int or None
        Examples between validations; None: the end of each epoch.
    observers : sequence of callable
        Each is called with every `Event`.
    """

    def __init__(
        self,
        *,
        step: Step,
        prepare: Callable[[Any], Any],
        batches: Batches,
        rules: Mapping[str, Rule],
        validate: Callable[[], dict[str, float]] | None,
        score_train: Callable[[], dict[str, float]] | None,
        score_test: Callable[[], dict[str, float]] | None,
        checkpointer: Checkpointer,
        should_stop: Callable[[], str | None],
        n_epochs: int,
        train_loss: str,
        validation_frequency: int | None,
        observers: Sequence[Callable[[Event], None]],
    ):
        self.step, self.prepare, self.batches, self.rules = step, prepare, batches, rules
        self.validate, self.score_train, self.score_test = validate, score_train, score_test
        self.checkpointer, self.should_stop = checkpointer, should_stop
        self.n_epochs, self.train_loss, self.validation_frequency = n_epochs, train_loss, validation_frequency
        self.observers = observers
        self._clock = time.perf_counter()

    def run(self, state: TrainingState) -> TrainingState:
        """Train until `n_epochs` are done, or until told to stop. `state` may be fresh or from a checkpoint."""
        self._clock = time.perf_counter()
        for epoch in range(state.progress.epoch, self.n_epochs):
            for batch in self.batches.epoch(epoch, start=state.progress.batch):
                self._step(state, batch)
                self.checkpointer.after_batch(state)
                if reason := self.should_stop():
                    return self._stop(state, reason)
            self._finish_epoch(state)  # history, rules, best: before anything is saved
            self.checkpointer.after_epoch(state)
        self.checkpointer.save(state)
        return state

    def _step(self, state: TrainingState, batch: Batch) -> None:
        """Update the network from one batch; a validation belongs to the step that it follows."""
        progress, n_rows = state.progress, len(batch.y)
        loss = self.step(
            self.prepare(batch.x),
            self.prepare(batch.y),
            lr=state.rules["lr"].value,
            momentum=state.rules["momentum"].value,
            n=progress.n_updates + 1,
            seed=stream_seed(state.rng, "step", progress.epoch, batch.index, 0),
        )
        state.epoch_loss.add_(loss, alpha=n_rows)
        before = progress.examples_seen
        progress.batch = batch.index + 1
        progress.n_updates += 1
        progress.examples_seen += n_rows
        progress.epoch_examples += n_rows
        if self.observers:
            self._tell("batch", state, progress.epoch + 1)
        frequency = self.validation_frequency
        if frequency is not None and progress.examples_seen // frequency > before // frequency:
            self._validate(state, progress.epoch)

    def _finish_epoch(self, state: TrainingState) -> None:
        progress = state.progress
        if self.validation_frequency is None:
            self._validate(state, progress.epoch + 1)
        progress.epoch, progress.batch, progress.epoch_examples = progress.epoch + 1, 0, 0
        state.epoch_loss.zero_()
        for name, rule in self.rules.items():
            state.rules[name] = rule.after_epoch(state.rules[name], progress.n_validations, progress.epoch)

    def _validate(self, state: TrainingState, complete_epochs: int) -> None:
        """Score the network: a row of the history, the best network, the rules."""
        progress = state.progress
        progress.n_validations += 1
        epoch = progress.epoch + 1
        row = {"epoch": float(epoch), "examples_seen": float(progress.examples_seen)}
        row[f"train_{self.train_loss}"] = float(state.epoch_loss) / progress.epoch_examples
        if self.score_train is not None:
            row |= self.score_train()
        losses = self.validate() if self.validate is not None else {}
        loss = next(iter(losses.values()), nan)
        row |= losses
        is_best = bool(losses) and (state.best is None or loss < state.best.value)
        if self.score_test is not None:
            tested = self.score_test() if is_best or not losses else None
            row |= tested if tested is not None else dict.fromkeys(self._test_columns(state), nan)
        now = time.perf_counter()
        row |= {"learning_rate": state.rules["lr"].value, "momentum": state.rules["momentum"].value}
        row["seconds"], self._clock = now - self._clock, now
        state.history.append(row)
        if is_best:
            network = {name: t.detach().cpu().numpy().copy() for name, t in state.network.items()}
            state.best = Best(loss, epoch, progress.examples_seen, len(state.history), network=network)
        for name, rule in self.rules.items():
            after = rule.after_validation(state.rules[name], progress.n_validations, complete_epochs, loss)
            state.rules[name] = after
        self._tell("validation", state, epoch, state.history.record(-1) if self.observers else {}, is_best)

    @staticmethod
    def _test_columns(state: TrainingState) -> list[str]:
        return [name for name in state.history.columns if name.startswith("test_")]

    def _tell(
        self, kind: str, state: TrainingState, epoch: int, record: Mapping[str, Any] | None = None, best: bool = False
    ) -> None:
        event = Event(kind, epoch, self.n_epochs, state.progress.batch, self.batches.n_batches, record or {}, best)
        for observer in self.observers:
            observer(event)

    def _stop(self, state: TrainingState, reason: str) -> TrainingState:
        state.progress.stopped_by = reason
        self.checkpointer.save(state)
        return state
