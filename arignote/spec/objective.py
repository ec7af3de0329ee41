"""Objective: the targets of a network, and the losses of a fit, which must suit them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arignote.data.targets import Target, Targets, TargetState
from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Layer
from arignote.layers.inputs import NetworkInput
from arignote.layers.output import OutputLayer
from arignote.optim.losses import Loss, Score
from arignote.registry import build, find, names, part_name, short_spec
from arignote.spec.settings import FitSettings

__all__ = ["Objective", "ReportedLoss", "losses_that_fit", "objective_of", "reported_loss", "targets_of"]

Losses = dict[str, tuple[Loss, ...]]


class ReportedLoss(NamedTuple):
    """A loss of an output that is reported.

    Attributes
    ----------
    name, output : str
        Its name in the history, and the output layer.
    loss : Loss
    units : array (n_outputs,)
        Units of the outputs.
    of_all : callable or None
        Of a score: returns it for the predictions of all rows, their encoded targets and weights, or None.
    """

    name: str
    output: str
    loss: Loss
    units: NDArray[np.float64]
    of_all: Callable[[NDArray[Any], NDArray[Any], NDArray[np.float32] | None], float] | None = None


def reported_loss(
    name: str, output: str, loss: Loss, targets: Targets, target_states: Mapping[str, TargetState]
) -> ReportedLoss:
    """Return a loss of an output as it is reported; `target_states` is what the targets have learned.

    Parameters
    ----------
    name : str
        Its name in the history.
    output : str
        Name of the output layer.
    loss : Loss
    targets : Targets
    target_states : dict of str to dict
        What the targets have learned, by output.
    """
    target, target_state = targets.by_output[output], target_states[output]
    of_all = None
    if isinstance(loss, Score):
        # Imports scikit-learn.
        from arignote.spec.metrics import score_of_rows

        of_all = partial(score_of_rows, loss, target, target_state)
    return ReportedLoss(name, output, loss, target.units(target_state), of_all)


@dataclass(frozen=True)
class Objective:
    """Targets of a network, and the losses that a fit minimises and reports.

    Attributes
    ----------
    targets : Targets
        What the network is trained to predict.
    train_loss : dict of str to Loss
        By the name of the output layer, in the order of the layers; their sum, each times its weight, is minimised.
    valid_loss, test_loss : dict of str to tuple of Loss
        Losses that are reported.
    """

    targets: Targets
    train_loss: dict[str, Loss]
    valid_loss: Losses
    test_loss: Losses

    @property
    def main(self) -> str:
        """Name of the output layer that decides which network is best, whose losses have plain names in the history."""
        return self.targets.main

    @property
    def column(self) -> str:
        """Name of the training loss in the history."""
        # The sum over several outputs is that of no loss alone.
        return self.train_loss[self.main].column if self.targets.is_single else "loss"

    def reported(
        self, losses: Mapping[str, tuple[Loss, ...]], target_states: Mapping[str, TargetState], prefix: str = ""
    ) -> list[ReportedLoss]:
        """Return losses with their names in the history, those of the main output first; see `reported_loss`."""
        # False sorts before True; the sort is stable, so that the others keep the order of the layers.
        order = sorted(losses, key=lambda output: output != self.main)
        losses_of_outputs = []
        for output in order:
            words = [prefix, "" if output == self.main else output]
            for loss in losses[output]:
                name = "_".join(word for word in (*words, loss.column) if word)
                losses_of_outputs.append(reported_loss(name, output, loss, self.targets, target_states))
        return losses_of_outputs

    def spec(self) -> dict[str, Any]:
        """Return the losses as plain data, by the names of the settings."""
        of_each: dict[str, dict[str, Any]] = {
            key: {output: [short_spec(loss) for loss in of_output] for output, of_output in losses.items()}
            for key, losses in self._by_setting().items()
        }
        of_each["train_loss"] = {output: spec for output, (spec,) in of_each["train_loss"].items()}
        return {key: value[self.main] for key, value in of_each.items()} if self.targets.is_single else of_each

    def check(self, n_outputs: Mapping[str, int]) -> None:
        """Raise ConfigError if a loss does not suit the number of outputs."""
        for key, losses in self._by_setting().items():
            for output, of_output in losses.items():
                for loss in of_output:
                    try:
                        loss.check(n_outputs[output])
                    except ConfigError as error:
                        raise error.under("fit", key) from None

    def _by_setting(self) -> dict[str, Losses]:
        """Return the losses of each output by the name of their setting, that which is minimised too as a tuple."""
        train: Losses = {output: (loss,) for output, loss in self.train_loss.items()}
        return {"train_loss": train, "valid_loss": self.valid_loss, "test_loss": self.test_loss}


def _outputs(layers: Sequence[Layer]) -> dict[str, OutputLayer]:
    return {str(layer.name): layer for layer in layers if isinstance(layer, OutputLayer)}


def targets_of(layers: Sequence[Layer], settings: FitSettings) -> Targets:
    """Return the targets that the output layers fit; settings that are parameters of a target complete it."""
    by_output: dict[str, Target] = {}
    for output, layer in _outputs(layers).items():
        by_output[output] = build("target", _completed(layer.target_spec, settings))
    # Its first loss decides which network is best, and what rules and stop rules follow.
    main = next((output for output, layer in _outputs(layers).items() if not layer.auxiliary), None)
    if main is None:
        raise ConfigError("layers: one output layer at least must not be auxiliary")
    targets = Targets(by_output, main)
    if any(one.from_input for one in by_output.values()):
        if not targets.is_single:
            raise ConfigError("layers: an output whose target is the input cannot be one of several")
        if sum(isinstance(layer, NetworkInput) for layer in layers) > 1:
            raise ConfigError("layers: an output whose target is the input needs a network of one input")
    return targets


def _completed(spec: list[Any], settings: FitSettings) -> list[Any]:
    """Return the spec of a target with the settings of the fit that are its parameters."""
    name, params = spec
    # A target of sequences holds that of a step.
    if "of" in params:
        return [name, {"of": _completed(params["of"], settings)}]
    # Not every target has them: ranks and flags are not scaled.
    known = find("target", name).model_fields
    return [name, params | {key: getattr(settings, key) for key in ("scale_target", "missing_targets") if key in known}]


def objective_of(layers: Sequence[Layer], settings: FitSettings) -> Objective:
    """Return the objective of a fit.

    Raises
    ------
    ConfigError
        If a loss does not fit its output layer, or a setting is for classes and the target has none; with all that do
        not.
    """
    targets, outputs = targets_of(layers, settings), _outputs(layers)
    complaints: list[Complaint] = []
    losses: dict[str, Losses] = {}
    main = targets.main
    for key in ("train_loss", "valid_loss", "test_loss"):
        given = getattr(settings, key)
        by_output = given if isinstance(given, dict) else {} if given is None else {main: given}
        for output in by_output:
            if output not in outputs:
                message = f"{key}: there is no output layer {output!r}; output layers: {', '.join(outputs)}"
                complaints.append(Complaint(("fit", key), message))
        losses[key] = {}
        for output, layer in outputs.items():
            target = targets.by_output[output]
            chosen = by_output.get(output) or _defaults(target, key)
            losses[key][output] = (chosen,) if isinstance(chosen, Loss) else chosen
            complaints += [
                Complaint(("fit", key), f"{key} {_unfit(loss, target, layer)}")
                for loss in losses[key][output]
                if not loss.fits(target.of_step.named())
            ]
    complaints += _of_classes_alone(targets, outputs, settings)
    # With one loss, it would only scale the gradient.
    if targets.is_single and losses["train_loss"][main][0].weight != 1:
        message = "train_loss: a weight is for networks of several outputs"
        complaints.append(Complaint(("fit", "train_loss"), message))
    complaints += _of_equal_names(main, losses)
    if complaints:
        raise ConfigError(complaints)
    train = {output: of_output[0] for output, of_output in losses["train_loss"].items()}
    return Objective(targets, train, losses["valid_loss"], losses["test_loss"])


def _of_equal_names(main: str, losses: Mapping[str, Losses]) -> list[Complaint]:
    """Return complaints about losses that would have one name in the history."""
    complaints = []
    for key in ("valid_loss", "test_loss"):
        of_main = [loss.column for loss in losses[key][main]]
        others = {(output, loss.column) for output in losses[key] if output != main for loss in losses[key][output]}
        complaints += [
            Complaint(
                ("fit", key), f"{key}: {name!r} is a loss of {main!r} and of {output!r}: rename the layer {output!r}"
            )
            for output, column in sorted(others)
            if (name := f"{output}_{column}") in of_main
        ]
    return complaints


def _defaults(target: Target, key: str) -> Any:
    """Return the losses of a target for a setting that names none."""
    default = getattr(target.of_step, key)
    if isinstance(default, str):
        return build("loss", default)
    return tuple(build("loss", name) for name in default)


def _of_classes_alone(targets: Targets, outputs: Mapping[str, OutputLayer], settings: FitSettings) -> list[Complaint]:
    """Return complaints about settings that need one output of classes."""
    if targets.is_single and targets.of_main.labels_per_row == "one":
        return []
    listed = " and ".join(f"{part_name(layer)} fits {layer.fits}" for layer in outputs.values())
    return [
        Complaint(("fit", key), f"{key} is for one output of classes, but {listed}")
        for key in ("class_weight", "balance_classes")
        if getattr(settings, key)
    ]


def _unfit(loss: Loss, target: Target, output: Layer) -> str:
    fitting = losses_that_fit(target, trainable=loss.differentiable)
    return (
        f"{loss.named()!r} does not fit {part_name(output)} {output.name!r}, which fits {target.of_step.named()}; "
        f"losses that do: {', '.join(fitting)}"
    )


def losses_that_fit(target: Target, *, trainable: bool = False) -> list[str]:
    """Return the names of the losses that fit a target; with `trainable`, of those that can be minimised."""
    fitting = {
        part_name(cls)
        for cls in names("loss").values()
        if target.of_step.named() in cls.targets and (cls.differentiable or not trainable)  # type: ignore[attr-defined]
    }
    return sorted(fitting)
