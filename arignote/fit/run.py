"""Run a fit: the training loop with its batches and validations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.checkpoints.schedule import Checkpointer
from arignote.checkpoints.writer import RunWriter
from arignote.data.epoch.augmentation import Augmenter, augmented_to
from arignote.data.epoch.batches import Batch, Batches
from arignote.data.epoch.order import Order
from arignote.data.rows.row_preprocessing import pipelines_of
from arignote.data.rows.selection import Rows
from arignote.engine.checked_copy import copy_into
from arignote.engine.feed import DeviceBatch, ResidentRows, batch_to_device, fits_on_device
from arignote.engine.network import Network
from arignote.engine.profile import Profile, ProfiledStep
from arignote.engine.session import seed_all
from arignote.engine.step import UpdateFunction
from arignote.errors import ArignoteError
from arignote.fit.assemble import Assembly
from arignote.fit.failures import cause_of, check_layers, divergence
from arignote.fit.phases.final_epochs import FinalEpochs
from arignote.fit.processes import check_stop_of
from arignote.fit.trainer import Trainer
from arignote.fit.validations.monitor import monitor_of
from arignote.fit.validations.subset_scores import reported_losses, scorer
from arignote.fit.validations.validation import Validation
from arignote.layers.thawing import thaw_epochs
from arignote.optim.stopping import StopRule
from arignote.preemption.signals import StopRequest
from arignote.spec.settings import FitSettings

__all__ = ["network_to_predict", "run", "trainers"]

Observers = Sequence[Callable[..., Any]]


def run(
    fit: Assembly,
    stop: StopRequest,
    files: RunWriter | None,
    spool: RunWriter | None,
    status: str,
    cause: str,
    observers: Observers,
) -> Profile | None:
    """Run the loop, and return what was profiled, if it was asked for; if numbers stop being finite, find out where.

    Parameters
    ----------
    fit : Assembly
    stop : StopRequest
        Ends training after a batch.
    files, spool : RunWriter or None
        Of the run; and what keeps its state while the store cannot be reached.
    status : str
        How the fit started, for observers.
    cause : str
        Why this process of the run begins, as in `TrainingState.causes`.
    observers : sequence of callable
        Each is called with every `Event`.

    Raises
    ------
    NotFiniteError
        If the loss or a weight is not finite; the last good checkpoint is kept.
    """
    state, settings, check_stop = fit.state, fit.settings, check_stop_of(fit, stop)
    # Before a file is written, as no checkpoint could resume such a network.
    check_layers(fit.network)
    make_trainer = trainers(fit)
    if files is not None:
        files.prepare()
    if not state.finished:
        state.add_start(cause)
    checkpointer = Checkpointer(files, settings.checkpoint_every, settings.checkpoint_all, spool)
    # What is trained again to find the cause, if numbers stop being finite before anything is saved.
    first = state.snapshot()
    if files is not None and not files.existing("last"):
        # From here on there is a state to resume from, whatever is being written when the process is killed.
        files.save(first)
    fit.network.train()
    profiled = ProfiledStep(fit.step) if settings.profile else None
    try:
        make_trainer(profiled or fit.step, checkpointer, check_stop, observers).run(state, status)
    except FloatingPointError:
        raise divergence(fit, make_trainer, checkpointer, files, first) from None
    except ArignoteError:
        raise
    except Exception as error:
        failure = cause_of(fit, error)
        if failure is None:
            raise
        raise failure from error
    finally:
        # The thread that writes is a daemon, which would end with the process in the middle of a file.
        checkpointer.wait_briefly()
    return None if profiled is None else profiled.result()


def trainers(fit: Assembly) -> Callable[..., Trainer]:
    """Return a function that builds the loop for a step, a checkpointer, a check for stops, and observers."""
    settings, data, objective = fit.settings, fit.plan.prepared, fit.plan.objective
    augmentation = _augmentation(fit)
    batches, to_device = _batches(fit, augmentation, *data.subsets["train"], data.weights, fit.plan.order)
    final, monitor, reported = _final_epochs(fit, augmentation), monitor_of(fit), reported_losses(fit)

    def make(
        step: UpdateFunction, checkpointer: Checkpointer, check_stop: Callable[[], None], observers: Observers
    ) -> Trainer:
        scores = {subset: scorer(fit, subset, losses, check_stop) for subset, losses in reported.items()}
        return Trainer(
            step=step,
            to_device=to_device,
            batches=batches,
            final=final,
            rules=fit.rules,
            validation=Validation(
                validate=scores.get("valid"),
                score_train=scores.get("train"),
                score_test=scores.get("test"),
                monitor=monitor,
                train_loss=objective.column,
                greater_is_better=objective.valid_loss[objective.main][0].greater_is_better,
                column=reported["valid"][0].name if "valid" in reported else "",
            ),
            checkpointer=checkpointer,
            check_stop=check_stop,
            n_epochs=settings.n_epochs,
            accumulate=settings.accumulate,
            average=None if fit.step.average is None else fit.step.average.update,
            thaw_at=thaw_epochs(fit.network.architecture.layers),
            stop_rule=_stop_rule(fit),
            validation_frequency=settings.validation_frequency,
            observers=observers,
        )

    return make


def _stop_rule(fit: Assembly) -> StopRule | None:
    """Return the stop rule, as the trainer asks it: with the negative of a value that is better if it is larger."""
    rule, objective = fit.settings.stop_rule, fit.plan.objective
    is_largest = objective.valid_loss[objective.main][0].greater_is_better
    return rule.for_largest() if rule is not None and is_largest else rule


def _batches(
    fit: Assembly,
    augmentation: Augmenter | None,
    rows: Rows,
    y: NDArray[Any] | None,
    weights: NDArray[np.float32] | None,
    order: Order,
) -> tuple[Batches, Callable[[Batch], DeviceBatch]]:
    """Return the minibatches of rows to train on, and what brings them to the device of the network."""
    settings, data, network = fit.settings, fit.plan.prepared, fit.network
    resident = None
    if augmentation is None and _may_stay(rows, settings, network):
        x = rows.features(slice(0, len(rows)))
        resident = ResidentRows(x, x.reshape(len(x), -1) if y is None else y, weights, network.device)
    batches = Batches(
        rows,
        y,
        seed=fit.state.rng,
        batch_size=data.batch_size,
        order=order,
        weights=weights,
        drop_last=data.drop_last,
        augmentation=augmentation,
        n_workers=settings.n_workers,
        prefetch=settings.prefetch,
        only_rows=resident is not None,
        y_from_x=data.targets.from_input,
        shards=fit.plan.n_shards,
        own_shards=None if fit.plan.request.processes is None else fit.plan.request.processes.own(fit.plan.n_shards),
    )
    return batches, resident or partial(batch_to_device, device=network.device)


def _final_epochs(fit: Assembly, augmentation: Augmenter | None) -> FinalEpochs | None:
    """Return the final epochs, if there are any."""
    final = fit.plan.final_rows
    return None if final is None else FinalEpochs(fit.settings.final_epochs, *_batches(fit, augmentation, *final))


def _augmentation(fit: Assembly) -> Augmenter | None:
    """Return the augmentation, tried on the first rows; DataError if the network cannot take what it makes."""
    settings, data, device = fit.settings, fit.plan.prepared, fit.network.device
    if not settings.augmentation:
        return None
    seed_globals = partial(seed_all, device=device) if fit.step.exclusive else None
    augmentation = Augmenter(settings.augmentation, fit.state.rng, data.targets, data.target_states, seed_globals)
    rows, y = data.subsets["train"]
    first = slice(0, data.batch_size)
    x = rows.features(first)
    shape = rows.example_shape(augmentation.tried(x, x.reshape(len(x), -1) if y is None else y[first]))
    if not fit.network.architecture.takes(shape):
        raise augmented_to(shape, fit.network.architecture.n_in)
    return augmentation


def _may_stay(rows: Rows, settings: FitSettings, network: Network) -> bool:
    """Return whether all rows are in memory, may be where the network lives, and have the bits that batches have."""
    if not rows.reader.in_memory or rows.alter is not None:
        return False
    pipelines = pipelines_of(rows.conversions, settings.preprocess).values()
    # 4 bytes for each value: rows come to the network as float32.
    n_bytes = len(rows) * 4 * sum(prod(place.input_shape) for place in network.architecture.inputs)
    # A product over all rows would round otherwise than one over a batch (see `Preprocess.is_rowwise`).
    return all(one.is_rowwise for one in pipelines) and fits_on_device(n_bytes, network.device)


def network_to_predict(fit: Assembly) -> Network:
    """Return a new network with the best parameters; if none are best, or after final epochs, with the last ones."""
    network, state = fit.network, fit.state
    chosen = Network(network.architecture, network.setup)
    best = state.best if fit.settings.restore_best and not state.ends_with_last else None
    copy_into(chosen.named, best.network if best is not None else state.predicting, "best network")
    chosen.eval()
    return chosen
