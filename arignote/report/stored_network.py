"""The network of a stored run, declared again from its file; the engine is not needed."""

from __future__ import annotations

from collections.abc import Sequence

from arignote.checkpoints.state import TrainingState
from arignote.errors import ConfigError
from arignote.layers.architecture import Architecture, declare
from arignote.layers.layer_list import parse
from arignote.registry import only_trusting

__all__ = ["architecture_of_run", "n_params_of"]


def architecture_of_run(state: TrainingState, where: str, trust: Sequence[str] = ()) -> Architecture:
    """Return the architecture of a run.

    Parameters
    ----------
    state : TrainingState
    where : str
        File or stem of the run, for messages.
    trust : sequence of str
        Modules that may be imported because the file names them.

    Raises
    ------
    ConfigError
        If its layers cannot be built, such as those of a module that is not trusted.
    """
    with only_trusting(where, tuple(trust)):
        return declare(parse(state.spec["layers"]), state.spec["n_in"], state.n_outputs)


def n_params_of(state: TrainingState, where: str) -> int:
    """Return the number of values of all parameters of a run, as `Architecture.n_params` counts them.

    If its layers cannot be built, the values of buffers, such as running means, count too.

    Parameters
    ----------
    state, where
        See `architecture_of_run`.
    """
    try:
        return architecture_of_run(state, where).n_params
    except ConfigError:
        # A layer of the user, whose module is not imported here: all arrays are counted, buffers too.
        return sum(array.size for array in state.network.values())
