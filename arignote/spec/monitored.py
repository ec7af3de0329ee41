"""What `monitor` may name: the norm of the gradient, and layers."""

from __future__ import annotations

from collections.abc import Sequence

from arignote.errors import Complaint, available_names
from arignote.layers.base import Layer
from arignote.spec.settings import FitSettings

__all__ = ["GRAD_NORM", "STATISTICS", "complaints_of_monitor", "monitored_layers"]

GRAD_NORM = "grad_norm"
# Of the output of a layer, by their names in the history behind that of the layer.
STATISTICS = ("norm", "mean", "zeros")


def monitored_layers(settings: FitSettings) -> list[str]:
    """Return the names of the layers whose outputs are monitored."""
    return [name for name in settings.monitor if name != GRAD_NORM]


def complaints_of_monitor(layers: Sequence[Layer], settings: FitSettings) -> list[Complaint]:
    """Return complaints about names that are monitored, but are those of no layer."""
    names = [str(layer.name) for layer in layers]
    return [
        Complaint(
            ("fit", "monitor"), f"monitor: there is no layer {name!r}. {available_names(name, [GRAD_NORM, *names])}"
        )
        for name in monitored_layers(settings)
        if name not in names
    ]
