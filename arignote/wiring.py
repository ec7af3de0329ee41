"""One fit, put together: data, network, rules, files and the decision to go on or to start."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Data, DataWithHoldoutPartitions, Rows, encode_labels, find_classes, rows_of
from arignote.data.augment import Augmentation
from arignote.data.batches import Batches
from arignote.data.partition import partition
from arignote.engine.diagnose import Looked, NotFiniteFoundError
from arignote.engine.network import Network, copy_into
from arignote.engine.session import environment, resolve_device, session
from arignote.engine.step import Scorer, TrainingStep, to_device
from arignote.errors import ArignoteWarning, CheckpointError, ConfigError, DataError, NotFiniteError
from arignote.layers.architecture import Architecture, declare
from arignote.layers.base import Layer
from arignote.optim.rules import Constant, Rule
from arignote.preemption import StopRequest
from arignote.registry import build
from arignote.run_files import Checkpointer, RunFiles
from arignote.spec import FitSettings, decides
from arignote.state import TrainingState, tensors_sha256
from arignote.streams import draw_seed
from arignote.trainer import Trainer

__all__ = ["Outcome", "Prepared", "differences", "prepare", "train"]


@dataclass(frozen=True)
class Prepared:
    """The data of a fit, checked and split: rows and class numbers of each part."""

    parts: dict[str, tuple[Rows, NDArray[np.int64]]]
    classes: NDArray[Any]

    def fingerprint(self) -> dict[str, Any]:
        """Return the fingerprints of all parts."""
        return {name: rows.fingerprint() for name, (rows, _) in self.parts.items()}


@dataclass(frozen=True)
class Outcome:
    """What a fit ends with: the last state (a snapshot), the network to predict with, what was told of the start."""

    state: TrainingState
    network: Network
    story: str


def prepare(
    x: Any, y: Any, valid: Any, test: Any, settings: FitSettings, n_classes: int | None, seed: int
) -> tuple[Prepared, FitSettings]:
    """Check the data, hold fractions out, number the classes; settings that the data brings are taken over."""
    if isinstance(x, DataWithHoldoutPartitions):
        valid = x.valid_frac or None if valid is None else valid
        test = x.test_frac or None if test is None else test
    if isinstance(x, Data):
        batch_size = x.batch_size if "batch_size" not in settings.model_fields_set else None
        settings = settings.model_copy(
            update={"batch_size": batch_size or settings.batch_size}
            | ({} if x.allow_partial_batch else {"drop_last": True})
        )
    lenient = settings.allow_nonfinite
    rows = {"train": rows_of(x, y, what="X", allow_nonfinite=lenient)}
    if rows["train"].y is None:
        raise DataError("a classifier needs labels: fit(X, y), or fit((X, y))")
    fractions: dict[str, float] = {}
    for name, part in (("valid", valid), ("test", test)):
        if isinstance(part, int | float) and not isinstance(part, bool):
            fractions[name] = float(part)
        elif part is not None:
            rows[name] = rows_of(part, what=name, allow_nonfinite=lenient)
            if rows[name].y is None:
                raise DataError(f"{name} must be a fraction, (X, y) or Data with labels")
    labels = rows["train"].y
    assert labels is not None
    classes = find_classes(labels, n_classes)
    if any(fractions.values()):
        chosen = partition(labels, {k: v for k, v in fractions.items() if v}, seed)
        whole = rows["train"]
        rows |= {name: whole.take(at) for name, at in chosen.items()}
    parts = {}
    for name, part in rows.items():
        if part.n_in != rows["train"].n_in:
            raise DataError(f"an example of {name} has shape {part.n_in}, one of X {rows['train'].n_in}")
        assert part.y is not None
        parts[name] = (part, encode_labels(part.y, classes, name))
    n_train = len(rows["train"])
    if settings.batch_size > n_train:
        text = f"batch_size {settings.batch_size} is larger than the data ({n_train} rows): used as one batch"
        warnings.warn(text, ArignoteWarning, stacklevel=4)
        settings = settings.model_copy(update={"batch_size": n_train})
    return Prepared(parts, classes), settings


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return what differs between two nested mappings, a line each: ``fit.batch_size: 128 then, 64 now``."""
    found = []
    for key in dict.fromkeys((*old, *new)):
        path, a, b = f"{prefix}{key}", old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += differences(a, b, f"{path}.")
        elif a != b:
            found.append(f"{path}: {a!r} then, {b!r} now")
    return found


def _comparable(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides the numbers of a run, layers by their names."""
    layers = {params["name"]: {"type": word} | params for word, params in spec["layers"]}
    fit = {key: value for key, value in spec["fit"].items() if key in FitSettings.model_fields and decides(key)}
    return {"layers": layers, "fit": fit}


def _check_same(stored: TrainingState, new: TrainingState, forced: bool, where: str) -> None:
    """Refuse to go on with something else, with the diff; tell what changes bits only."""
    found = differences(_comparable(stored.spec), _comparable(new.spec))
    if new.rng != stored.rng:
        found.append(f"rng: {stored.rng} then, {new.rng} now")
    found += differences({"classes": stored.classes, "data": stored.data}, {"classes": new.classes, "data": new.data})
    if found and not forced:
        listed = "\n  ".join(found)
        raise CheckpointError(
            f"{where}: this run was started with something else:\n  {listed}\n"
            'Give what it was started with, start over with resume="fresh" (--fresh), '
            'or go on all the same with resume="force"'
        )
    told = found + differences(stored.environment, new.environment, "environment.")
    if told:
        warnings.warn(
            f"{where}: goes on correctly, but not bit for bit: " + "; ".join(told), ArignoteWarning, stacklevel=6
        )


def _rules(settings: FitSettings, has_valid: bool) -> dict[str, Rule]:
    rules: dict[str, Rule] = {"lr": settings.lr_rule or Constant(), "momentum": settings.momentum_rule or Constant()}
    for name, rule in rules.items():
        if rule.needs_validation and not has_valid:
            raise ConfigError(
                f"{name}_rule 'stalled' needs validation data: give valid=0.1 or valid=(X, y), or use the rule 'fixed'"
            )
    return rules


def train(
    layers: list[Layer],
    prepared: Prepared,
    settings: FitSettings,
    *,
    name: str | None,
    seed: int | None,
    going_on: TrainingState | None = None,
    stored_network: TrainingState | None = None,
) -> Outcome:
    """Train a network.

    Parameters
    ----------
    layers : list of Layer
        The network.
    prepared : Prepared
        The data.
    settings : FitSettings
        Everything else.
    name, seed : str or None, int or None
        Of the run; without a seed, one is drawn, or that of the checkpoint taken.
    going_on : TrainingState, optional
        A state in memory to go on from, where there is no checkpoint.
    stored_network : TrainingState, optional
        Whose parameters layers with `load_params` take.
    """
    files = RunFiles(settings.checkpoint, settings.keep_last) if settings.checkpoint else None
    stored = _stored(files, settings) or going_on
    rows, _ = prepared.parts["train"]
    architecture = declare(layers, rows.n_in, len(prepared.classes))
    for note in architecture.notes:
        warnings.warn(note, ArignoteWarning, stacklevel=3)
    rules = _rules(settings, "valid" in prepared.parts)
    if seed is None:
        seed = stored.rng if stored is not None else draw_seed()
    device = resolve_device(settings.device)
    with session(settings.n_threads):
        network = Network(architecture, device)
        network.initialise(seed)
        _load_params(architecture, network, stored_network)
        step = TrainingStep(network, build("loss", settings.train_loss), settings.sgd_type, settings.sgd_max_grad_norm)
        state = _fresh(network, step, rules, prepared, settings, name, seed, environment(device))
        story = "starts"
        where = str(files.path("last")) if files and stored is not going_on else "the classifier's state"
        if stored is not None:
            _check_same(stored, state, settings.resume == "force", where)
            _take_over(state, stored, network, step, where)
            story = _story(state, where)
        if state.finished and stored is not None:
            return Outcome(state.snapshot(), _to_predict_with(network, state, settings), story)
        if files is not None:
            files.probe()
        state.starts.append([state.progress.epoch, state.progress.batch])
        _run(network, step, rules, prepared, settings, seed, state, files)
        return Outcome(state.snapshot(), _to_predict_with(network, state, settings), story)


def _stored(files: RunFiles | None, settings: FitSettings) -> TrainingState | None:
    """Return the state to go on from, as `resume` says."""
    if files is None or settings.resume == "fresh":
        return None
    if settings.resume is False and files.exists():
        raise CheckpointError(f'{files.path("last")}: exists, and resume is False; use resume=True or "fresh"')
    return files.newest()


def _fresh(
    network: Network,
    step: TrainingStep,
    rules: Mapping[str, Rule],
    prepared: Prepared,
    settings: FitSettings,
    name: str | None,
    seed: int,
    surroundings: dict[str, Any],
) -> TrainingState:
    import torch

    starting = {"lr": settings.sgd_type.default_lr, "momentum": settings.sgd_type.default_momentum}
    classes = prepared.classes
    return TrainingState(
        network=dict(network.named),
        slots=step.slots,
        epoch_loss=torch.zeros((), dtype=torch.float64, device=network.device),
        rules={key: rule.start(starting[key]) for key, rule in rules.items()},
        rng=seed,
        run_id=uuid.uuid4().hex,
        spec={
            "name": name,
            "n_in": list(network.architecture.n_in),
            "layers": network.architecture.spec(),
            "fit": settings.model_dump(mode="json"),
        },
        classes={"dtype": classes.dtype.str if classes.dtype != object else "O", "values": classes.tolist()},
        data=prepared.fingerprint(),
        environment=surroundings,
        extra_metadata=settings.extra_metadata,
    )


def _take_over(state: TrainingState, stored: TrainingState, network: Network, step: TrainingStep, where: str) -> None:
    """Copy a stored state into live tensors that network and updater have laid out."""
    copy_into(state.network, stored.network, where)
    copy_into(state.slots, stored.slots, where)
    state.epoch_loss.fill_(float(stored.epoch_loss))
    state.rules, state.rng, state.run_id = dict(stored.rules), stored.rng, stored.run_id
    state.progress = replace(stored.progress, stopped_by=None)
    state.history = stored.snapshot().history
    state.best = replace(stored.best) if stored.best is not None else None
    state.starts = [list(start) for start in stored.starts]


def _story(state: TrainingState, where: str) -> str:
    done, asked = state.progress.epoch, state.n_epochs
    if state.finished:
        return f"finished, {done} of {asked} epochs ({where})"
    return f"goes on from epoch {done + 1}, batch {state.progress.batch} ({where})"


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


def _run(
    network: Network,
    step: TrainingStep,
    rules: Mapping[str, Rule],
    prepared: Prepared,
    settings: FitSettings,
    seed: int,
    state: TrainingState,
    files: RunFiles | None,
) -> None:
    rows, labels = prepared.parts["train"]
    augmentation = Augmentation(settings.augmentation, seed) if settings.augmentation else None
    if augmentation is not None:
        some = slice(0, settings.batch_size)
        augmentation.warn_if_not_exact(rows.features(some), labels[some])
    batches = Batches(
        rows,
        labels,
        seed=seed,
        batch_size=settings.batch_size,
        shuffle=settings.shuffle,
        drop_last=settings.drop_last,
        augmentation=augmentation,
        n_workers=settings.n_workers,
        prefetch=settings.prefetch,
    )
    checkpointer = Checkpointer(files, settings.checkpoint_every, settings.checkpoint_all)

    def scorer(part: str, losses: tuple[str, ...], prefix: str) -> Callable[[], dict[str, float]] | None:
        if part not in prepared.parts:
            return None
        part_rows, part_labels = prepared.parts[part]
        score = Scorer(network, {f"{prefix}_{loss}": build("loss", loss) for loss in losses})

        def run() -> dict[str, float]:
            try:
                return score(lambda at: (part_rows.features(at), part_labels[at]), len(part_rows))
            finally:
                network.train()

        return run

    def trainer(
        training_step: Any, keeper: Checkpointer, stop: Callable[[], str | None], observers: tuple[Any, ...]
    ) -> Trainer:
        return Trainer(
            step=training_step,
            prepare=lambda array: to_device(array, network.device),
            batches=batches,
            rules=rules,
            validate=scorer("valid", settings.valid_loss, "valid"),
            score_train=scorer("train", settings.valid_loss, "scored_train") if settings.validate_on_train else None,
            score_test=scorer("test", settings.test_loss, "test"),
            checkpointer=keeper,
            should_stop=stop,
            n_epochs=settings.n_epochs,
            train_loss=settings.train_loss,
            validation_frequency=settings.validation_frequency,
            observers=observers,
        )

    network.train()
    began = state.snapshot()
    try:
        with StopRequest() as stop:
            trainer(step, checkpointer, stop, settings.observers).run(state)
    except FloatingPointError:
        good = checkpointer.last_good() or began
        _take_over(state, good, network, step, "the last good state")
        place = "nothing was saved yet"
        if files is not None and files.exists():
            place = f"the last good checkpoint is kept: {files.path('last')}"
        try:
            quiet = Checkpointer(None)
            trainer(Looked(step), quiet, lambda: None, ()).run(state)
        except NotFiniteFoundError as found:
            raise NotFiniteError(
                f"the numbers stopped being finite at epoch {state.progress.epoch + 1}, batch {state.progress.batch}: "
                f"{found}. {place}. Lower the learning rate ({state.rules['lr'].value:g}), or set sgd_max_grad_norm"
            ) from None
        except FloatingPointError:
            pass
        raise NotFiniteError(f"the loss is not finite; {place}. Lower the learning rate") from None


def _to_predict_with(network: Network, state: TrainingState, settings: FitSettings) -> Network:
    """Return a network of its own with the best parameters, or the last where none is best."""
    chosen = Network(network.architecture, str(network.device))
    best = state.best if settings.restore_best else None
    copy_into(chosen.named, best.network if best is not None else state.network, "best network")
    chosen.eval()
    return chosen


def weights_sha256(state: TrainingState) -> str:
    """Return the digest of the network's tensors."""
    return tensors_sha256(state.network)
