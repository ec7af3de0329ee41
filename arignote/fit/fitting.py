"""A fit, from what was declared to its outcome: what the estimator and the command line have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from arignote.checkpoints.names import stem_in
from arignote.checkpoints.reader import resolve
from arignote.checkpoints.state import TrainingState
from arignote.data.arrays import Data
from arignote.data.prepared import Given, other_sources
from arignote.data.readers.sources import open_labels, open_source
from arignote.data.rows import rows_of
from arignote.data.specs import Source
from arignote.engine.network import Network, check_shapes, copy_into
from arignote.engine.setup import Setup
from arignote.errors import CheckpointError, ConfigError
from arignote.fit.assemble import Outcome, Run, train
from arignote.layers.architecture import declare, parse
from arignote.layers.base import Layer
from arignote.layers.output import ClassificationOutputLayer
from arignote.layers.shape import image_of
from arignote.legacy import is_2015, read_2015
from arignote.preemption.signals import StopAsked, StopRequest
from arignote.registry import dump, only_trusting
from arignote.registry.complaints import complaints_of
from arignote.report.progress import ProgressLines
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings, decides, is_of_the_machine

__all__ = ["Fitted", "as_layers_say", "fit_config", "fit_network", "of_config", "read_run", "restore", "settings_of"]


@dataclass(frozen=True)
class Fitted(Outcome):
    """What a fit ends with, and what becomes of it.

    Attributes
    ----------
    checkpoint : str or None
        Stem of its files.
    leave : callable
        Raises Interrupted where a signal or a notice has stopped it; Ctrl-C returns.
    """

    checkpoint: str | None
    leave: Callable[[], None]


def settings_of(values: dict[str, Any]) -> FitSettings:
    """Return checked settings; ConfigError tells all that is wrong with them."""
    try:
        return FitSettings(**values)
    except ValidationError as fault:
        raise ConfigError(complaints_of(fault, FitSettings)).under("fit") from None


def read_run(run: str, which: str | None = None) -> tuple[TrainingState, bool]:
    """Return the state that RUN means, and whether it is the last one of a stem, with its best network."""
    if Path(run).is_file() and is_2015(run):
        return read_2015(run), False
    files, names = resolve(run, which)
    if which in (None, "last") and not (len(names) == 1 and run.endswith(names[0])):
        found = files.newest(needs_best=which is None)
        if found is None:
            raise CheckpointError(f"{run}: there is no run of this stem ({files.path('last')} is missing)")
        return found[1], True
    return files.read(names[0])[0], False


def restore(
    run: str, which: str | None = None, layers: Any = None, trust: Sequence[str] = ()
) -> tuple[TrainingState, Network, dict[str, Any]]:
    """Return the state that RUN means, the network to predict with, and the settings to go on with.

    Parameters
    ----------
    run, which
        As of `read_run`; without `which` the network is the best one.
    layers : list, optional
        In place of those of the file.
    trust : sequence of str
        Modules that may be imported because the file names them.
    """
    state, is_last = read_run(run, which)
    stored = state.spec["fit"]
    # Functions cannot be stored. Whatever touches this machine is the caller's to name, not the file's.
    settings = {
        k: v
        for k, v in stored.items()
        if k != "augmentation" and not (k in FitSettings.model_fields and is_of_the_machine(k))
    }
    # The run is resumed where it was found, not where the file says.
    settings["checkpoint"] = resolve(run)[0].stem if is_last and stored.get("checkpoint") is not None else None
    try:
        with only_trusting(run, tuple(trust)):
            settings_of(settings)
            parsed = parse(state.spec["layers"]) if layers is None else None
    except ConfigError as fault:
        again = f"\nOr give the layers again: NNClassifier.load({run!r}, layers=[...])" if layers is None else ""
        raise CheckpointError(f"{run}: {fault}{again}") from None
    try:
        architecture = declare(
            parse(layers) if parsed is None else parsed, tuple(state.spec["n_in"]), len(state.classes["values"])
        )
    except ConfigError as fault:
        raise CheckpointError(f"{run}: {fault}") from None
    best = state.best if is_last and which is None else None
    arrays = best.network if best is not None and best.network else state.network
    # Before memory is asked for: a file may name any size.
    check_shapes({f"{p.name}.{k}": v.shape for p in architecture.placed for k, v in p.params.items()}, arrays, run)
    precision = settings.get("precision", "float32")
    network = Network(
        architecture, Setup(channels_last=bool(state.environment.get("channels_last")), precision=precision)
    )
    copy_into(network.named, arrays, run)
    network.eval()
    return state, network, settings


def as_layers_say(given: Given, layers: list[Layer], n_in: Sequence[int] | None = None) -> Given:
    """Return the data with what the layers say of it; `n_in` of a run that exists is as of `image_of`."""
    output = layers[-1]
    n_classes = output.n_classes if isinstance(output, ClassificationOutputLayer) else None
    return replace(
        given, n_classes=n_classes, channel=getattr(layers[0], "channel", None), image=image_of(layers, n_in)
    )


def fit_network(
    layers: list[Layer],
    given: Given,
    settings: FitSettings,
    *,
    name: str | None = None,
    seed: int | None = None,
    in_memory: TrainingState | None = None,
    stored_network: str | None = None,
) -> Fitted:
    """Train a network, or go on training it.

    Parameters
    ----------
    layers : list of Layer
    given : Given
        The data; what the layers say of it is added here.
    settings : FitSettings
        A checkpoint that ends in a slash is a folder: this very fit has a stem of its own there.
    name, seed, in_memory
        As of `Run`.
    stored_network : str, optional
        Run from which layers with `load_params` take their parameters.
    """
    given = as_layers_say(given, layers)
    if settings.verbose:
        settings = settings.model_copy(update={"observers": (*settings.observers, ProgressLines())})
    if settings.checkpoint is not None and settings.checkpoint.endswith("/"):
        others = other_sources(given)
        rows = rows_of(given.x, given.y, allow_nonfinite=True, axes=settings.axes, channel=given.channel, others=others)
        chosen = {key: value for key, value in settings.model_dump(mode="json").items() if decides(key)}
        decisive = [[dump(layer) for layer in layers], chosen, [seed, rows.fingerprint()]]
        settings = settings.model_copy(update={"checkpoint": stem_in(settings.checkpoint, name, decisive)})
    stored = read_run(stored_network)[0] if stored_network is not None else None
    with StopRequest(settings.stop_signals, settings.preemption) as stop:
        try:
            outcome = train(Run(given, layers, settings, name, seed, in_memory, stored), stop)
        except StopAsked:
            # Before anything began.
            stop.leave()
            raise KeyboardInterrupt from None
    left = outcome.state.progress.interrupted or stop.signalled
    lost = outcome.state.position if settings.checkpoint is None else ""
    leave = partial(stop.leave, lost) if left else lambda: None
    return Fitted(**vars(outcome), checkpoint=settings.checkpoint, leave=leave)


def of_config(spec: RunSpec, base: Path, **settings: Any) -> tuple[list[Layer], Given, FitSettings]:
    """Return the layers, the data and the settings of a config; for what is given here see `fit_config`."""
    assert spec.data is not None
    source = spec.data.train
    others = spec.data.others()
    features, labels = open_source(source, base, others=others)
    parts: dict[str, Any] = {
        name: Data(*open_source(part, base, like=source, columns=features.columns), axes=part.axes)
        if isinstance(part, Source)
        else part
        for name, part in (("valid", spec.data.valid), ("test", spec.data.test))
    }
    for name in ("groups", "sample_weight"):
        if name in others:
            parts[name] = open_labels(others[name], base, source.csv)
    axes = {} if source.axes is None else {"axes": source.axes}
    return (
        parse(spec.layers, spec.layer_defaults),
        Given(features, labels, **parts),
        settings_of(spec.fit | axes | settings),
    )


def fit_config(spec: RunSpec, base: Path, **settings: Any) -> Fitted:
    """Train what a config says.

    Parameters
    ----------
    spec : RunSpec
        With data.
    base : Path
        Folder of relative paths of data.
    **settings
        In place of those of the config.
    """
    return fit_network(*of_config(spec, base, **settings), name=spec.name, seed=spec.rng)
