"""`partial_fit` of the estimators: one pass over new data, which continues from the fitted state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.checkpoints.state import TrainingState
from arignote.data.prepare.fit_data import FitData
from arignote.data.prepare.prepared import recorded_columns, recorded_text
from arignote.data.targets import Target, Targets, TargetState
from arignote.errors import ConfigError
from arignote.estimators.columns import warn_of_column
from arignote.estimators.constructor import seed_of, settings_of, shape_of
from arignote.estimators.endings import report_ending
from arignote.fit.phases.one_pass import OnePass, check_pass, settings_of_pass
from arignote.fit.start import fit_network
from arignote.layers.base import Layer
from arignote.spec.objective import targets_of
from arignote.spec.settings import FitSettings

if TYPE_CHECKING:
    from arignote.estimators.base import NNEstimator

__all__ = ["fit_one_pass"]


def fit_one_pass(estimator: NNEstimator, X: Any, y: Any, classes: Any, sample_weight: Any) -> None:
    """Train an estimator for one pass over X, and set its fitted attributes.

    Parameters
    ----------
    estimator : NNEstimator
    X, y, classes, sample_weight
        See ``NNClassifier.partial_fit``.

    Raises
    ------
    ConfigError
        If `classes` are missing in the first pass, or other ones than there, or a setting does not suit a pass.
    """
    before: TrainingState | None = getattr(estimator, "state_", None)
    settings, layers = settings_of_pass(settings_of(estimator, {}), before), estimator._layers()
    warn_of_column(y, estimator._checked_output(layers))
    fixed_states = _fixed_states(layers, settings, classes, X, y, before)
    data = FitData(X, y, estimator.valid, estimator.test, sample_weight, n_in=shape_of(estimator.n_in))
    if before is not None:
        # As in the passes before, whatever this one alone looks like.
        data = replace(data, columns=recorded_columns(before.data), text=recorded_text(before.data))
    check_pass(data)
    rng = estimator.rng if estimator.random_state is None else estimator.random_state
    result = fit_network(
        layers,
        data,
        settings,
        name=estimator.name,
        seed=seed_of(rng) if before is None else before.rng,
        in_memory=before,
        stored_network=None if estimator.stored_network is None else str(estimator.stored_network),
        one_pass=OnePass(
            fixed_states, None if before is None else estimator.network_.arrays(), type(estimator).__name__
        ),
    )
    estimator._set_fitted(result.state, result.network)
    estimator.status_, estimator.checkpoint_ = result.status, result.checkpoint
    report_ending(result, is_warm_start=False)


def _fixed_states(
    layers: Sequence[Layer], settings: FitSettings, classes: Any, x: Any, y: Any, before: TrainingState | None
) -> dict[str, TargetState]:
    """Return what the targets of outputs learn from `classes`; nothing of those that learn it from the first pass."""
    targets = targets_of(layers, settings)
    by_output = classes if isinstance(classes, Mapping) else {} if classes is None else {targets.main: classes}
    if unknown := [name for name in by_output if name not in targets.by_output]:
        known = ", ".join(targets.by_output)
        raise ConfigError(f"classes: there is no output layer {unknown[0]!r}; output layers: {known}")
    # Of a pair (X, y) it is the second.
    y = x[1] if y is None and isinstance(x, tuple) and len(x) == 2 else y
    labels_of = {name: y.get(name) if isinstance(y, Mapping) else y for name in by_output}
    fixed_states = {name: _target_state(targets, name, labels, labels_of[name]) for name, labels in by_output.items()}
    if before is None:
        missing = [
            name for name, one in targets.by_output.items() if name not in fixed_states and _needs_classes(one.of_step)
        ]
        if missing:
            where = "" if targets.is_single else f" for {missing[0]!r}: {{{missing[0]!r}: [...]}}"
            raise ConfigError(f"classes must be passed on the first call to partial_fit{where}")
        return fixed_states
    for name, target_state in fixed_states.items():
        if target_state != before.targets[name]:
            target = targets.by_output[name]
            was = target.of_step.classes(target.state_of_step(before.targets[name])).tolist()
            # The words of scikit-learn.
            raise ConfigError(
                f"classes {by_output[name]!r:.200} is not the same as on last call to partial_fit, was: {was!r:.200}"
            )
    return {}


def _target_state(targets: Targets, name: str, labels: Any, y: Any) -> TargetState:
    """Return what the target of an output learns if its rows, or the steps of one row, have these labels."""
    single = Targets({name: targets.by_output[name]}, name)
    values: Any = np.asarray(labels)
    if single.of_main.of_step.labels_per_row == "several":
        # In the form of y: indicators, or lists of labels.
        are_indicators = y is not None and single.of_main.of_step.check(y, "y").ndim == 2
        if are_indicators and not np.array_equal(values, np.arange(len(values))):
            raise ConfigError(
                f"classes must be the columns of y, {list(range(len(values)))}, of which it holds indicators; got "
                f"{labels!r:.200}"
            )
        values = np.eye(len(values)) if are_indicators else [[label] for label in labels]
    checked = single.check([values] if single.has_steps else values, "classes")
    # A stored state, though empty, keeps warnings of a new run away.
    return single.learn(checked, None, "classes", {name: {"target": single.of_main.named(), "of": {}}})[name]


def _needs_classes(target: Target) -> bool:
    """Return whether labels may be missing in the first pass: numbers, indicators and declared labels are complete."""
    declared = [getattr(target, name, None) for name in ("n_classes", "ranks")]
    return target.labels_per_row == "one" and not any(declared)
