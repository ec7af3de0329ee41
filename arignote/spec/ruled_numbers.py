"""Which numbers of layers and settings may follow a rule, and the value that each has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf, isnan, nan
from typing import Any, NamedTuple

from arignote.errors import Complaint, ConfigError, nearest
from arignote.layers.base import Layer, WeightedLayer
from arignote.optim.rules import Rule
from arignote.registry import Part, part_name
from arignote.spec.objective import objective_of
from arignote.spec.settings import FitSettings, checked_settings

__all__ = ["ruled_numbers"]

# Settings that may follow a rule, as layers may.
_OF_SETTINGS = ("sgd_max_grad_norm", "sgd_max_grad_value")
# Rules with settings of their own.
_SETTINGS = {"lr": "lr_rule", "learning_rate": "lr_rule", "momentum": "momentum_rule"}


class _Ruled(NamedTuple):
    """A layer, or another part of the settings, with the names of its numbers that may follow a rule."""

    owner: Part | FitSettings
    names: tuple[str, ...]


def ruled_numbers(layers: Sequence[Layer], settings: FitSettings) -> dict[str, float]:
    """Return the numbers that follow a rule, by "layer.parameter", with the value that is set (NaN: none).

    Numbers of settings have the names that they have there: "sgd_max_grad_norm", "sgd_type.weight_decay", and
    "train_loss.out1.weight" of the output layer "out1".

    Raises
    ------
    ConfigError
        With everything that is wrong in the setting `rules`: names of no layer, parameters that cannot follow a rule,
        rules that can have no effect, and values that the parameter may not have.
    """
    if not settings.rules:
        return {}
    ruled = _ruled(layers, settings)
    numbers: dict[str, float] = {}
    complaints: list[Complaint] = []
    for name, rule in settings.rules.items():
        word, _, param = name.rpartition(".")
        message = _unsuitable(name, word, param, ruled)
        if message is not None:
            complaints.append(Complaint(("fit", "rules", name), message))
            continue
        owner = ruled[word].owner
        value = getattr(owner, param)
        numbers[name] = nan if value is None else float(value)
        wrong = _complaints(owner, param, rule, numbers[name])
        complaints += [Complaint(("fit", "rules", name, *path), message) for path, message in wrong]
    # torch.compile takes a number of Python as a constant: each value of the rule would be compiled again.
    compiled = [name for name in numbers if settings.compile and not _is_of_update(name)]
    if compiled:
        message = f"a compiled network cannot follow the rule of {compiled[0]!r}: leave compile or the rule out"
        complaints.append(Complaint(("fit", "compile"), message))
    if complaints:
        raise ConfigError(complaints)
    return numbers


def _ruled(layers: Sequence[Layer], settings: FitSettings) -> dict[str, _Ruled]:
    """Return what has numbers that may follow a rule, by what their names have before the last dot."""
    losses = objective_of(layers, settings).train_loss
    # The only loss has no weight.
    weights = {f"train_loss.{output}": _Ruled(loss, ("weight",)) for output, loss in losses.items() if len(losses) > 1}
    updater = _Ruled(settings.sgd_type, settings.sgd_type.ruled)
    of_layers = {str(layer.name): _Ruled(layer, _free(layer)) for layer in layers}
    of_settings = {"": _Ruled(settings, _OF_SETTINGS), "sgd_type": updater, **weights}
    return of_layers | {word: one for word, one in of_settings.items() if word not in of_layers}


def _is_of_update(name: str) -> bool:
    word, _, param = name.rpartition(".")
    return word in ("", "sgd_type") or param in WeightedLayer.ruled


def _unsuitable(name: str, word: str, param: str, ruled: Mapping[str, _Ruled]) -> str | None:
    """Return why no rule of this name may be; None if one may."""
    if name in _SETTINGS:
        return f"{name!r} has a rule of its own: write {_SETTINGS[name]}"
    if word not in ruled or (not word and param not in _OF_SETTINGS):
        known = [f"{one}.{number}".lstrip(".") for one, (_, free) in ruled.items() for number in free]
        near = nearest(word, ruled) if word else nearest(name, known)
        hint = f"Did you mean {near!r}? " if near else ""
        wrong = f"there is no layer {word!r}" if word else f"{name!r} is no number of a layer, such as fc1.l2"
        if name.partition(".")[0] in FitSettings.model_fields:
            wrong = f"the setting {name} cannot follow a rule"
        return f"{wrong}. {hint}Numbers that may follow a rule: {', '.join(known)}"
    owner, free = ruled[word]
    if param in free:
        return None
    if isinstance(owner, WeightedLayer) and param in owner.ruled:
        return f"{param} is that of the layer {owner.share!r}, whose parameters are shared: write {owner.share}.{param}"
    listed = f"those that may are {', '.join(free)}" if free else "nor may another one of it"
    what = part_name(owner) if isinstance(owner, Part) else "the settings"
    return f"{param} of {what} cannot follow a rule; {listed}"


def _free(layer: Layer) -> tuple[str, ...]:
    """Return the numbers of a layer that may follow a rule; penalties of shared weights are those of their owner."""
    is_sharing = isinstance(layer, WeightedLayer) and layer.share is not None
    return tuple(name for name in layer.ruled if not (is_sharing and name in WeightedLayer.ruled))


def _complaints(
    owner: Part | FitSettings, param: str, rule: Rule, value: float
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield paths within a rule and messages about what is wrong there; `value` is that of the owner (NaN: none)."""
    start = rule.start(value).value
    if isnan(start):
        yield (
            (),
            f"initial_value must be given, as {'the layer has' if isinstance(owner, Layer) else 'there is'} no {param}",
        )
        return
    wrong = [(path, message) for path, one in rule.given_values() if (message := _refusal(owner, param, one))]
    yield from wrong
    reason = rule.ineffective_reason(start)
    if reason is not None:
        yield (), reason
    highest = rule.highest(start)
    if not wrong and (message := _refusal(owner, param, highest)):
        yield (), f"rises {'without bound' if highest == inf else f'to {highest:g}'}: {message}"
    if rule.becomes_0(start) and (message := _refusal(owner, param, 0.0)):
        yield (), f"falls to 0: {message}. Give it a final_value"


def _refusal(owner: Part | FitSettings, param: str, value: float) -> str | None:
    """Return why a layer, or settings, may not have a value of a parameter; None if they may."""
    try:
        if isinstance(owner, FitSettings):
            checked_settings({param: value})
        else:
            # With all of its other fields, some of which are required.
            values: dict[str, Any] = {name: getattr(owner, name) for name in type(owner).model_fields}
            type(owner)(**values | {param: value})
    except ConfigError as error:
        return "; ".join(one.message for one in error.complaints)
    return None
