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
    """Return complaints about names that are monitored, but are those of no layer, or of more than one thing."""
    names = [str(layer.name) for layer in layers]
    if GRAD_NORM in names and GRAD_NORM in settings.monitor:
        message = f"monitor: {GRAD_NORM!r} is the norm of the gradient, and the name of a layer: rename the layer"
        return [Complaint(("fit", "monitor"), message)]
    return [
        Complaint(
            ("fit", "monitor"), f"monitor: there is no layer {name!r}. {available_names(name, [GRAD_NORM, *names])}"
        )
        for name in monitored_layers(settings)
        if name not in names
    ]
