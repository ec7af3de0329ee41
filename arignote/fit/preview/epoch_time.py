"""Estimate the time of an epoch of a config from a few steps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from dataclasses import dataclass
from itertools import count

from arignote.checkpoints.schedule import Checkpointer
from arignote.data.epoch.batches import Batch, Batches
from arignote.engine.session import session
from arignote.fit.assemble import assemble
from arignote.fit.config_data import open_config, with_layers
from arignote.fit.plan import FitRequest, plan_fit
from arignote.fit.run import trainers
from arignote.fit.stored.transfer import StoredNetwork
from arignote.spec.run_spec import RunSpec

__all__ = ["EpochTime", "measure_epoch"]

_LEAST_STEPS = 3


@dataclass(frozen=True)
class EpochTime:
    """Estimated time of an epoch.

    Attributes
    ----------
    step_seconds : float
        Of one update, with reading and augmenting its rows: the mean of those that were timed.
    n_steps : int
        Updates of an epoch.
    n_timed : int
        Updates that were timed.
    """

    step_seconds: float
    n_steps: int
    n_timed: int

    @property
    def seconds(self) -> float:
        """Seconds of training in an epoch, without its validation."""
        return self.step_seconds * self.n_steps


def measure_epoch(spec: RunSpec, seconds: float = 1.0) -> EpochTime:
    """Train for about `seconds` as `fit` would, without files, and return the estimated time of an epoch.

    Parameters
    ----------
    spec : RunSpec
        With data.
    seconds : float
        How long steps are timed, after those that load, compile and fill the queue of batches; three in any case.
    """
    with spec.naming_lines():
        layers, data, settings = open_config(spec, checkpoint=None, observers=None)
        data, stored = with_layers(data, layers, settings), StoredNetwork.at(spec.stored_network)
        request = FitRequest(data, layers, settings, None, None, spec.rng or 0, stored_network=stored)
        fit = assemble(plan_fit(request, None))
    trainer = trainers(fit)(fit.step, Checkpointer(None), lambda: None, ())
    updates = _endless(trainer.batches, settings.accumulate)

    fit.network.train()
    # The queue of batches is filled before training begins.
    n_warm = settings.prefetch + 2
    with session(fit.step.setup), contextlib.closing(updates):
        for _ in range(n_warm):
            loss = trainer.update(fit.state, *next(updates))
        # The value of a loss waits for the device.
        float(loss)
        began, n_timed = time.perf_counter(), 0
        while n_timed < _LEAST_STEPS or time.perf_counter() - began < seconds:
            loss = trainer.update(fit.state, *next(updates))
            n_timed += 1
        float(loss)
        passed = time.perf_counter() - began
    return EpochTime(passed / n_timed, -(-trainer.batches.n_batches // settings.accumulate), n_timed)


def _endless(batches: Batches, accumulate: int) -> Generator[tuple[range, list[Batch]], None, None]:
    """Yield the batches of one update after the other, epoch after epoch."""
    for epoch in count():
        yield from batches.updates(epoch, 0, accumulate)
