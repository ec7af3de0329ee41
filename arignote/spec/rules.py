"""The rules of a fit, of the learning rate, the momentum and other numbers, and where they begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Layer, ParametricLayer, WeightedLayer
from arignote.optim.rules import ConstantRule, Rule
from arignote.registry import part_name
from arignote.spec.ruled_numbers import ruled_numbers
from arignote.spec.settings import FitSettings

__all__ = ["check_new_rules", "check_validated", "first_values", "idle_settings", "rules_of", "setting_of"]


def rules_of(settings: FitSettings) -> dict[str, Rule]:
    """Return all rules by name."""
    return {
        "lr": settings.lr_rule or ConstantRule(),
        "momentum": settings.momentum_rule or ConstantRule(),
    } | (settings.rules or {})


def check_validated(settings: FitSettings, *, has_valid: bool) -> None:
    """Raise ConfigError if a rule, or the stop rule, needs validation data and there is none."""
    if has_valid:
        return
    needed = "needs validation data: give valid, such as 0.1"
    for name, rule in rules_of(settings).items():
        if rule.needs_validation:
            message = f"{_place(name)} {part_name(rule)!r} {needed}, or use the rule 'fixed'"
            raise ConfigError(Complaint(("fit", setting_of(name)), message))
    if settings.stop_rule is not None:
        raise ConfigError(Complaint(("fit", "stop_rule"), f"stop_rule {needed}"))


def check_new_rules(layers: Sequence[Layer], settings: FitSettings) -> None:
    """Raise ConfigError with the rules that no run may begin with; one that is resumed keeps those that it has."""
    by_name = {str(layer.name): layer for layer in layers}
    complaints = []
    for name, rule in rules_of(settings).items():
        layer, _, param = name.rpartition(".")
        message = rule.invalid_reason or _of_fixed(by_name.get(layer), param)
        if message is not None:
            setting = setting_of(name)
            complaints.append(Complaint(("fit", setting, name) if setting == "rules" else ("fit", setting), message))
    if complaints:
        raise ConfigError(complaints)


def _of_fixed(layer: Layer | None, param: str) -> str | None:
    """Return why a rule of the update of a layer has no effect, which is never updated; None if it is."""
    if not isinstance(layer, ParametricLayer) or layer.fix_params is not True or layer.thaw_at is not None:
        return None
    if param not in WeightedLayer.ruled:
        return None
    return f"the rule never has an effect, as fix_params fixes all parameters of {layer.name!r}: leave one of them out"


def idle_settings(values: Mapping[str, float], settings: FitSettings, n_batches: int | None = None) -> list[str]:
    """Return messages: of rules whose first change would be at the end of training or later, of an average of nothing.

    Parameters
    ----------
    values : dict of str to float
        See `first_values`.
    settings : FitSettings
    n_batches : int, optional
        Batches of an epoch; None: not known.
    """
    # In final epochs all values are constant.
    n_epochs = settings.n_epochs - settings.final_epochs
    n_updates = inf if n_batches is None else n_epochs * -(-n_batches // settings.accumulate)
    reason = None if settings.average is None else settings.average.ineffective_reason(settings.n_epochs)
    # Without an epoch nothing is trained on purpose.
    messages = [reason] if reason is not None and settings.n_epochs else []
    # A first epoch alone may be one of many, each asked for by a call.
    for name, rule in rules_of(settings).items() if n_epochs > 1 else ():
        after = rule.waits(rule.start(values[name]).value)
        for n, length, unit in zip(after or (), (n_epochs, n_updates), ("epochs", "updates"), strict=False):
            if n >= length:
                first = f"its first change is after {n} {unit}, of {length}"
                messages.append(f"{_place(name)} never acts: {first}. Raise n_epochs, or let it begin before")
    return messages


def _place(name: str) -> str:
    """Return the setting of a rule, with the name that it has there."""
    setting = setting_of(name)
    return f"rules: {name}:" if setting == "rules" else setting


def setting_of(name: str) -> str:
    """Return the setting that declares the rule of this name."""
    return f"{name}_rule" if name in ("lr", "momentum") else "rules"


def first_values(layers: Sequence[Layer], settings: FitSettings) -> dict[str, float]:
    """Return the value that each rule begins at, by name, unless it has one of its own; errors as `ruled_numbers`."""
    updater = settings.sgd_type
    return {"lr": updater.default_lr, "momentum": updater.default_momentum} | ruled_numbers(layers, settings)
