"""One fit, put together: data, network, rules, files, and the loop."""

from __future__ import annotations

import getpass
import hashlib
import json
import re
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.storage import is_url
from arignote.checkpoints.writer import RunWriter
from arignote.data.augmentation import draws_from_globals
from arignote.data.order import Order, order_of
from arignote.data.prepared import Given, prepare, split_of
from arignote.engine.environment import environment
from arignote.engine.network import Network, copy_into
from arignote.engine.session import session
from arignote.engine.setup import setup_for
from arignote.engine.step import TrainingStep
from arignote.errors import ArignoteWarning, ConfigError
from arignote.fit.resume import candidates, other_than, refusal, story, take_over, tell
from arignote.fit.run import Begun, run_through, to_predict_with
from arignote.layers.architecture import Architecture, declare
from arignote.layers.base import Layer
from arignote.layers.shape import image_of
from arignote.optim.rules import Constant, Rule
from arignote.preemption.signals import StopRequest
from arignote.registry import build
from arignote.spec.settings import FitSettings
from arignote.streams import draw_seed

__all__ = ["Outcome", "Run", "train"]


@dataclass(frozen=True)
class Run:
    """What a fit is given.

    Attributes
    ----------
    data : Given
    layers : list of Layer
    settings : FitSettings
    name, seed : str or None, int or None
        Of the run; without a seed that of the checkpoint is taken, or one drawn.
    in_memory : TrainingState, optional
        A state to go on from, where there is no checkpoint.
    stored_network : TrainingState, optional
        Whose parameters layers with `load_params` take.
    """

    data: Given
    layers: list[Layer]
    settings: FitSettings
    name: str | None
    seed: int | None
    in_memory: TrainingState | None = None
    stored_network: TrainingState | None = None


@dataclass(frozen=True)
class Outcome:
    """What a fit ends with: the last state (a snapshot), the network to predict with, what was told of the start."""

    state: TrainingState
    network: Network
    story: str


def train(run: Run, stop: StopRequest) -> Outcome:
    """Train a network, or go on training it.

    Parameters
    ----------
    run : Run
        All that was given.
    stop : StopRequest
        What may ask to stop.
    """
    settings = run.settings
    with _files(settings, stop) as (files, spool):
        faults: list[str] = []
        begun, stored, where, differing = _choose(run, candidates(files, spool, settings.resume, faults))
        state = begun.state
        for fault in faults:
            warnings.warn(f"{fault}. Going on from {where}", ArignoteWarning, stacklevel=3)
        with session(begun.step.setup):
            told = "starts"
            if stored is not None:
                tell(stored, state, differing, where)
                take_over(state, stored, where)
                told = story(state, where)
            is_saved = spool is None or not where.startswith(spool.folder.where())
            if not (state.finished and stored is not None and is_saved):
                run_through(begun, stop, files, spool, told)
            elif files is not None and not faults:
                files.tidy(state.run_id)
            return Outcome(state.snapshot(), to_predict_with(begun), told)


@contextmanager
def _files(settings: FitSettings, stop: StopRequest) -> Iterator[tuple[RunWriter | None, RunWriter | None]]:
    """Give the files of the run, locked, and where its state is kept while they cannot be reached."""
    if settings.checkpoint is None:
        yield None, None
        return
    files = RunWriter(settings.checkpoint, settings.keep_last, settings.keep_epochs)
    spool = None
    if is_url(files.stem):
        folder = f"arignote-{getpass.getuser()}-{hashlib.sha256(files.stem.encode()).hexdigest()[:16]}"
        spool = RunWriter(str(Path(tempfile.gettempdir()) / folder / "spool"))
    files.begin(stop.heed)
    try:
        yield files, spool
    finally:
        files.end()


def _choose(
    run: Run, stored_states: Iterator[tuple[str, TrainingState]]
) -> tuple[Begun, TrainingState | None, str, list[str]]:
    """Return the fit, the newest stored state of this very run, its path, and what differs (with resume="force").

    Raises
    ------
    CheckpointError
        Where there are stored states, but none is of this run.
    """
    refused: list[tuple[str, list[str]]] = []
    for where, stored in _with_memory(run, stored_states):
        begun = _begin(run, stored)
        found = other_than(stored, begun.state)
        if not found or run.settings.resume == "force":
            for other, differing in refused:
                text = f"{other}: is of another run ({'; '.join(differing)}). Going on from {where}"
                warnings.warn(text, ArignoteWarning, stacklevel=4)
            return begun, stored, where, found
        refused.append((where, found))
    if refused:
        raise refusal(*refused[0])
    return _begin(run, None), None, "", []


def _with_memory(run: Run, stored: Iterator[tuple[str, TrainingState]]) -> Iterator[tuple[str, TrainingState]]:
    first = next(stored, None)
    if first is not None:
        yield first
        yield from stored
    elif run.in_memory is not None:
        yield "the classifier's state", run.in_memory


def _begin(run: Run, stored: TrainingState | None) -> Begun:
    """Put a fit together, as it begins."""
    seed = run.seed if run.seed is not None else stored.rng if stored is not None else draw_seed()
    learned, known = (None, None) if stored is None else (_learned(run, stored), stored.class_labels)
    given = run.data if stored is None else replace(run.data, image=image_of(run.layers, stored.spec["n_in"]))
    prepared, settings = prepare(given, run.settings, seed, learned, known)
    rows, labels = prepared.parts["train"]
    order = order_of(rows, settings.shuffle, labels if settings.balance_classes else None)
    architecture = declare(run.layers, rows.n_in, len(prepared.classes))
    for note in architecture.notes + _to_give_again(architecture, settings):
        warnings.warn(note, ArignoteWarning, stacklevel=5)
    rules = _rules(settings, "valid" in prepared.parts)
    setup = setup_for(architecture, settings, None if stored is None else stored.environment)
    network = Network(architecture, setup)
    if stored is None:
        network.initialise(seed)
        _load_params(architecture, network, run.stored_network)
    step = TrainingStep(
        network,
        build("loss", settings.train_loss),
        settings.sgd_type,
        settings.sgd_max_grad_norm,
        exclusive=draws_from_globals(settings.augmentation),
    )
    classes = prepared.classes
    starting = {"lr": settings.sgd_type.default_lr, "momentum": settings.sgd_type.default_momentum}
    state = TrainingState(
        network=dict(network.named),
        slots=step.slots,
        epoch_loss=step.zero(),
        rules={key: rule.start(starting[key]) for key, rule in rules.items()},
        rng=seed,
        run_id=uuid.uuid4().hex,
        spec={
            "name": run.name,
            "n_in": list(architecture.n_in),
            "layers": architecture.spec(),
            "fit": settings.model_dump(mode="json"),
        },
        classes={"dtype": classes.dtype.str if classes.dtype != object else "O", "values": classes.tolist()},
        data=prepared.fingerprint() | {"split": split_of(run.data)} | _told(order, rows.reader.chunk_rows),
        environment=environment(step.setup, step.by_hand),
        extra_metadata=settings.extra_metadata,
        preprocess=prepared.preprocess,
    )
    return Begun(step, rules, prepared, order, settings, state)


def _told(order: Order, chunk_rows: int | None) -> dict[str, Any]:
    """Return how rows that lie in chunks are ordered, which decides as they do; of others the settings say it."""
    if order.kind not in ("chunks", "window"):
        return {}
    return {"order": {"kind": order.kind, "chunk_rows": chunk_rows, "n_window": order.n_window}}


def _learned(run: Run, stored: TrainingState) -> dict[str, Any] | None:
    """Return what the same preprocessing has learned already; data that is another is refused later."""
    same = stored.spec["fit"].get("preprocess") == run.settings.model_dump(mode="json")["preprocess"]
    return stored.preprocess if same and run.settings.resume != "force" else None


def _to_give_again(architecture: Architecture, settings: FitSettings) -> list[str]:
    """Return what to know of parts that no file can hold and no module gives back."""
    if settings.checkpoint is None:
        return []
    text = json.dumps([architecture.spec(), settings.model_dump(mode="json", exclude={"observers"})])
    found = sorted(set(re.findall(r'"(__main__:[^"]*|[\w.]+:[^"]*<(?:lambda|locals)>[^"]*)"', text)))
    return [f"{word}: lives in this script only; whoever goes on with this run must give it again" for word in found]


def _rules(settings: FitSettings, has_valid: bool) -> dict[str, Rule]:
    rules: dict[str, Rule] = {"lr": settings.lr_rule or Constant(), "momentum": settings.momentum_rule or Constant()}
    for name, rule in rules.items():
        if rule.needs_validation and not has_valid:
            raise ConfigError(
                f"{name}_rule 'stalled' needs validation data: give valid=0.1 or valid=(X, y), or use the rule 'fixed'"
            )
    if settings.stop_rule is not None and not has_valid:
        raise ConfigError("stop_rule needs validation data: give valid=0.1 or valid=(X, y)")
    return rules


def _load_params(architecture: Architecture, network: Network, stored: TrainingState | None) -> None:
    """Copy parameters of layers with `load_params` from another network."""
    for place in architecture.placed:
        source = getattr(place.layer, "load_params", None)
        if source is None:
            continue
        if stored is None:
            raise ConfigError(f"{place.name}: load_params needs stored_network, the path of a checkpoint")
        tensors = {param: network.named[f"{place.name}.{param}"] for param in place.params}
        prefix = f"{source}."
        arrays = {k.removeprefix(prefix): v for k, v in stored.network.items() if k.startswith(prefix)}
        copy_into(tensors, arrays, f"stored_network, layer {source!r}")
