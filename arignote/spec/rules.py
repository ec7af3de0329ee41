"""The rules of a fit, of the learning rate, the momentum and numbers of layers: which may be, and where they begin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf, isnan, nan
from typing import Any

from arignote.errors import Complaint, ConfigError, nearest
from arignote.layers.base import Layer, WeightedLayer
from arignote.optim.rules import ConstantRule, Rule
from arignote.registry import part_name
from arignote.spec.settings import FitSettings

__all__ = ["first_values", "ruled_numbers", "rules_of", "setting_of"]

# Settings of their own.
_SETTINGS = {"lr": "lr_rule", "learning_rate": "lr_rule", "momentum": "momentum_rule"}


def rules_of(settings: FitSettings, has_valid: bool) -> dict[str, Rule]:
    """Return all rules by name; ConfigError if one, or the stop rule, needs validation data and there is none."""
    rules: dict[str, Rule] = {
        "lr": settings.lr_rule or ConstantRule(),
        "momentum": settings.momentum_rule or ConstantRule(),
    } | (settings.rules or {})
    for name, rule in rules.items():
        if rule.needs_validation and not has_valid:
            setting = setting_of(name)
            setting = f"rules: {name}:" if setting == "rules" else setting
            raise ConfigError(
                f"{setting} {part_name(rule)!r} needs validation data: give valid=0.1 or valid=(X, y), or use the "
                "rule 'fixed'"
            )
    if settings.stop_rule is not None and not has_valid:
        raise ConfigError("stop_rule needs validation data: give valid=0.1 or valid=(X, y)")
    return rules


def setting_of(name: str) -> str:
    """Return the setting that declares the rule of this name."""
    return f"{name}_rule" if name in ("lr", "momentum") else "rules"


def first_values(layers: Sequence[Layer], settings: FitSettings) -> dict[str, float]:
    """Return the value that each rule begins at, by name, unless it has one of its own; errors as `ruled_numbers`."""
    updater = settings.sgd_type
    return {"lr": updater.default_lr, "momentum": updater.default_momentum} | ruled_numbers(layers, settings)


def ruled_numbers(layers: Sequence[Layer], settings: FitSettings) -> dict[str, float]:
    """Return the numbers that follow a rule, by "layer.parameter", with the value of the layer (NaN: none).

    Raises
    ------
    ConfigError
        With everything that is wrong in the setting `rules`: names of no layer, parameters that cannot follow a rule,
        rules that can have no effect, and values that the parameter may not have.
    """
    by_name = {str(layer.name): layer for layer in layers}
    numbers: dict[str, float] = {}
    complaints: list[Complaint] = []
    for name, rule in (settings.rules or {}).items():
        word, _, param = name.rpartition(".")
        message = _unsuitable(name, word, param, by_name)
        if message is not None:
            complaints.append(Complaint(("fit", "rules", name), message))
            continue
        value = getattr(by_name[word], param)
        numbers[name] = nan if value is None else float(value)
        found = _complaints(by_name[word], param, rule, numbers[name])
        complaints += [Complaint(("fit", "rules", name, *path), message) for path, message in found]
    if settings.compile and (compiled := [name for name in numbers if not _is_of_update(name)]):
        message = f"a compiled network cannot follow the rule of {compiled[0]!r}: leave compile or the rule out"
        complaints.append(Complaint(("fit", "compile"), message))
    if complaints:
        raise ConfigError(complaints)
    return numbers


def _is_of_update(name: str) -> bool:
    return name.rpartition(".")[2] in WeightedLayer.ruled


def _unsuitable(name: str, word: str, param: str, layers: Mapping[str, Layer]) -> str | None:
    """Return why no rule of this name may be; None if one may."""
    if name in _SETTINGS:
        return f"{name!r} has a rule of its own: write {_SETTINGS[name]}"
    if word not in layers:
        near = nearest(word, layers)
        hint = f"Did you mean {near!r}? " if near else ""
        known = ", ".join(f"{one}.{number}" for one, layer in layers.items() for number in _free(layer)) or "none"
        return f"there is no layer {word or name!r}. {hint}Numbers that may follow a rule: {known}"
    layer = layers[word]
    free = _free(layer)
    if param in free:
        return None
    if isinstance(layer, WeightedLayer) and param in layer.ruled:
        return f"{param} is that of the layer {layer.share!r}, whose parameters are shared: write {layer.share}.{param}"
    listed = f"those that may are {', '.join(free)}" if free else "nor may another one of this layer"
    return f"{param} of {part_name(layer)} cannot follow a rule; {listed}"


def _free(layer: Layer) -> tuple[str, ...]:
    """Return the numbers of a layer that may follow a rule; penalties of shared weights are those of their owner."""
    is_sharing = isinstance(layer, WeightedLayer) and layer.share is not None
    return tuple(name for name in layer.ruled if not (is_sharing and name in WeightedLayer.ruled))


def _complaints(layer: Layer, param: str, rule: Rule, value: float) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield paths within a rule and messages about what is wrong there; `value` is that of the layer (NaN: none)."""
    start = rule.start(value).value
    if isnan(start):
        yield (), f"initial_value must be given, as the layer has no {param}"
        return
    wrong = [(path, message) for path, one in rule.given_values() if (message := _refusal(layer, param, one))]
    yield from wrong
    reason = rule.ineffective_reason(start)
    if reason is not None:
        yield (), reason
    highest = rule.highest(start)
    if not wrong and (message := _refusal(layer, param, highest)):
        yield (), f"rises {'without bound' if highest == inf else f'to {highest:g}'}: {message}"
    if rule.becomes_0(start) and (message := _refusal(layer, param, 0.0)):
        yield (), f"falls to 0: {message}. Give it a final_value"


def _refusal(layer: Layer, param: str, value: float) -> str | None:
    """Return why a layer may not have a value of a parameter; None if it may."""
    values: dict[str, Any] = {name: getattr(layer, name) for name in type(layer).model_fields}
    try:
        type(layer)(**values | {param: value})
    except ConfigError as error:
        return "; ".join(one.message for one in error.complaints)
    return None
