"""From a list of specs to layers: built, named and linked, with blocks expanded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from arignote.errors import Complaint, ConfigError
from arignote.hints.advice import Advice, Replacement
from arignote.layers.base import Layer
from arignote.layers.entries import Builder, all_entries
from arignote.layers.links import LayerExpander
from arignote.registry import names, part_name, plain

__all__ = ["locate_layers", "parse"]


def parse(layers: Any, layer_defaults: Mapping[str, Any] | None = None) -> list[Layer]:
    """Build, name and link the layers of a list of specs.

    Parameters
    ----------
    layers : list of [Layer, {params}] or Layer
    layer_defaults : dict, optional
        Parameters for every layer that has them and does not set them.

    Returns
    -------
    list of Layer
        Blocks are expanded; an input layer comes first. Each has a name, and `input` only if that is not the layer
        before.

    Raises
    ------
    ConfigError
        With everything that is wrong in the list.
    """
    return _expanded(layers, layer_defaults).layers


def locate_layers(
    complaints: Iterable[Complaint], layers: list[Any], layer_defaults: Mapping[str, Any] | None = None
) -> list[Complaint]:
    """Return complaints, of which those about a layer have its place in a list, and its type and name.

    Parameters
    ----------
    complaints : iterable of Complaint
    layers, layer_defaults
        As of `parse`, which has accepted them.
    """
    expander = _expanded(layers, layer_defaults)
    labels = {layer.name: f"{part_name(layer)} {layer.name!r}" for layer in expander.layers}
    return [
        replace(one, path=(*expander.paths[one.layer], *one.path), label=labels[one.layer], layer="")
        if one.layer in labels
        else one
        for one in complaints
    ]


def _expanded(layers: Any, layer_defaults: Mapping[str, Any] | None) -> LayerExpander:
    """Return the expander that has expanded a list; ConfigError with everything that is wrong in it."""
    _check_forms(layers, layer_defaults)
    defaults = plain(dict(layer_defaults or {}))
    builder = Builder(defaults)
    entries = builder.entries(layers, ("layers",))
    complaints = builder.complaints + builder.complaints_of_defaults()
    unused = {key: value for key, value in defaults.items() if key not in builder.used}
    complaints += [_of_one_layer(key, value) for key, value in unused.items() if _is_of_one_layer(key, value)]
    # Otherwise a layer that could not be built may be the one that has the parameter.
    if not complaints:
        fields = {name for entry in all_entries(entries) for name in type(entry.part).model_fields}
        complaints = [_without_layer(key, value, fields) for key, value in unused.items()]
    if complaints:
        raise ConfigError(complaints)
    expander = LayerExpander()
    expander.expand(entries)
    if expander.complaints:
        raise ConfigError(expander.complaints)
    return expander


def _check_forms(layers: Any, layer_defaults: Any) -> None:
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        raise ConfigError(Complaint(("layers",), f"must be a list of [Layer, {{parameters}}]; got {layers!r}"))
    if not isinstance(layer_defaults, Mapping | None):
        raise ConfigError(Complaint(("layer_defaults",), f"must be a mapping; got {layer_defaults!r}"))
    # [Name, {params}] itself, in place of a list of these.
    if isinstance(layers[0], str) and len(layers) == 2 and isinstance(layers[1], Mapping):
        whole = Replacement("layers", [[layers[0], plain(layers[1])], ["ClassificationOutputLayer"]], at_top=True)
        message = "must be a list of layers; got a single one"
        raise ConfigError(Complaint(("layers",), message, advice=Advice("Write {}", (whole,))))


def _is_of_one_layer(key: str, value: Any) -> bool:
    """Return whether a default is a mapping of parameters under the name of a layer or of a type of layers."""
    if not isinstance(value, Mapping) or not value:
        return False
    known = names("layer")
    types = {word.lower().removesuffix("layer") for word in known}
    fields = {field for cls in known.values() for field in cls.model_fields}
    return key.lower().removesuffix("layer") in types or value.keys() <= fields


def _of_one_layer(key: str, value: Any) -> Complaint:
    """Return the complaint about parameters that are given for one layer, or for one type."""
    advice = Advice(
        "A default is for every layer that has the parameter: write {}, or set it in the layers themselves",
        (Replacement("layer_defaults", value, at_top=True),),
    )
    return Complaint(("layer_defaults", key), "must be a parameter; got a layer", advice=advice)


def _without_layer(key: str, value: Any, fields: set[str]) -> Complaint:
    """Return the complaint about a default that is no parameter of any layer; `fields` are those of all layers."""
    # The table of synonyms is loaded only when a message is built.
    from arignote.hints.synonyms import advice_on

    advice = advice_on("layer", key, fields)
    message = f"no layer of the list has the parameter {key!r}"
    return Complaint(("layer_defaults", key), message, advice=advice and advice.about(value))
