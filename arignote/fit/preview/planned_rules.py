"""The values that the rules of a config will have, from its settings and, if they follow updates, its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from arignote.data.prepare.prepared import prepare, rows_of_batch
from arignote.errors import ConfigError
from arignote.fit.config_data import open_config, with_layers
from arignote.layers.base import Layer
from arignote.layers.layer_list import parse
from arignote.optim.rules.plan import PlannedUpdate, planned_updates
from arignote.spec.rules import check_validated, first_values, rules_of
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings, checked_settings

__all__ = ["planned", "planned_rules", "rows_of_updates"]


def planned_rules(spec: RunSpec) -> Iterator[PlannedUpdate]:
    """Yield each update of a config, given that no validation improves on the first, without those of final epochs.

    Parameters
    ----------
    spec : RunSpec
        Its data is opened only if a value may change within an epoch; otherwise an epoch counts as one update.

    Raises
    ------
    ConfigError
        If the number of updates matters and there is no data.
    """
    settings = checked_settings(spec.fit)
    with spec.naming_lines():
        check_validated(settings, has_valid=spec.data is None or bool(spec.data.valid))
        return planned(parse(spec.layers, spec.layer_defaults), settings, lambda: _rows_of_updates(spec))


def planned(
    layers: list[Layer], settings: FitSettings, n_of_updates: Callable[[], list[int]]
) -> Iterator[PlannedUpdate]:
    """Yield each update of a fit, as `planned_rules`.

    Parameters
    ----------
    layers : list of Layer
    settings : FitSettings
    n_of_updates : callable
        Returns the number of examples of each update of an epoch; called only if a value may change within one.
    """
    values, rules = first_values(layers, settings), rules_of(settings)
    if settings.sgd_type.momentum_name is None:
        del rules["momentum"]
    # If values change between epochs alone, one update stands for an epoch, and no data is opened.
    rows = [1]
    if settings.validation_frequency is not None or any(rule.follows_updates for rule in rules.values()):
        rows = n_of_updates()
    states = {name: rule.start(values[name]) for name, rule in rules.items()}
    n_epochs = settings.n_epochs - settings.final_epochs
    return planned_updates(rules, states, n_epochs, rows, settings.validation_frequency)


def _rows_of_updates(spec: RunSpec) -> list[int]:
    """Return the number of examples of each update of an epoch."""
    if spec.data is None:
        raise ConfigError("values change within an epoch, whose number of updates follows from data, which is missing")
    layers, data, settings = open_config(spec)
    prepared = prepare(with_layers(data, layers, settings), settings, seed=spec.rng or 0)
    n_rows = len(prepared.subsets["train"][0])
    return rows_of_updates(n_rows, prepared.batch_size, settings.accumulate, drop_last=prepared.drop_last)


def rows_of_updates(n_rows: int, batch_size: int, accumulate: int, *, drop_last: bool) -> list[int]:
    """Return the number of examples of each update of an epoch of `n_rows` training rows; a size of -1 is all."""
    batch_size = rows_of_batch(batch_size, n_rows)
    if drop_last:
        n_rows -= n_rows % batch_size
    n_of_update = batch_size * accumulate
    return [min(n_of_update, n_rows - at) for at in range(0, n_rows, n_of_update)]
