"""Objective: the target of a network, and the losses of a fit, which must suit it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arignote.data.targets import Target
from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Layer
from arignote.layers.output import OutputLayer
from arignote.optim.losses import Loss
from arignote.registry import build, find, names, part_name, short_spec
from arignote.spec.settings import FitSettings

__all__ = ["Objective", "losses_that_fit", "objective_of", "target_of"]


@dataclass(frozen=True)
class Objective:
    """What a fit minimises and reports.

    Attributes
    ----------
    target : Target
        What the network is taught.
    train_loss : Loss
    valid_loss, test_loss : tuple of Loss
        Those of the settings, else those of the target.
    """

    target: Target
    train_loss: Loss
    valid_loss: tuple[Loss, ...]
    test_loss: tuple[Loss, ...]

    def losses(self) -> dict[str, tuple[Loss, ...]]:
        """Return the losses by the names of the settings."""
        return {"train_loss": (self.train_loss,), "valid_loss": self.valid_loss, "test_loss": self.test_loss}

    def spec(self) -> dict[str, Any]:
        """Return the losses as plain data, by the names of the settings."""
        several = {"valid_loss": self.valid_loss, "test_loss": self.test_loss}
        short = {key: [short_spec(loss) for loss in losses] for key, losses in several.items()}
        return {"train_loss": short_spec(self.train_loss)} | short

    def check(self, n_outputs: int) -> None:
        """Raise ConfigError if a loss does not suit a network with so many outputs."""
        for key, losses in self.losses().items():
            for loss in losses:
                try:
                    loss.check(n_outputs)
                except ConfigError as error:
                    raise error.under("fit", key) from None


def target_of(layers: Sequence[Layer], settings: FitSettings) -> Target:
    """Return the target that the output layer fits; settings that are parameters of the target complete it."""
    output = layers[-1]
    assert isinstance(output, OutputLayer)
    name, params = output.target_spec
    known = find("target", name).model_fields
    of_fit = {key: getattr(settings, key) for key in ("scale_target", "missing_targets") if key in known}
    target: Target = build("target", [name, params | of_fit])
    return target


def objective_of(layers: Sequence[Layer], settings: FitSettings) -> Objective:
    """Return the objective of a fit.

    Raises
    ------
    ConfigError
        If a loss does not fit the output layer, or a setting is for classes and the target has none; with all that do
        not.
    """
    target = target_of(layers, settings)
    by_name: dict[str, tuple[Loss, ...]] = {
        "train_loss": (settings.train_loss or build("loss", target.train_loss),),
        "valid_loss": settings.valid_loss or tuple(build("loss", name) for name in target.valid_loss),
        "test_loss": settings.test_loss or tuple(build("loss", name) for name in target.test_loss),
    }
    complaints = [
        Complaint(("fit", key), f"{key} {_unfit(loss, target, layers[-1])}")
        for key, losses in by_name.items()
        for loss in losses
        if part_name(target) not in loss.targets
    ]
    if part_name(target) not in ("classes", "ranks"):
        complaints += [
            Complaint(("fit", key), f"{key} is for classes, but {part_name(layers[-1])} fits {part_name(target)}")
            for key in ("class_weight", "balance_classes")
            if getattr(settings, key)
        ]
    if complaints:
        raise ConfigError(complaints)
    return Objective(target, by_name["train_loss"][0], by_name["valid_loss"], by_name["test_loss"])


def _unfit(loss: Loss, target: Target, output: Layer) -> str:
    fitting = losses_that_fit(target, trainable=loss.differentiable)
    return (
        f"{part_name(loss)!r} does not fit {part_name(output)} {output.name!r}, which fits {part_name(target)}; "
        f"losses that do: {', '.join(fitting)}"
    )


def losses_that_fit(target: Target, *, trainable: bool = False) -> list[str]:
    """Return the names of the losses that fit a target; with `trainable`, of those that can be minimised."""
    fitting = {
        part_name(cls)
        for cls in names("loss").values()
        if part_name(target) in cls.targets and (cls.differentiable or not trainable)  # type: ignore[attr-defined]
    }
    return sorted(fitting)
