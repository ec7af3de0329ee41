"""One fit, put together: data, network, rules, files, and the loop."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import re
import tempfile
import uuid
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arignote.checkpointer import Checkpointer
from arignote.data.augment import Augmentation
from arignote.data.batches import Batch, Batches
from arignote.data.order import order_of
from arignote.data.prepared import Given, Prepared, prepare
from arignote.data.rows import Rows
from arignote.engine.diagnose import Looked, NotFiniteFoundError, not_deterministic
from arignote.engine.network import Network, copy_into
from arignote.engine.session import environment, resolve_device, session, threads_for
from arignote.engine.step import Part, Scorer, TrainingStep, to_device, validation_rows
from arignote.errors import ArignoteWarning, ConfigError, NotFiniteError
from arignote.layers.architecture import Architecture, declare
from arignote.layers.base import Layer
from arignote.optim.rules import Constant, Rule
from arignote.preemption import StopRequest
from arignote.registry import build
from arignote.resume import candidates, other_than, refusal, story, take_over, tell
from arignote.run_files import RunFiles
from arignote.spec import FitSettings
from arignote.state import TrainingState
from arignote.storage import is_url
from arignote.streams import draw_seed
from arignote.trainer import Event, Trainer

__all__ = ["Outcome", "Run", "in_order", "train"]


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


@dataclass
class _Begun:
    """A fit, ready to run."""

    network: Network
    step: TrainingStep
    rules: dict[str, Rule]
    prepared: Prepared
    settings: FitSettings
    state: TrainingState


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
        begun, stored, where = _choose(run, candidates(files, spool, settings.resume, faults))
        state = begun.state
        for fault in faults:
            warnings.warn(f"{fault}. Going on from {where}", ArignoteWarning, stacklevel=3)
        with session(state.environment["n_threads"], begun.network.device):
            told = "starts"
            if stored is not None:
                tell(stored, state, other_than(stored, state), where)
                take_over(state, stored, where)
                told = story(state, where)
            is_saved = spool is None or not where.startswith(spool.folder.where())
            if not (state.finished and stored is not None and is_saved):
                _run(begun, stop, files, spool, told)
            elif files is not None and not faults:
                files.tidy(state.run_id)
            return Outcome(state.snapshot(), _to_predict_with(begun), told)


@contextmanager
def _files(settings: FitSettings, stop: StopRequest) -> Iterator[tuple[RunFiles | None, RunFiles | None]]:
    """Give the files of the run, locked, and where its state is kept while they cannot be reached."""
    if settings.checkpoint is None:
        yield None, None
        return
    files = RunFiles(settings.checkpoint, settings.keep_last, settings.keep_epochs)
    spool = None
    if is_url(files.stem):
        folder = f"arignote-{getpass.getuser()}-{hashlib.sha256(files.stem.encode()).hexdigest()[:16]}"
        spool = RunFiles(str(Path(tempfile.gettempdir()) / folder / "spool"))
    files.begin(stop.heed)
    try:
        yield files, spool
    finally:
        files.end()


def _choose(run: Run, stored_states: Iterator[tuple[str, TrainingState]]) -> tuple[_Begun, TrainingState | None, str]:
    """Take the newest state that is of this very run; refuse where there are some, but none is."""
    refused: list[tuple[str, list[str]]] = []
    for where, stored in _with_memory(run, stored_states):
        begun = _begin(run, stored)
        found = other_than(stored, begun.state)
        if not found or run.settings.resume == "force":
            for other, differing in refused:
                text = f"{other}: is of another run ({'; '.join(differing)}). Going on from {where}"
                warnings.warn(text, ArignoteWarning, stacklevel=4)
            return begun, stored, where
        refused.append((where, found))
    if refused:
        raise refusal(*refused[0])
    return _begin(run, None), None, ""


def _with_memory(run: Run, stored: Iterator[tuple[str, TrainingState]]) -> Iterator[tuple[str, TrainingState]]:
    first = next(stored, None)
    if first is not None:
        yield first
        yield from stored
    elif run.in_memory is not None:
        yield "the classifier's state", run.in_memory


def _begin(run: Run, stored: TrainingState | None) -> _Begun:
    """Put a fit together, as it begins."""
    seed = run.seed if run.seed is not None else stored.rng if stored is not None else draw_seed()
    prepared, settings = prepare(run.data, run.settings, seed, None if stored is None else _learned(run, stored))
    rows, _ = prepared.parts["train"]
    architecture = declare(run.layers, rows.n_in, len(prepared.classes))
    for note in architecture.notes + _to_give_again(architecture, settings):
        warnings.warn(note, ArignoteWarning, stacklevel=5)
    rules = _rules(settings, "valid" in prepared.parts)
    device = resolve_device(settings.device)
    network = Network(architecture, device)
    if stored is None:
        network.initialise(seed)
        _load_params(architecture, network, run.stored_network)
    step = TrainingStep(network, build("loss", settings.train_loss), settings.sgd_type, settings.sgd_max_grad_norm)
    n_threads = settings.n_threads or (stored.environment.get("n_threads") if stored is not None else None)
    n_threads = n_threads or threads_for(architecture, settings.batch_size)
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
        data=prepared.fingerprint() | _order(prepared, settings),
        environment=environment(device, n_threads),
        extra_metadata=settings.extra_metadata,
        preprocess=prepared.preprocess,
    )
    return _Begun(network, step, rules, prepared, settings, state)


def _order(prepared: Prepared, settings: FitSettings) -> dict[str, Any]:
    """Return how rows that lie in chunks are ordered, which decides as they do; of others the settings say it."""
    rows, labels = prepared.parts["train"]
    order = order_of(rows, settings.shuffle, labels if settings.balance_classes else None)
    if order.kind not in ("chunks", "window"):
        return {}
    return {"order": {"kind": order.kind, "chunk_rows": rows.reader.chunk_rows, "n_window": order.n_window}}


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


def _run(begun: _Begun, stop: StopRequest, files: RunFiles | None, spool: RunFiles | None, told: str) -> None:
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
    except RuntimeError as fault:
        layer = not_deterministic(network) if "determinis" in str(fault) else None
        if layer is None:
            raise
        raise ConfigError(
            f"layer {layer!r} has no deterministic form on {network.device}, so that no resume of it could be exact: "
            f'use another layer, or device="cpu". ({fault})'
        ) from None
    except FloatingPointError:
        good = checkpointer.last_good() or began
        take_over(state, good, "the last good state")
        place = "nothing was saved yet"
        if files is not None and files.there():
            place = f"the last good checkpoint is kept: {files.path('last')}"
        try:
            make(Looked(begun.step), Checkpointer(None), lambda: None, ()).run(state)
        except NotFiniteFoundError as found:
            raise NotFiniteError(
                f"the numbers stopped being finite at epoch {state.progress.epoch + 1}, batch {state.progress.batch}: "
                f"{found}. {place}. Lower the learning rate ({state.rules['lr'].value:g}), or set sgd_max_grad_norm"
            ) from None
        except FloatingPointError:
            pass
        raise NotFiniteError(f"the loss is not finite; {place}. Lower the learning rate") from None
    finally:
        checkpointer.settle()


def _maker(begun: _Begun) -> Callable[..., Trainer]:
    """Return a function that makes the loop for a step, a checkpointer, what to heed and observers."""
    network, settings, parts, seed = begun.network, begun.settings, begun.prepared.parts, begun.state.rng
    rows, labels = parts["train"]
    augmentation = None
    if settings.augmentation:
        augmentation = Augmentation(settings.augmentation, seed, len(begun.prepared.classes))
    if augmentation is not None:
        some = slice(0, settings.batch_size)
        augmentation.warn_if_not_exact(rows.features(some), labels[some])
    batches = Batches(
        rows,
        labels,
        seed=seed,
        batch_size=settings.batch_size,
        order=order_of(rows, settings.shuffle, labels if settings.balance_classes else None),
        weights=begun.prepared.weights,
        drop_last=settings.drop_last,
        augmentation=augmentation,
        n_workers=settings.n_workers,
        prefetch=settings.prefetch,
    )

    def on_device(batch: Batch, seed: int) -> Part:
        weights = None if batch.weights is None else to_device(batch.weights, network.device)
        return to_device(batch.x, network.device), to_device(batch.y, network.device), weights, seed

    def make(
        step: Any, checkpointer: Checkpointer, heed: Callable[[], None], observers: tuple[Callable[..., Any], ...]
    ) -> Trainer:
        def scorer(part: str, losses: tuple[str, ...], prefix: str) -> Callable[[], dict[str, float]] | None:
            return _scorer(begun, part, {f"{prefix}_{loss}": loss for loss in losses}, heed)

        return Trainer(
            step=step,
            prepare=on_device,
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


def in_order(
    network: Network, rows: Rows, labels: Any, n_workers: int = 1, prefetch: int = 4
) -> Generator[tuple[Any, Any], None, None]:
    """Yield features and class numbers of all rows in their order, read ahead, in batches that suit the network."""
    size = validation_rows(network)
    batches = Batches(rows, labels, seed=0, batch_size=size, n_workers=n_workers, prefetch=prefetch)
    with contextlib.closing(batches.epoch(0)) as found:
        for batch in found:
            yield batch.x, batch.y


def _scorer(
    begun: _Begun, part: str, losses: Mapping[str, str], heed: Callable[[], None]
) -> Callable[[], dict[str, float]] | None:
    """Return a function that scores the network on a part of the data, and can be stopped in the middle."""
    if part not in begun.prepared.parts:
        return None
    network = begun.network
    rows, labels = begun.prepared.parts[part]
    n_workers = begun.settings.n_workers
    score = Scorer(network, {name: build("loss", loss) for name, loss in losses.items()})

    def run() -> dict[str, float]:
        try:
            with contextlib.closing(in_order(network, rows, labels, n_workers, begun.settings.prefetch)) as batches:
                return score(batches, heed)
        finally:
            network.train()

    return run


def _to_predict_with(begun: _Begun) -> Network:
    """Return a network of its own with the best parameters, or the last where none is best."""
    network, state = begun.network, begun.state
    chosen = Network(network.architecture, str(network.device))
    best = state.best if begun.settings.restore_best else None
    copy_into(chosen.named, best.network if best is not None else state.network, "best network")
    chosen.eval()
    return chosen
