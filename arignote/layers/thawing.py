"""`thaw_at`: when layers whose parameters are fixed at first are trained."""

from __future__ import annotations

from collections.abc import Sequence

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Layer, ParametricLayer

__all__ = ["check_thaw", "thaw_epochs"]


def thaw_epochs(layers: Sequence[Layer]) -> dict[str, int]:
    """Return the number of epochs after which each layer with `thaw_at` is thawed, by its name."""
    return {
        str(layer.name): layer.thaw_at
        for layer in layers
        if isinstance(layer, ParametricLayer) and layer.thaw_at is not None
    }


def check_thaw(layers: Sequence[Layer], n_epochs: int) -> None:
    """Raise ConfigError if a layer would be thawed when the last epoch is complete, or later.

    It is for runs that begin: one that is resumed may be given fewer epochs than it has done.
    """
    late = {name: epoch for name, epoch in thaw_epochs(layers).items() if epoch >= n_epochs}
    # Without epochs nothing is trained at all.
    if late and n_epochs:
        must = f"thaw_at must be less than n_epochs, {n_epochs}, or the layer is never trained; got"
        hint = "Raise n_epochs, or leave thaw_at out for a layer that stays fixed"
        raise ConfigError(
            Complaint(("thaw_at",), f"{must} {epoch}. {hint}", layer=name) for name, epoch in late.items()
        )
