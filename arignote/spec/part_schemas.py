"""JSON Schemas of parts, from their types, their bounds and their docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from arignote.registry import Part, names, short_spec, with_params
from arignote.registry.part_type import parameter_entries, summary_of
from arignote.spec.parameter_docs import type_and_default

__all__ = ["OWN", "DefinedPart", "Definitions", "fields_schema", "spec_of"]

# A part of a user's own, "module:Name", of which nothing is known; not a path of data, "file.h5:/x".
OWN = r"^[^-\s\d./\\${}:][^-\s/\\${}:]*:[^/\s]+$"


class _FieldSchemas(GenerateJsonSchema):
    """JSON Schemas of the fields of a model, whose docstrings are descriptions."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        """Return the schema of anything for a type that JSON lacks, which a part of a user's own may have."""
        return {}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: Any) -> dict[str, Any]:
        cls: type[BaseModel] = schema["cls"]
        own_schema = super().model_schema(schema) | {"description": summary_of(cls)}
        del own_schema["title"]
        entries = parameter_entries(cls)
        for name, field in cls.model_fields.items():
            one = own_schema["properties"][name]
            if "default" in one and field.default is None:
                # An editor would propose it.
                del one["default"]
            if isinstance(field.default, Part):
                one["default"] = short_spec(field.default)
            if name in entries:
                one["description"] = "\n\n".join(entries[name])
            elif field.description:
                one["description"] = f"{type_and_default(field)}\n\n{field.description}"
        return own_schema


def fields_schema(cls: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a model: each field with its type, bounds, default and description."""
    return cls.model_json_schema(schema_generator=_FieldSchemas)


@dataclass(frozen=True)
class DefinedPart:
    """A part that has a definition.

    Attributes
    ----------
    cls : type
    required : list of str
        Its required parameters.
    is_meant : dict
        Schema of the specs that name it.
    """

    cls: type[Part]
    required: list[str]
    is_meant: dict[str, Any]


class Definitions:
    """The definitions of the kinds of parts that a schema refers to.

    Attributes
    ----------
    schemas : dict
        By name: "layer" is a spec, "layer.name" its name, "layer.FCLayer" the parameters of a part.
    parts : dict of str to DefinedPart
        Each part by the name of its definition.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}
        self.parts: dict[str, DefinedPart] = {}

    def resolved(self, schema: Any) -> Any:
        """Return a schema with references in the place of what `spec_schema` and `params_schema` return."""
        if isinstance(schema, list):
            return [self.resolved(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        # A default is a value, though it may look like a schema.
        resolved = {key: item if key == "default" else self.resolved(item) for key, item in schema.items()}
        if "$spec" in resolved:
            kind, key = resolved.pop("$spec"), resolved.pop("key")
            self._define(kind, key)
            return {"$ref": f"#/$defs/{kind}", **resolved}
        if "$params" in resolved:
            kind = resolved.pop("$params")
            self._define(kind, None)
            return {
                "$ref": f"#/$defs/{kind}.{kind}",
                "type": "object",
                "required": self.parts[f"{kind}.{kind}"].required,
            }
        return resolved

    def _define(self, kind: str, key: str | None) -> None:
        """Define the specs of a kind; `key` is as of `PartField`."""
        if kind in self.schemas:
            return
        # Parts may refer to others of their kind.
        self.schemas[kind] = {}
        keys = list(dict.fromkeys(filter(None, (kind, kind.rpartition("_")[2], key))))
        classes = _classes(kind)
        for cls, words in classes.items():
            self._define_part(f"{kind}.{words[0]}", cls, _pattern(words, cls.kind), keys)
        self.schemas[f"{kind}.name"] = _name(kind, classes)
        own = [name for name in self.parts if name.startswith(f"{kind}.")]
        params = [{"if": self.parts[name].is_meant, "then": with_params({"$ref": f"#/$defs/{name}"})} for name in own]
        # Those of layers may be in `layer_defaults`.
        needed = [self.needs(name) for name in own if kind != "layer" and self._has_needs(name)]
        self.schemas[kind] = {"anyOf": _forms(kind, keys), "allOf": params + needed}

    def _define_part(self, name: str, cls: type[Part], pattern: str, keys: Iterable[str]) -> None:
        """Define the parameters of a part."""
        params = self.resolved(fields_schema(cls))
        del params["type"]
        self.parts[name] = DefinedPart(cls, params.pop("required", []), spec_of(pattern, keys))
        # {layer: FCLayer, n_units: 9}
        self.schemas[name] = params | {"patternProperties": {f"^({'|'.join(keys)})$": True}}

    def _has_needs(self, name: str) -> bool:
        """Return whether a part has required parameters, or some of which one is, by `one_of_required`."""
        return bool(self.parts[name].required) or "anyOf" in self.schemas[name]

    def needs(self, name: str) -> dict[str, Any]:
        """Return the schema of specs, of which those of a part have the required parameters."""
        required = self.parts[name].required
        params = {"type": "object", "required": required}
        has_all = {"type": ["array", "object"], "required": required, "minItems": 2, "prefixItems": [True, params]}
        return {"if": self.parts[name].is_meant, "then": has_all}


def _classes(kind: str) -> dict[type[Part], list[str]]:
    """Return the parts of a kind with their names; a block is in a list of layers."""
    by_class: dict[type[Part], list[str]] = {}
    for one in ("layer", "block") if kind == "layer" else (kind,):
        for word, cls in names(one).items():
            by_class.setdefault(cls, []).append(word)
    return by_class


def _pattern(words: Iterable[str], kind: str) -> str:
    """Return the pattern of the names of a part: in any case, with or without the kind at the end."""
    forms = []
    for word in words:
        stem = word[: -len(kind)] if word.lower().endswith(kind) else ""
        forms.append(f"{_in_any_case(stem)}({_in_any_case(kind)})?" if stem else _in_any_case(word))
    # JSON Schema has no flag for any case: each letter is a class of its own ("[fF][cC]").
    return f"^({'|'.join(forms)})$"


def _in_any_case(word: str) -> str:
    return "".join(f"[{one.lower()}{one.upper()}]" if one.isalpha() else re.escape(one) for one in word)


def spec_of(pattern: str, keys: Iterable[str]) -> dict[str, Any]:
    """Return the schema of a spec, in any form, whose name has a pattern; `keys` of a mapping hold the name."""
    name = {"type": "string", "pattern": pattern}
    by_key = [{"type": "object", "properties": {key: name}, "required": [key]} for key in keys]
    return {"anyOf": [name, {"type": "array", "prefixItems": [name], "minItems": 1}, *by_key]}


def _name(kind: str, classes: Mapping[type[Part], Sequence[str]]) -> dict[str, Any]:
    """Return the schema of the name of a part: those that an editor proposes, and all that are accepted."""
    known = sorted((words[0], summary_of(cls)) for cls, words in classes.items())
    patterns = [*(_pattern(words, cls.kind) for cls, words in classes.items()), OWN]
    any_known = {"type": "string", "pattern": "|".join(patterns), "patternErrorMessage": f"there is no such {kind}"}
    return {"anyOf": [*({"const": word, "description": text} for word, text in known), any_known]}


def _forms(kind: str, keys: Iterable[str]) -> list[dict[str, Any]]:
    """Return the schemas of the forms of a spec."""
    name = {"$ref": f"#/$defs/{kind}.name"}
    pair = {
        "type": "array",
        "prefixItems": [name, {"type": ["object", "null"]}],
        # There are no others; yaml-language-server proposes these for the items of a list.
        "items": name,
        "minItems": 1,
        "maxItems": 2,
    }
    return [name, pair, *({"type": "object", "properties": {key: name}, "required": [key]} for key in keys)]
