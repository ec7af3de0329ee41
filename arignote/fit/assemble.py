"""The one assembly of a fit: network, step, rules and the first state, from its plan."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arignote.checkpoints.state import TrainingState
from arignote.data.epoch.augmentation import draws_from_globals
from arignote.engine.checked_copy import copy_into
from arignote.engine.environment import environment
from arignote.engine.network import Network
from arignote.engine.processes import Processes
from arignote.engine.setup import Setup, setup_for
from arignote.engine.step import TrainingStep
from arignote.errors import warn
from arignote.fit.plan import Plan
from arignote.fit.stored.transfer import parameters_of
from arignote.layers.architecture import Architecture
from arignote.optim.losses import Loss
from arignote.optim.rules import Rule
from arignote.spec.monitored import GRAD_NORM
from arignote.spec.rules import check_validated, idle_settings, rules_of
from arignote.spec.settings import FitSettings

__all__ = ["Assembly", "assemble", "build_step"]


@dataclass(frozen=True)
class Assembly:
    """A fit, ready to run.

    Attributes
    ----------
    plan : Plan
    step : TrainingStep
    rules : dict of str to Rule
        "lr", "momentum", and numbers of layers, such as "fc1.l2".
    state : TrainingState
        The first one; its tensors are those of the network and of the step.
    """

    plan: Plan
    step: TrainingStep
    rules: dict[str, Rule]
    state: TrainingState

    @property
    def network(self) -> Network:
        """The network that is trained."""
        return self.step.network

    @property
    def predicting(self) -> Network:
        """The network that is scored and predicts: the average of the one that is trained, if there is one."""
        return self.network if self.step.average is None else self.step.average.network

    @property
    def settings(self) -> FitSettings:
        """Settings of the fit."""
        return self.plan.request.settings


def assemble(plan: Plan, stored: TrainingState | None = None) -> Assembly:
    """Build the network, the step, the rules and the first state of a fit.

    Parameters
    ----------
    plan : Plan
    stored : TrainingState, optional
        The run that is resumed: the engine is set up as it was, and no weights are drawn.
    """
    request, architecture, settings = plan.request, plan.architecture, plan.request.settings
    for note in architecture.notes + ([] if request.checkpoint is None else _not_in_file(plan.spec)):
        warn(note)
    check_validated(settings, has_valid="valid" in plan.prepared.subsets)
    rules = rules_of(settings)
    if stored is None and request.one_pass is None:
        for message in idle_settings(plan.first_values, settings, plan.prepared.n_batches):
            warn(message)
    # Of the run that is resumed: another number of threads, or another memory format, rounds sums differently.
    before = None if stored is None else stored.environment
    # Rounded up: the rows of the largest shard, as these are computed at once.
    setup = setup_for(architecture, settings, -(-plan.prepared.batch_size // plan.n_shards), before)
    losses = list(plan.objective.train_loss.values())
    step = build_step(architecture, setup, settings, losses, plan.n_shards, request.processes)
    if stored is None:
        # Each tensor has a random stream of its own, so that loading one changes no other.
        step.network.initialise(plan.rng)
        loaded = parameters_of(architecture, request.stored_network)
        copy_into({name: step.network.named[name] for name in loaded}, loaded, "stored_network")
        # After loading: the average begins with the weights that training begins with.
        if step.average is not None:
            step.average.copy()
    state = TrainingState(
        network=dict(step.network.named),
        slots=step.slots,
        epoch_loss=step.zero(),
        rules={key: rule.start(plan.first_values[key]) for key, rule in rules.items()},
        rng=plan.rng,
        # Random for equal seeds too: files belong to one run only if they have one run_id. `load_into` restores it.
        run_id=uuid.uuid4().hex,
        spec=plan.spec,
        targets=plan.targets,
        data=plan.data,
        loaded=plan.loaded,
        environment=environment(step.setup, step.by_hand) | _number_of_processes(plan),
        extra_metadata=settings.extra_metadata,
        preprocess=plan.prepared.preprocess,
    )
    return Assembly(plan, step, rules, state)


def build_step(
    architecture: Architecture,
    setup: Setup,
    settings: FitSettings,
    losses: Sequence[Loss],
    n_shards: int = 1,
    processes: Processes | None = None,
) -> TrainingStep:
    """Build a network, without initial weights, and the step that trains it.

    Parameters
    ----------
    architecture : Architecture
    setup : Setup
        Device, threads, memory format and precision.
    settings : FitSettings
    losses : sequence of Loss
        Of each output, in order.
    n_shards : int, default 1
        Shards of a batch, whose gradients are added.
    processes : Processes, optional
        Those that share the shards.
    """
    return TrainingStep(
        Network(architecture, setup),
        losses,
        settings.sgd_type,
        settings.sgd_max_grad_norm,
        # Threads that augment may draw from the generators that a step seeds: both must hold the lock.
        exclusive=draws_from_globals(settings.augmentation),
        monitor_gradient=GRAD_NORM in settings.monitor,
        max_grad_value=settings.sgd_max_grad_value,
        ruled=tuple(settings.rules or ()),
        average=settings.average,
        n_shards=n_shards,
        processes=processes,
    )


def _number_of_processes(plan: Plan) -> dict[str, int]:
    """Return how many there are, if that decides bits."""
    return {"shards": plan.n_shards} if plan.spec["fit"]["shards"] == "ranks" else {}


def _not_in_file(spec: dict[str, Any]) -> list[str]:
    """Return a message for each part that no file can hold and no module provides again."""
    # Not the observers: they decide no numbers, and a run is resumed without them.
    text = json.dumps([spec["layers"], spec["fit"] | {"observers": None}])
    # A function is written as "module:qualname"; one of a script, a lambda or a local one cannot be imported by it.
    words = sorted(set(re.findall(r'"(__main__:[^"]*|[\w.]+:[^"]*<(?:lambda|locals)>[^"]*)"', text)))
    return [f"{word} is defined only in this script; pass it again to resume the run" for word in words]
