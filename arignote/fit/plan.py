"""What decides the numbers of a fit: its data, its architecture and its objective, before a network is built."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from arignote.checkpoints.state import TrainingState
from arignote.data.epoch.order import Order, order_of
from arignote.data.prepare.fit_data import FitData, OpenedData, split_of
from arignote.data.prepare.prepared import Prepared, prepare
from arignote.data.rows.selection import Rows
from arignote.engine.processes import Processes
from arignote.errors import CheckpointError, ConfigError, DataError, warn
from arignote.fit.phases.final_epochs import FinalRows, final_rows
from arignote.fit.phases.one_pass import OnePass, check_shape
from arignote.fit.stored.transfer import StoredNetwork, digests_of
from arignote.layers.architecture import Architecture, declare
from arignote.layers.base import Layer
from arignote.layers.output import OutputLayer
from arignote.layers.thawing import check_thaw
from arignote.registry import plain
from arignote.spec.inputs import inputs_of
from arignote.spec.objective import Objective, objective_of
from arignote.spec.rules import check_new_rules, first_values
from arignote.spec.settings import FitSettings
from arignote.streams import draw_seed

__all__ = ["FitRequest", "Plan", "plan_fit"]

# Of several processes, so that one to four of them can share a run.
_SHARDS_OF_PROCESSES = 4


@dataclass(frozen=True)
class FitRequest:
    """Layers, data and settings of a fit, and where it begins.

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
    one_pass : OnePass, optional
        What `partial_fit` asks for.
    is_warm : bool
        Whether the state in memory is trained further though settings or data have changed.
    is_in_folder : bool
        Whether the stem follows from what decides the numbers, so that another process that holds it trains this fit.
    processes : Processes, optional
        The processes that share the fit.
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
    one_pass: OnePass | None = None
    is_warm: bool = False
    is_in_folder: bool = False
    processes: Processes | None = None


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
    final_rows : FinalRows or None
        What final epochs train on, if there are any.
    n_shards : int
        Shards of each batch.
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
    final_rows: FinalRows | None
    n_shards: int


def plan_fit(request: FitRequest, stored: TrainingState | None) -> Plan:
    """Prepare the data and declare the architecture: as a new run, or as `stored` has it.

    Parameters
    ----------
    request : FitRequest
    stored : TrainingState or None
        The run that may be resumed: its seed, what its target has learned and fitted preprocessing are used.
    """
    settings, data = request.settings, request.data
    dumped, one_pass = settings.model_dump(mode="json"), request.one_pass
    if stored is None:
        _check_new_run(request)
    objective = objective_of(request.layers, settings)
    values = first_values(request.layers, settings)
    rng = request.seed if request.seed is not None else stored.rng if stored is not None else draw_seed()
    learned = stored_states = None
    if stored is not None:
        learned, stored_states = _learned(request, dumped, stored), stored.targets
        data = replace(data, inputs=inputs_of(request.layers, stored.spec["n_in"]))
    opened = request.opened if data.inputs == request.data.inputs else None
    fixed_states = None if one_pass is None else one_pass.fixed_states if stored is None else stored.targets
    prepared = prepare(data, settings, rng, learned, stored_states, opened, fixed_states)
    rows, y = prepared.subsets["train"]
    shards = _shards(request, stored, prepared.batch_size)
    n_shards = _n_shards(shards, request, prepared.batch_size)
    if one_pass is not None and stored is not None:
        check_shape(rows.n_in, stored, one_pass.estimator)
    order = order_of(rows, settings.shuffle, y if settings.balance_classes else None)
    final = final_rows(prepared, settings)
    architecture = declare(request.layers, rows.n_in, prepared.targets.sizes(prepared.target_states))
    objective.check(architecture.n_outputs)
    _check_steps(architecture, prepared)
    return Plan(
        request,
        prepared,
        architecture,
        order,
        rng,
        spec=_spec(request, prepared, architecture, dumped | objective.spec() | {"shards": shards}),
        objective=objective,
        first_values=values,
        targets=prepared.target_states,
        data=prepared.fingerprint() | {"split": split_of(request.data)} | _orders(rows, order, final),
        loaded=_loaded(request, stored),
        final_rows=final,
        n_shards=n_shards,
    )


def _spec(
    request: FitRequest, prepared: Prepared, architecture: Architecture, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return layers and settings in full, as plain data: with the batches that the data allows."""
    settings |= {"drop_last": prepared.drop_last, "checkpoint": request.checkpoint}
    if request.one_pass is None:
        # Later passes may have more rows than a batch of this one.
        settings["batch_size"] = prepared.batch_size
    return {
        "name": request.name,
        "n_in": plain(architecture.n_in),
        "layers": architecture.spec(),
        "fit": settings,
    }


def _shards(request: FitRequest, stored: TrainingState | None, batch_size: int) -> int | str:
    """Return the setting of a run: as given, else that of the run that is resumed, else the default."""
    # Not from the number of processes: a run keeps its shards, so that more or fewer of them resume the same bits.
    before = None if stored is None else stored.spec["fit"].get("shards")
    default = 1 if request.processes is None else min(_SHARDS_OF_PROCESSES, batch_size)
    return request.settings.shards or before or default


def _n_shards(shards: int | str, request: FitRequest, batch_size: int) -> int:
    """Return the number of shards of a batch; ConfigError if it has less rows."""
    n_processes = 1 if request.processes is None else request.processes.size
    n_shards = n_processes if shards == "ranks" else int(shards)
    if n_shards > batch_size:
        raise ConfigError(
            f"fit.shards must be at most the rows of a batch, {batch_size}; got {n_shards}. Lower shards, or raise "
            "batch_size"
        )
    return n_shards


def _check_new_run(request: FitRequest) -> None:
    """Raise ConfigError with what no run may begin with; one that is resumed may have it, from an earlier version."""
    check_new_rules(request.layers, request.settings)
    # Later passes of partial_fit may reach a `thaw_at` that lies behind this one.
    if request.one_pass is None:
        check_thaw(request.layers, request.settings.n_epochs)


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
    for subset, (_, y) in prepared.subsets.items():
        for place in architecture.placed:
            # (steps, n_outputs): an output for each step of a sequence.
            if isinstance(place.layer, OutputLayer) and len(place.output_shape) > 1 and y is not None:
                n_steps = prepared.targets.values(y, place.name).shape[1]
                if n_steps != place.output_shape[0]:
                    raise DataError(
                        f"y of {subset} has {n_steps} steps, the output of {place.name!r} {place.output_shape[0]}; the "
                        "numbers must be equal"
                    )


def _learned(request: FitRequest, dumped: dict[str, Any], stored: TrainingState) -> dict[str, Any] | None:
    """Return what the same preprocessing has learned; if the data differs, the run is refused later."""
    same = stored.spec["fit"].get("preprocess") == dumped["preprocess"]
    is_warm = request.is_warm and stored is request.in_memory
    # With "force" the data may be another one, of which is learned again; a pass and a warm start train further.
    is_kept = request.one_pass is not None or is_warm or request.settings.resume != "force"
    return stored.preprocess if same and is_kept else None


def _orders(rows: Rows, order: Order, final: FinalRows | None) -> dict[str, Any]:
    """Return the order of rows that are in chunks, which decides the numbers; that of others follows from settings."""
    orders = {"order": (rows, order)} | ({} if final is None else {"final_order": (final.rows, final.order)})
    return {
        # "n_window" and the kind "window" are the words that files have.
        name: {"kind": row_order.kind, "chunk_rows": of_rows.reader.chunk_rows, "n_window": row_order.chunks_per_block}
        for name, (of_rows, row_order) in orders.items()
        if row_order.kind in ("chunks", "window")
    }
