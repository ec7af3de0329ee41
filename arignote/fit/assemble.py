"""The one assembly of a fit: data, architecture, network, step, rules and the first state."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from arignote.checkpoints.state import TrainingState
from arignote.data.augmentation import draws_from_globals
from arignote.data.fit_data import FitData, OpenedData, split_of
from arignote.data.order import Order, order_of
from arignote.data.prepared import Prepared, prepare
from arignote.engine.environment import environment
from arignote.engine.network import Network, copy_into
from arignote.engine.setup import Setup, setup_for
from arignote.engine.step import TrainingStep
from arignote.errors import CheckpointError, DataError, warn
from arignote.fit.transfer import StoredNetwork, digests_of, parameters_of
from arignote.layers.architecture import Architecture, declare
from arignote.layers.base import Layer
from arignote.layers.output import OutputLayer
from arignote.layers.thawing import check_thaw
from arignote.optim.losses import Loss
from arignote.optim.rules import Rule
from arignote.registry import plain
from arignote.spec.inputs import inputs_of
from arignote.spec.monitored import GRAD_NORM
from arignote.spec.objective import Objective, objective_of
from arignote.spec.rules import first_values, rules_of
from arignote.spec.settings import FitSettings
from arignote.streams import draw_seed

__all__ = ["Assembly", "FitRequest", "Plan", "assemble", "build_step", "plan_fit"]


@dataclass(frozen=True)
class FitRequest:
    """What a fit is given.

    Attributes
    ----------
    data : FitData
    layers : list of Layer
    settings : FitSettings
    checkpoint : str or None
        Stem of the files of the run.
    name, seed : str or None, int or None
        Of the run; without a seed that of the checkpoint is used, or one is drawn.
    in_memory : TrainingState, optional
        A state to resume from if there is no checkpoint.
    stored_network : StoredNetwork, optional
        From which layers with `load_params` take their parameters.
    opened : OpenedData, optional
        The data, if it has been opened.
    """

    data: FitData
    layers: list[Layer]
    settings: FitSettings
    checkpoint: str | None
    name: str | None
    seed: int | None
    in_memory: TrainingState | None = None
    stored_network: StoredNetwork | None = None
    opened: OpenedData | None = None


@dataclass(frozen=True)
class Plan:
    """Everything that decides the numbers of a fit, before a network is built: what a stored run is compared with.

    Attributes
    ----------
    request : FitRequest
    prepared : Prepared
    architecture : Architecture
    order : Order
        Of the training rows in each epoch.
    rng : int
        Seed of the run.
    spec : dict
        Layers and settings, in full, as plain data.
    objective : Objective
        The target, and the losses.
    first_values : dict of str to float
        By the name of the rule: the value that it begins at unless it has one of its own.
    targets : dict of str to dict
        What the target of each output layer has learned, as plain data.
    data : dict
        Fingerprints of the data.
    loaded : dict of str to str
        Digest of what each layer with `load_params` loads, as far as that is known.
    """

    request: FitRequest
    prepared: Prepared
    architecture: Architecture
    order: Order
    rng: int
    spec: dict[str, Any]
    objective: Objective
    first_values: dict[str, float]
    targets: dict[str, dict[str, Any]]
    data: dict[str, Any]
    loaded: dict[str, str]


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


def plan_fit(request: FitRequest, stored: TrainingState | None) -> Plan:
    """Prepare the data and declare the architecture: as a new run, or as `stored` has it.

    Parameters
    ----------
    request : FitRequest
    stored : TrainingState or None
        The run that may be resumed: its seed, what its target has learned and fitted preprocessing are used.
    """
    settings, data = request.settings, request.data
    dumped = settings.model_dump(mode="json")
    if stored is None:
        check_thaw(request.layers, settings.n_epochs)
    objective = objective_of(request.layers, settings)
    values = first_values(request.layers, settings)
    rng = request.seed if request.seed is not None else stored.rng if stored is not None else draw_seed()
    learned = known = None
    if stored is not None:
        learned, known = _learned(request, dumped, stored), stored.targets
        data = replace(data, inputs=inputs_of(request.layers, stored.spec["n_in"]))
    opened = request.opened if data.inputs == request.data.inputs else None
    prepared = prepare(data, settings, rng, learned, known, opened)
    rows, y = prepared.parts["train"]
    order = order_of(rows, settings.shuffle, y if settings.balance_classes else None)
    architecture = declare(request.layers, rows.n_in, prepared.targets.sizes(prepared.memory))
    objective.check(architecture.n_outputs)
    _check_steps(architecture, prepared)
    used = {"batch_size": prepared.batch_size, "drop_last": prepared.drop_last, "checkpoint": request.checkpoint}
    return Plan(
        request,
        prepared,
        architecture,
        order,
        rng,
        spec={
            "name": request.name,
            "n_in": plain(architecture.n_in),
            "layers": architecture.spec(),
            "fit": dumped | used | objective.spec(),
        },
        objective=objective,
        first_values=values,
        targets=prepared.memory,
        data=prepared.fingerprint()
        | {"split": split_of(request.data)}
        | _order_of_chunks(order, rows.reader.chunk_rows),
        loaded=_loaded(request, stored),
    )


def _loaded(request: FitRequest, stored: TrainingState | None) -> dict[str, str]:
    """Return the digest of what each layer loads; of a run that may be resumed only if the stored network is there."""
    network = request.stored_network
    if stored is None or network is None:
        return digests_of(request.layers, network) if stored is None else {}
    try:
        return digests_of(request.layers, network)
    except CheckpointError as error:
        warn(f"{error}. The run is resumed without it, as its own checkpoint has all parameters")
        return {}


def _check_steps(architecture: Architecture, prepared: Prepared) -> None:
    """Raise DataError if an output of each step has other steps than its targets."""
    for part, (_, y) in prepared.parts.items():
        for place in architecture.placed:
            if isinstance(place.layer, OutputLayer) and len(place.output_shape) > 1 and y is not None:
                n_steps = prepared.targets.values(y, place.name).shape[1]
                if n_steps != place.output_shape[0]:
                    raise DataError(
                        f"y of {part} has {n_steps} steps, the output of {place.name!r} {place.output_shape[0]}; the "
                        "numbers must be equal"
                    )


def _learned(request: FitRequest, dumped: dict[str, Any], stored: TrainingState) -> dict[str, Any] | None:
    """Return what the same preprocessing has learned; if the data differs, the run is refused later."""
    same = stored.spec["fit"].get("preprocess") == dumped["preprocess"]
    return stored.preprocess if same and request.settings.resume != "force" else None


def assemble(plan: Plan, stored: TrainingState | None = None) -> Assembly:
    """Build the network, the step, the rules and the first state of a fit.

    Parameters
    ----------
    plan : Plan
    stored : TrainingState, optional
        The run that is resumed: the engine is set up as it was, and no weights are drawn.
    """
    request, architecture = plan.request, plan.architecture
    settings = request.settings
    for note in architecture.notes + ([] if request.checkpoint is None else _not_in_file(plan.spec)):
        warn(note)
    rules = rules_of(settings, "valid" in plan.prepared.parts)
    reason = None if settings.average is None else settings.average.ineffective_reason(settings.n_epochs)
    if reason is not None and settings.n_epochs:
        warn(f"{reason}. The weights of the last epoch are used")
    before = None if stored is None else stored.environment
    setup = setup_for(architecture, settings, plan.prepared.batch_size, before)
    step = build_step(architecture, setup, settings, list(plan.objective.train_loss.values()))
    if stored is None:
        step.network.initialise(plan.rng)
        found = parameters_of(architecture, request.stored_network)
        copy_into({name: step.network.named[name] for name in found}, found, "stored_network")
        if step.average is not None:
            step.average.copy()
    state = TrainingState(
        network=dict(step.network.named),
        slots=step.slots,
        epoch_loss=step.zero(),
        rules={key: rule.start(plan.first_values[key]) for key, rule in rules.items()},
        rng=plan.rng,
        run_id=uuid.uuid4().hex,
        spec=plan.spec,
        targets=plan.targets,
        data=plan.data,
        loaded=plan.loaded,
        environment=environment(step.setup, step.by_hand),
        extra_metadata=settings.extra_metadata,
        preprocess=plan.prepared.preprocess,
    )
    return Assembly(plan, step, rules, state)


def build_step(architecture: Architecture, setup: Setup, settings: FitSettings, losses: Sequence[Loss]) -> TrainingStep:
    """Build a network, without initial weights, and the step that trains it."""
    return TrainingStep(
        Network(architecture, setup),
        losses,
        settings.sgd_type,
        settings.sgd_max_grad_norm,
        exclusive=draws_from_globals(settings.augmentation),
        monitor_gradient=GRAD_NORM in settings.monitor,
        max_grad_value=settings.sgd_max_grad_value,
        ruled=tuple(settings.rules or ()),
        average=settings.average,
    )


def _order_of_chunks(order: Order, chunk_rows: int | None) -> dict[str, Any]:
    """Return the order of rows that are in chunks, which decides the numbers; that of others follows from settings."""
    if order.kind not in ("chunks", "window"):
        return {}
    return {"order": {"kind": order.kind, "chunk_rows": chunk_rows, "n_window": order.n_window}}


def _not_in_file(spec: dict[str, Any]) -> list[str]:
    """Return a message for each part that no file can hold and no module provides again."""
    text = json.dumps([spec["layers"], spec["fit"] | {"observers": None}])
    found = sorted(set(re.findall(r'"(__main__:[^"]*|[\w.]+:[^"]*<(?:lambda|locals)>[^"]*)"', text)))
    return [f"{word} is defined only in this script; pass it again to resume the run" for word in found]
