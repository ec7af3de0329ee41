"""Runs on disk, loaded: the state, and the network to predict with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arignote.checkpoints.reader import resolve
from arignote.checkpoints.state import TrainingState
from arignote.engine.checked_copy import check_shapes, copy_into
from arignote.engine.network import Network
from arignote.engine.setup import setup_of_file
from arignote.errors import CheckpointError, ConfigError
from arignote.layers.architecture import declare
from arignote.layers.layer_list import parse
from arignote.layers.output import OutputLayer
from arignote.legacy import is_2015, read_2015
from arignote.registry import only_trusting
from arignote.spec.settings import FitSettings, checked_settings, is_of_the_machine

__all__ = ["read_run", "restore"]


def read_run(run: str, which: str | None = None) -> tuple[TrainingState, bool]:
    """Return the state that RUN means, and whether it is the last one of a stem, with its best network."""
    if Path(run).is_file() and is_2015(run):
        return read_2015(run), False
    files, names = resolve(run, which)
    # The path of a file means that very file, a stem its newest valid state.
    if which in (None, "last") and not (len(names) == 1 and run.endswith(names[0])):
        newest = files.newest(needs_best=which is None)
        if newest is None:
            raise CheckpointError(f"{run}: there is no run of this stem ({files.path('last')} is missing)")
        return newest[1], True
    return files.read(names[0])[0], False


def restore(
    run: str, which: str | None = None, layers: Any = None, trust: Sequence[str] = ()
) -> tuple[TrainingState, Network, dict[str, Any]]:
    """Return the state that RUN means, the network to predict with, and the settings to resume with.

    Parameters
    ----------
    run, which
        As of `read_run`; without `which` the network is the best one, or the last with ``restore_best=False``, after
        final epochs and after `partial_fit`.
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
    # The run is resumed where it was found, not at the stem in the file.
    settings["checkpoint"] = resolve(run)[0].stem if is_last and stored.get("checkpoint") is not None else None
    try:
        with only_trusting(run, tuple(trust)):
            checked_settings(settings)
            parsed = parse(state.spec["layers"]) if layers is None else None
    except ConfigError as error:
        again = f"\nOr give the layers again: NNClassifier.load({run!r}, layers=[...])" if layers is None else ""
        raise CheckpointError(f"{run}: {error}{again}") from None
    try:
        chosen = parse(layers) if parsed is None else parsed
        fitted = {name: target_state["target"] for name, target_state in state.targets.items()}
        fits = {str(layer.name): layer.target_spec[0] for layer in chosen if isinstance(layer, OutputLayer)}
        if fitted != fits:
            raise CheckpointError(f"{run}: was fitted to {fitted}; the output layers fit {fits}")
        architecture = declare(chosen, state.spec["n_in"], state.n_outputs)
    except ConfigError as error:
        raise CheckpointError(f"{run}: {error}") from None
    is_result = not state.ends_with_last and stored.get("restore_best", True)
    best = state.best if is_last and which is None and is_result else None
    arrays = best.network if best is not None and best.network else state.predicting
    # Before memory is asked for: a file may name any size.
    check_shapes({f"{p.name}.{k}": v.shape for p in architecture.placed for k, v in p.params.items()}, arrays, run)
    network = Network(architecture, setup_of_file(state.environment, settings.get("precision", "float32")))
    copy_into(network.named, arrays, run)
    network.eval()
    return state, network, settings
