"""Losses and metrics that a call names, of one output or by the names of outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.targets import Targets
from arignote.errors import ConfigError, did_you_mean
from arignote.registry import build, several
from arignote.report.scores import check_metric, is_loss
from arignote.spec.objective import Objective, ReportedLoss, losses_that_fit

__all__ = ["NamedLosses", "ReportedMetric"]


@dataclass(frozen=True)
class ReportedMetric:
    """A metric of an output that is reported.

    Attributes
    ----------
    name : str
        Its name in the result.
    output : str
        Name of the output layer.
    metric : str
        Its own name, as of `score_of`.
    """

    name: str
    output: str
    metric: str


@dataclass
class NamedLosses:
    """Losses, which the engine computes, and metrics, which need the predictions of all rows.

    Attributes
    ----------
    targets : Targets
    units : dict of str to array (n_outputs,)
        Units of the outputs of each output layer.
    n_outputs : dict of str to int
        Number of outputs of each output layer.
    names : list of str
        Names of all in the result, in the order in which they are given.
    losses : list of ReportedLoss
    metrics : list of ReportedMetric
    """

    targets: Targets
    units: Mapping[str, NDArray[np.float64]]
    n_outputs: Mapping[str, int]
    names: list[str] = field(default_factory=list)
    losses: list[ReportedLoss] = field(default_factory=list)
    metrics: list[ReportedMetric] = field(default_factory=list)

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
        self.losses += Objective(self.targets, {}, defaults, {}).reported(defaults, self.units)
        self.names += [one.name for one in self.losses]

    def _add(self, output: str, one: Any) -> None:
        """Add a loss or a metric of an output."""
        target = self.targets.by_output[output].of_step
        if isinstance(one, str) and not is_loss(one):
            check_metric(one, target, self.n_outputs[output])
            self.metrics.append(ReportedMetric(self._name(output, one), output, one))
            return
        loss = build("loss", one)
        if target.named() not in loss.targets:
            known = ", ".join(losses_that_fit(target))
            raise ConfigError(f"the loss {loss.column!r} does not fit {target.named()}; losses that do: {known}")
        loss.check(self.n_outputs[output])
        name = self._name(output, one if isinstance(one, str) else loss.column)
        self.losses.append(ReportedLoss(name, output, loss, self.units[output]))

    def _name(self, output: str, own: str) -> str:
        """Return the name of a loss or metric in the result; ConfigError if it is that of another output."""
        name = own if output == self.targets.main else f"{output}_{own}"
        before: list[ReportedLoss | ReportedMetric] = [*self.losses, *self.metrics]
        for other in before:
            if other.name == name and other.output != output:
                raise ConfigError(
                    f"losses: {name!r} is one of {other.output!r} and of {output!r}: name one of them alone"
                )
        self.names.append(name)
        return name
