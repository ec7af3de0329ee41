"""The JSON Schema of a config, by which editors complete, explain and check it.

It accepts whatever `arignote check` accepts. What it cannot know is left to the check: names of layers, shapes, files,
and parts of a user's own, "module:Name".
"""

from __future__ import annotations

from typing import Any

from arignote.layers.base import Layer
from arignote.layers.output import OutputLayer
from arignote.registry import with_params
from arignote.spec.part_schemas import OWN, Definitions, fields_schema, spec_of
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings

__all__ = ["config_schema"]

# The definition of each section.
_SECTIONS = {"data": "DataSpec", "layer_defaults": "layer_defaults", "fit": "fit"}


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a config, as plain data.

    Examples
    --------
    >>> config_schema()["$defs"]["fit"]["properties"]["keep_last"]["minimum"]
    2
    """
    definitions = Definitions()
    root = definitions.resolved(fields_schema(RunSpec))
    sections, keys = root.pop("$defs"), root["properties"]
    # Of one that includes others, layers too may be there.
    del root["required"]
    sections["fit"] = definitions.resolved(fields_schema(FitSettings))
    sections["layer_defaults"] = {"type": "object", "properties": _parameters_of_layers(definitions)}
    sections |= {"layers.complete": _complete(definitions), "layers.known": _known(definitions)}
    keys["include"] |= {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    is_output = [one.is_meant for one in definitions.parts.values() if issubclass(one.cls, OutputLayer)]
    keys["layers"] |= {
        "contains": {"anyOf": [*is_output, spec_of(OWN, ["layer"])]},
        "errorMessage": "the last layer must be an output layer",
    }
    keys["$schema"] = {"description": "Path of this schema, by which editors find it."}
    # What they may hold follows below, as it depends on `include`.
    for section in _SECTIONS:
        keys[section] = {"description": keys[section]["description"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        "if": {"properties": {"include": {"type": ["string", "array"], "minItems": 1}}, "required": ["include"]},
        "then": {"properties": {key: _partial(sections, name) for key, name in _SECTIONS.items()}},
        "else": _whole(definitions, sections),
        "$defs": dict(sorted((sections | definitions.schemas).items())),
    }


def _partial(sections: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the schema of a section of a config that includes others, which may have the rest of each mapping."""
    others = {"type": ["object", "null"]}
    keys = {
        key: {"anyOf": [{"$ref": f"#/$defs/{name}/properties/{key}"}, others]} for key in sections[name]["properties"]
    }
    known = {key: value for key, value in sections[name].items() if key == "additionalProperties"}
    return {"type": ["object", "null"], "properties": keys, **known}


def _whole(definitions: Definitions, sections: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a config that includes no other."""
    # A section whose lines are all commented out is empty.
    empty = {"type": "null"}
    return {
        "required": ["layers"],
        "properties": {key: {"anyOf": [{"$ref": f"#/$defs/{name}"}, empty]} for key, name in _SECTIONS.items()},
        "allOf": [
            _complete_without_defaults(definitions),
            _defaults_of_known(sections["layer_defaults"]["properties"]),
        ],
    }


def _parameters_of_layers(definitions: Definitions) -> dict[str, Any]:
    """Return the schema of each parameter of a layer: that of any layer that has it."""
    forms_by_name: dict[str, list[Any]] = {}
    for layer in (name for name, part in definitions.parts.items() if issubclass(part.cls, Layer)):
        for name, one in definitions.schemas[layer]["properties"].items():
            forms = forms_by_name.setdefault(name, [])
            if one not in forms:
                forms.append(one)
    return {name: forms[0] if len(forms) == 1 else {"anyOf": forms} for name, forms in sorted(forms_by_name.items())}


def _within_blocks(definitions: Definitions, name: str) -> dict[str, Any]:
    """Return the schema of layers, of which blocks have layers that match a definition."""
    inner = with_params({"properties": {"layers": {"$ref": f"#/$defs/{name}"}}})
    return {"if": definitions.parts["layer.Block"].is_meant, "then": inner}


def _complete(definitions: Definitions) -> dict[str, Any]:
    """Return the schema of layers that have all required parameters."""
    needed = [
        definitions.needs(name)
        for name, part in definitions.parts.items()
        if part.required and name.startswith("layer.")
    ]
    return {"items": {"allOf": [*needed, _within_blocks(definitions, "layers.complete")]}}


def _complete_without_defaults(definitions: Definitions) -> dict[str, Any]:
    """Return the schema of a config whose layers are complete, unless `layer_defaults` has required parameters."""
    required = {key for name, part in definitions.parts.items() if name.startswith("layer.") for key in part.required}
    given = {"type": "object", "anyOf": [{"required": [key]} for key in sorted(required)]}
    return {
        "if": {"properties": {"layer_defaults": given}, "required": ["layer_defaults"]},
        "else": {"properties": {"layers": {"$ref": "#/$defs/layers.complete"}}},
    }


def _known(definitions: Definitions) -> dict[str, Any]:
    """Return the schema of layers of which none is of a user's own, nor in a file."""
    own = spec_of(OWN, ["layer"])
    return {"type": "array", "items": {"allOf": [{"not": own}, _within_blocks(definitions, "layers.known")]}}


def _defaults_of_known(defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a config whose `layer_defaults` are parameters of layers, if these are known."""
    return {
        "if": {"properties": {"layers": {"$ref": "#/$defs/layers.known"}}},
        "then": {"properties": {"layer_defaults": {"propertyNames": {"enum": sorted(defaults)}}}},
    }
