"""Losses and metrics that a call names, of one output or by the names of outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from arignote.data.targets import Targets, TargetState
from arignote.errors import ConfigError, did_you_mean
from arignote.optim.losses import Score, metrics_that_fit, to_score
from arignote.registry import build, is_known, several
from arignote.spec.objective import Objective, ReportedLoss, losses_that_fit, reported_loss

__all__ = ["NamedLosses"]


@dataclass
class NamedLosses:
    """Losses and scores by their names in a result.

    Attributes
    ----------
    targets : Targets
    target_states : dict of str to dict
        What the target of each output has learned.
    n_outputs : dict of str to int
        Number of outputs of each output layer.
    names : list of str
        Names of all in the result, in the order in which they are given.
    losses : list of ReportedLoss
    """

    targets: Targets
    target_states: Mapping[str, TargetState]
    n_outputs: Mapping[str, int]
    names: list[str] = field(default_factory=list)
    losses: list[ReportedLoss] = field(default_factory=list)

    def add(self, losses: Any) -> None:
        """Add losses and metrics.

        Parameters
        ----------
        losses : str, [Name, {params}], list of these, dict of str to these, or None
            Those of the main output; in a dict those of each output that it names. None: the losses of the validations
            of all outputs.

        Raises
        ------
        ConfigError
            If there is no such output, or one does not suit its target.
        """
        if losses is None:
            self._add_defaults()
            return
        # A mapping that names a loss is one spec.
        is_by_output = isinstance(losses, Mapping) and "loss" not in losses
        for output, of_output in losses.items() if is_by_output else [(self.targets.main, losses)]:
            if output not in self.targets.by_output:
                known = did_you_mean(str(output), self.targets.by_output)
                raise ConfigError(f"losses: there is no output layer {output!r}. {known}")
            for one in several(of_output):
                self._add(output, one)

    def _add_defaults(self) -> None:
        defaults = {
            name: tuple(build("loss", loss) for loss in target.of_step.valid_loss)
            for name, target in self.targets.by_output.items()
        }
        self.losses += Objective(self.targets, {}, defaults, {}).reported(defaults, self.target_states)
        self.names += [one.name for one in self.losses]

    def _add(self, output: str, one: Any) -> None:
        """Add a loss or a score of an output."""
        target = self.targets.by_output[output].of_step
        spec = to_score(one)
        # "module:Name" is a loss of the user, which `build` finds or reports.
        is_loss = not isinstance(spec, str) or is_known("loss", spec) or ":" in spec
        loss = build("loss", spec) if is_loss else None
        if loss is None or (isinstance(loss, Score) and not loss.fits(target.named())):
            known = list(dict.fromkeys([*losses_that_fit(target), *metrics_that_fit(target.named())]))
            name = one if loss is None else loss.column
            raise ConfigError(f"unknown loss or metric {name!r} of {target.named()}. {did_you_mean(name, known)}")
        if not loss.fits(target.named()):
            listed = ", ".join(losses_that_fit(target))
            raise ConfigError(f"the loss {loss.column!r} does not fit {target.named()}; losses that do: {listed}")
        loss.check(self.n_outputs[output])
        name = self._name(output, one if isinstance(one, str) else loss.column)
        self.losses.append(reported_loss(name, output, loss, self.targets, self.target_states))

    def _name(self, output: str, own: str) -> str:
        """Return the name of a loss or metric in the result; ConfigError if it is that of another output."""
        name = own if output == self.targets.main else f"{output}_{own}"
        for other in self.losses:
            if other.name == name and other.output != output:
                raise ConfigError(
                    f"losses: {name!r} is one of {other.output!r} and of {output!r}: name one of them alone"
                )
        self.names.append(name)
        return name
