"""Measure the time of a step with each setup of the engine, on the data of a config."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import product
from statistics import median
from typing import Any

from arignote.data.epoch.batches import Batches
from arignote.engine.feed import batch_to_device
from arignote.engine.session import session
from arignote.engine.setup import Setup, available_threads, has_convolutions, setup_for
from arignote.engine.step import TrainingStep
from arignote.fit.assemble import build_step
from arignote.fit.config_data import open_config, with_layers
from arignote.fit.plan import FitRequest, Plan, plan_fit
from arignote.fit.stored.transfer import StoredNetwork
from arignote.layers.architecture import Architecture
from arignote.spec.run_spec import RunSpec

__all__ = ["Measured", "chosen", "measure"]

# Factor by which another setup must be faster than the default one: less is noise.
WORTH = 1.05


@dataclass(frozen=True)
class Measured:
    """A setup, and the time of a step with it.

    Attributes
    ----------
    settings : dict
        As `fit` takes them.
    seconds : float
        Of one step, the median of rounds.
    is_default : bool
        Whether it is what the rules of shapes choose.
    """

    settings: dict[str, Any]
    seconds: float
    is_default: bool


def measure(spec: RunSpec, n_rounds: int = 7, round_seconds: float = 0.1) -> list[Measured]:
    """Return the time of a step with each setup that may suit a config; each round measures all of them in turn.

    Parameters
    ----------
    spec : RunSpec
        With data; its precision stays, which decides the numbers.
    n_rounds : int
        Rounds of all setups.
    round_seconds : float
        Time of a setup in a round.
    """
    plan = _plan_without_held_out(spec)
    settings, prepared, architecture = plan.request.settings, plan.prepared, plan.architecture
    rows, y = prepared.subsets["train"]
    batches = Batches(rows, y, seed=0, batch_size=prepared.batch_size, y_from_x=prepared.targets.from_input)
    batch = next(iter(batches.epoch(0)))
    losses = list(plan.objective.train_loss.values())
    default = setup_for(architecture, settings, prepared.batch_size)
    steps: dict[Setup, TrainingStep] = {}
    for setup in _candidates(architecture, default, may_compile=not spec.fit.get("rules")):
        step = build_step(architecture, setup, settings, losses)
        step.network.initialise(0)
        step.network.train()
        # A setup that asks to compile a step by hand is the same as the one that does not.
        steps.setdefault(step.setup, step)
    seconds_of: dict[Setup, list[float]] = {setup: [] for setup in steps}
    lr, momentum = settings.sgd_type.default_lr, settings.sgd_type.default_momentum
    for number in range(n_rounds + 1):
        for setup, step in steps.items():
            with session(setup):
                on_device = batch_to_device(batch, step.network.device)
                began, n = time.perf_counter(), 0
                while n == 0 or time.perf_counter() - began < round_seconds:
                    # float() waits for the device.
                    float(step([on_device], [0], lr=lr, momentum=momentum, n=n + 1, n_rows=[on_device.n_rows]))
                    n += 1
                # The first round loads, compiles and warms up.
                seconds_of[setup] += [(time.perf_counter() - began) / n] if number else []
    return [
        Measured(
            {"n_threads": setup.n_threads, "channels_last": setup.channels_last, "compile": setup.compile},
            # Other processes disturb some rounds, which would move a mean.
            median(seconds),
            setup == default,
        )
        for setup, seconds in seconds_of.items()
    ]


def _plan_without_held_out(spec: RunSpec) -> Plan:
    """Return the plan of a fit of a config on all of its training rows, with the setup that rules of shapes choose."""
    assert spec.data is not None
    only_train = spec.data.model_copy(update={"valid": None, "test": None})
    spec = spec.model_copy(update={"data": only_train})
    with spec.naming_lines():
        # Final epochs need rows that are held out.
        layers, data, settings = open_config(
            spec, n_threads=None, channels_last="auto", compile=False, rules=None, final_epochs=0
        )
        data, stored = with_layers(data, layers, settings), StoredNetwork.at(spec.stored_network)
        return plan_fit(FitRequest(data, layers, settings, None, None, 0, stored_network=stored), None)


def _candidates(architecture: Architecture, default: Setup, may_compile: bool) -> list[Setup]:
    threads = sorted({1, available_threads()}) if default.device == "cpu" else [default.n_threads]
    lasts = [False, True] if has_convolutions(architecture) else [False]
    return [
        replace(default, n_threads=n, channels_last=last, compile=compiled)
        for n, last, compiled in product(threads, lasts, (False, True) if may_compile else (False,))
    ]


def chosen(measured: list[Measured]) -> Measured:
    """Return the fastest setup, or the default one if the difference may be noise."""
    fastest = min(measured, key=lambda one: one.seconds)
    default = next(one for one in measured if one.is_default)
    return fastest if default.seconds > WORTH * fastest.seconds else default
