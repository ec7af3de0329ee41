"""Why a fit failed: numbers that are not finite, layers that keep something or are not as declared."""

from __future__ import annotations

from collections.abc import Callable

from arignote.checkpoints.schedule import Checkpointer
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.writer import RunWriter
from arignote.data.epoch.augmentation import augmented_to
from arignote.engine.diagnose import find_misdeclared, nondeterministic_layer, unrepeatable_layer
from arignote.engine.network import Network
from arignote.engine.not_finite import CheckedStep, NotFiniteFoundError
from arignote.errors import ArignoteError, ConfigError, NotFiniteError
from arignote.fit.assemble import Assembly
from arignote.fit.resume import load_into
from arignote.fit.trainer import Trainer

__all__ = ["cause_of", "check_layers", "divergence"]


def check_layers(network: Network) -> None:
    """Raise ConfigError if a layer keeps something that is not in the state."""
    name = unrepeatable_layer(network)
    if name is not None:
        raise ConfigError(
            f"layer {name!r} keeps something from one call to the next that no checkpoint can hold: run again from the "
            "same parameters, buffers and random seed, it is another. Register what it keeps as a buffer of the module"
        )


def divergence(
    fit: Assembly,
    make_trainer: Callable[..., Trainer],
    checkpointer: Checkpointer,
    files: RunWriter | None,
    first: TrainingState,
) -> NotFiniteError:
    """Return the error of a run whose numbers stopped being finite, trained again from its last good state.

    Parameters
    ----------
    fit : Assembly
        Its state is replaced.
    make_trainer : callable
        Returns a loop for a step, a checkpointer, a check for stops, and observers.
    checkpointer : Checkpointer
        Of the run.
    files : RunWriter or None
        Of the run.
    first : TrainingState
        The state that the run began with.
    """
    if fit.plan.request.processes is not None:
        error = NotFiniteError(
            f"training diverged: a weight or the loss is not finite ({fit.state.position}). The last checkpoint is "
            "kept. Lower the learning rate, or set sgd_max_grad_norm; the same command in one process finds the layer"
        )
        error.is_reported = fit.plan.request.processes.rank > 0
        return error
    good = checkpointer.last_good(fit.state.run_id)
    kept = "Nothing of this run was saved"
    if files is not None and files.existing():
        kept = "The last good checkpoint is kept" if good else f"{kept}; the files of the earlier run are kept"
        kept = f"{kept}: {files.path('last')}"
    load_into(fit.state, good or first, "the last good state")
    # Without files, stops and observers: only the message of this training is of use.
    again = make_trainer(CheckedStep(fit.step), Checkpointer(None), lambda: None, ())
    return NotFiniteError(_divergence_message(again, fit.state, kept))


def _divergence_message(again: Trainer, state: TrainingState, kept: str) -> str:
    """Train again, checking every number; return a message on the first that is not finite, and on what is kept."""
    try:
        again.run(state)
    except NotFiniteFoundError as found:
        lr = again.values(state, state.progress.n_updates).lr
        lower = f"Lower the learning rate ({lr:g}), or set sgd_max_grad_norm"
        return (
            f"training diverged: the numbers stopped being finite at epoch {state.progress.epoch + 1}, "
            f"batch {state.progress.batch}: "
            f"{found}. {kept}. {'Check preprocessing and augmentation' if found.in_data else lower}"
        )
    # `Checkpointer.check` adds up weights, and their sum may overflow though each of them is finite.
    except FloatingPointError:
        pass
    return f"training diverged: the loss is not finite. {kept}. Lower the learning rate"


def cause_of(fit: Assembly, error: Exception) -> ArignoteError | None:
    """Return an error that names the layer or augmentation that caused `error`; None if neither did."""
    network = fit.network
    # torch has no class of its own for it: the RuntimeError is known by its text, "... deterministic implementation".
    layer = nondeterministic_layer(network) if "determinis" in str(error) else None
    if layer is not None:
        return ConfigError(
            f"layer {layer!r} has no deterministic form on {network.device}, so that no resume of it could be exact: "
            f'use another layer, or device="cpu". ({error})'
        )
    # Before the layers: given examples of another shape, the first layer would seem to be declared wrongly.
    for x, *_ in fit.step.last_batches:
        shape = network.example_shape(x)
        if not network.architecture.takes(shape):
            return augmented_to(shape, network.architecture.n_in)
    message = find_misdeclared(fit.step)
    return None if message is None else ConfigError(message)
