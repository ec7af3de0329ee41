"""One fit, run: the loop put together of what has begun, validation in its midst, and what becomes of a NaN."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from arignote.checkpoints.schedule import Checkpointer
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.writer import RunWriter
from arignote.data.augmentation import Augmentation, augmented_to
from arignote.data.batches import Batches
from arignote.data.order import Order
from arignote.data.prepared import Prepared
from arignote.data.readers.base import ArrayReader
from arignote.data.rows import Rows
from arignote.engine.diagnose import Looked, NotFiniteFoundError, misfit, not_deterministic
from arignote.engine.feed import Resident, may_stay, moved
from arignote.engine.network import Network, copy_into
from arignote.engine.session import seed_all
from arignote.engine.step import Scorer, TrainingStep, validation_rows
from arignote.errors import ArignoteError, ConfigError, NotFiniteError
from arignote.fit.resume import take_over
from arignote.fit.trainer import Score, Trainer
from arignote.optim.rules import Rule
from arignote.preemption.signals import StopRequest
from arignote.registry import build
from arignote.report.events import Event
from arignote.spec.settings import FitSettings

__all__ = ["Begun", "in_order", "run_through", "to_predict_with"]


@dataclass
class Begun:
    """A fit, ready to run."""

    step: TrainingStep
    rules: dict[str, Rule]
    prepared: Prepared
    order: Order
    settings: FitSettings
    state: TrainingState

    @property
    def network(self) -> Network:
        """What is trained."""
        return self.step.network


def run_through(begun: Begun, stop: StopRequest, files: RunWriter | None, spool: RunWriter | None, told: str) -> None:
    """Run the loop; where the numbers stop being finite, find out where they did."""
    network, state, settings = begun.network, begun.state, begun.settings
    if files is not None:
        files.prepare()
    if not state.finished:
        state.starts.append([state.progress.epoch, state.progress.batch])
    make = _maker(begun)
    checkpointer = Checkpointer(files, settings.checkpoint_every, settings.checkpoint_all, spool)
    began = state.snapshot()
    if files is not None and not files.there("last"):
        # From here on there is a state to go on from, whatever is being written when a kill comes.
        files.save(began)
    for observer in settings.observers:
        observer(Event("start", state.progress.epoch + 1, state.n_epochs, state.progress.batch, 0, {}, text=told))
    network.train()
    try:
        make(begun.step, checkpointer, stop.heed, settings.observers).run(state)
    except FloatingPointError:
        good = checkpointer.last_good(state.run_id)
        place = "Nothing of this run was saved"
        if files is not None and files.there():
            kept = "The last good checkpoint is kept" if good else f"{place}; the files of the earlier run are kept"
            place = f"{kept}: {files.path('last')}"
        take_over(state, good or began, "the last good state")
        again = make(Looked(begun.step), Checkpointer(None), lambda: None, ())
        raise NotFiniteError(_born(again, state, place)) from None
    except ArignoteError:
        raise
    except Exception as fault:
        named = _at_fault(begun, fault)
        if named is None:
            raise
        raise named from fault
    finally:
        checkpointer.settle()


def _born(again: Trainer, state: TrainingState, place: str) -> str:
    """Train again, looking at every number, and return where the first was not finite."""
    try:
        again.run(state)
    except NotFiniteFoundError as found:
        lower = f"Lower the learning rate ({state.rules['lr'].value:g}), or set sgd_max_grad_norm"
        return (
            f"training diverged: the numbers stopped being finite at epoch {state.progress.epoch + 1}, "
            f"batch {state.progress.batch}: "
            f"{found}. {place}. {'Look at what is done to them' if found.in_data else lower}"
        )
    except FloatingPointError:
        pass
    return f"training diverged: the loss is not finite. {place}. Lower the learning rate"


def _at_fault(begun: Begun, fault: Exception) -> ArignoteError | None:
    """Return which layer, or augmentation, a fault of the loop comes of; None where it is of neither."""
    network = begun.network
    layer = not_deterministic(network) if "determinis" in str(fault) else None
    if layer is not None:
        return ConfigError(
            f"layer {layer!r} has no deterministic form on {network.device}, so that no resume of it could be exact: "
            f'use another layer, or device="cpu". ({fault})'
        )
    for x, *_ in begun.step.given:
        if not network.architecture.takes(tuple(x.shape[1:])):
            return augmented_to(tuple(x.shape[1:]), network.architecture.n_in)
    told = misfit(begun.step)
    return None if told is None else ConfigError(told)


def _maker(begun: Begun) -> Callable[..., Trainer]:
    """Return a function that makes the loop for a step, a checkpointer, what to heed and observers."""
    network, settings, parts, seed = begun.network, begun.settings, begun.prepared.parts, begun.state.rng
    rows, labels = parts["train"]
    augmentation = None
    if settings.augmentation:
        seed_them = partial(seed_all, device=network.device) if begun.step.exclusive else None
        augmentation = Augmentation(settings.augmentation, seed, len(begun.prepared.classes), seed_them)
    if augmentation is not None:
        some = slice(0, settings.batch_size)
        shape = augmentation.tried(rows.features(some), labels[some])
        if not network.architecture.takes(shape):
            raise augmented_to(shape, network.architecture.n_in)
    resident = None
    if augmentation is None and _may_stay(rows, network.device):
        resident = Resident(rows.features(slice(0, len(rows))), labels, begun.prepared.weights, network.device)
    batches = Batches(
        rows,
        labels,
        seed=seed,
        batch_size=settings.batch_size,
        order=begun.order,
        weights=begun.prepared.weights,
        drop_last=settings.drop_last,
        augmentation=augmentation,
        n_workers=settings.n_workers,
        prefetch=settings.prefetch,
        only_rows=resident is not None,
    )

    def make(
        step: Any, checkpointer: Checkpointer, heed: Callable[[], None], observers: tuple[Callable[..., Any], ...]
    ) -> Trainer:
        def scorer(part: str, losses: tuple[str, ...], prefix: str) -> Score | None:
            return _scorer(begun, part, {f"{prefix}_{loss}": loss for loss in losses}, heed)

        return Trainer(
            step=step,
            to_device=resident or partial(moved, device=network.device),
            batches=batches,
            rules=begun.rules,
            validate=scorer("valid", settings.valid_loss, "valid"),
            score_train=scorer("train", settings.valid_loss, "scored_train") if settings.validate_on_train else None,
            score_test=scorer("test", settings.test_loss, "test"),
            checkpointer=checkpointer,
            heed=heed,
            n_epochs=settings.n_epochs,
            accumulate=settings.accumulate,
            stop_rule=settings.stop_rule,
            train_loss=settings.train_loss,
            validation_frequency=settings.validation_frequency,
            observers=observers,
        )

    return make


def _may_stay(rows: Rows, device: Any) -> bool:
    """Whether all rows are in memory, the same in each epoch, and may be where the network lives."""
    n_bytes = len(rows) * 4 * int(np.prod(rows.n_in))
    return isinstance(rows.reader, ArrayReader) and rows.alter is None and may_stay(n_bytes, device)


def in_order(
    network: Network, rows: Rows, labels: Any, n_workers: int = 1, prefetch: int = 4
) -> Generator[tuple[Any, Any], None, None]:
    """Yield features and class numbers of all rows in their order, read ahead, in batches that suit the network."""
    size = validation_rows(network)
    batches = Batches(rows, labels, seed=0, batch_size=size, n_workers=n_workers, prefetch=prefetch)
    with contextlib.closing(batches.epoch(0)) as found:
        for batch in found:
            yield batch.x, batch.y


def _scorer(begun: Begun, part: str, losses: Mapping[str, str], heed: Callable[[], None]) -> Score | None:
    """Return a function that scores the network on a part of the data, and can be stopped in the middle."""
    if part not in begun.prepared.parts:
        return None
    network = begun.network
    rows, labels = begun.prepared.parts[part]
    n_workers = begun.settings.n_workers
    score = Scorer(network, {name: build("loss", loss) for name, loss in losses.items()})

    def run(n_validations: int) -> dict[str, float]:
        try:
            with contextlib.closing(in_order(network, rows, labels, n_workers, begun.settings.prefetch)) as batches:
                return score(batches, heed, begun.state.rng, position=(part, n_validations))
        finally:
            network.train()

    return run


def to_predict_with(begun: Begun) -> Network:
    """Return a network of its own with the best parameters, or the last where none is best."""
    network, state = begun.network, begun.state
    chosen = Network(network.architecture, network.setup)
    best = state.best if begun.settings.restore_best else None
    copy_into(chosen.named, best.network if best is not None else state.network, "best network")
    chosen.eval()
    return chosen
