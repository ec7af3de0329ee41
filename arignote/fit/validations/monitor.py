"""Monitored quantities as columns of the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from arignote.checkpoints.state import TrainingState
from arignote.engine.monitor import GRAD_NORM_SLOT, GradientNorm, layer_statistics
from arignote.engine.network import Network
from arignote.fit.assemble import Assembly
from arignote.spec.monitored import GRAD_NORM, monitored_layers

__all__ = ["NetworkMonitor", "monitor_of"]


@dataclass(frozen=True)
class NetworkMonitor:
    """Monitored quantities of a network.

    Attributes
    ----------
    network : Network
        The network that is trained.
    layers : list of str
        Names of the layers whose outputs are monitored.
    x : array (rows, ...) or None
        The rows of these outputs, the same at each validation.
    """

    network: Network
    layers: list[str]
    x: NDArray[Any] | None

    def columns(self, state: TrainingState) -> dict[str, float]:
        """Return columns of the history; the state stays as it is."""
        values = {}
        if GRAD_NORM_SLOT in state.slots:
            values[GRAD_NORM] = GradientNorm.mean(state.slots[GRAD_NORM_SLOT])
        if self.x is not None:
            number = state.progress.n_validations
            try:
                values |= layer_statistics(self.network, self.layers, self.x, state.rng, number)
            finally:
                # Statistics are computed in evaluation mode.
                self.network.train()
        return values

    def begin_again(self, state: TrainingState) -> None:
        """Begin the mean over updates again."""
        if GRAD_NORM_SLOT in state.slots:
            state.slots[GRAD_NORM_SLOT].zero_()


def monitor_of(fit: Assembly) -> NetworkMonitor | None:
    """Return what a fit monitors; None if that is nothing.

    The outputs of layers are those for the first rows of the validation data, or else of the training data: as many as
    a batch has.
    """
    if not fit.settings.monitor:
        return None
    layers, data, x = monitored_layers(fit.settings), fit.plan.prepared, None
    if layers:
        rows, _ = data.subsets.get("valid", data.subsets["train"])
        # The first rows in each validation, so that their statistics can be compared.
        x = rows.features(slice(0, min(data.batch_size, len(rows))))
    return NetworkMonitor(fit.network, layers, x)
