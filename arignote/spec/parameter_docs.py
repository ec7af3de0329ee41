"""numpydoc entries of settings: with types, allowed values and defaults from their annotations."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import WithJsonSchema
from pydantic.fields import FieldInfo

from arignote.registry import ByNameField, PartField, PartsField
from arignote.spec.observers import Observer
from arignote.spec.settings import FitSettings

__all__ = ["fit_parameters", "type_and_default", "type_text"]

# Name of a JSON type in Python.
_JSON_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "object": "dict"}
_SPEC = "[Name, {params}]"


def fit_parameters() -> str:
    """Return the numpydoc entries of all settings of `fit`.

    Examples
    --------
    >>> print(*[line for line in fit_parameters().splitlines() if line.startswith(("axes", "batch_size"))], sep="\\n")
    axes : dict or {"NCHW", "NHWC", "NHW"}, optional
    batch_size : int >= 1 or {-1}, default 128
    """
    entries = []
    for name, field in FitSettings.model_fields.items():
        description = textwrap.fill(
            field.description or "", 100, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
        )
        entries.append(f"{name} : {type_and_default(field)}\n{description}")
    return "\n".join(entries)


def type_and_default(field: FieldInfo) -> str:
    """Return the type of a setting and its default, as numpydoc has them."""
    return f"{type_text(field)}, {_default(field.default)}"


def type_text(field: FieldInfo) -> str:
    """Return the type of a setting and its allowed values, as numpydoc has them; None is left out."""
    return _listed(_forms(field.annotation, field.metadata))


def _default(default: Any) -> str:
    if default is None:
        return "optional"
    return f"default {json.dumps(default) if isinstance(default, str | tuple) else default}"


def _listed(forms: Iterable[str]) -> str:
    """Return alternatives as "a", "a or b", "a, b or c"."""
    *first, last = dict.fromkeys(forms)
    return f"{', '.join(first)} or {last}" if first else last


def _forms(annotation: Any, metadata: Iterable[Any] = ()) -> list[str]:
    """Return the alternatives of an annotation, such as "bool" and "int >= 1"."""
    metadata = [item for one in metadata for item in (one.metadata if isinstance(one, FieldInfo) else [one])]
    for one in metadata:
        if isinstance(one, PartField):
            return [*_forms_of_functions(annotation), *_forms_of_part(one)]
        if isinstance(one, WithJsonSchema):
            return _forms_of_functions(annotation) + _forms_of_schema(one.json_schema or {})
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _forms(arguments[0], [*arguments[1:], *metadata])
    if origin in (Union, UnionType):
        forms = [form for one in arguments if one is not NoneType for form in _forms(one, metadata)]
        return [*(form for form in forms if form[0] != "{"), *(form for form in forms if form[0] == "{")]
    if origin is Literal:
        return [_allowed(arguments)]
    return [getattr(origin or annotation, "__name__", str(annotation)) + _bounds(metadata)]


def _forms_of_part(field: PartField) -> list[str]:
    if isinstance(field, ByNameField):
        return [*_forms_of_part(field.one), "dict of these"]
    if field.kind == "windows":
        return ["dict"]
    forms = ["str", _SPEC]
    if isinstance(field, PartsField):
        forms.append("list of these")
    # A rule may be written as a number, which stays the same all the time.
    return ["float", *forms] if field.kind == "rule" else forms


def _forms_of_functions(annotation: Any) -> list[str]:
    """Return the form of a function, which a JSON Schema lacks, if the items of a setting may be functions."""
    items = [one for item in get_args(annotation) for one in (item, *get_args(item))]
    takes_functions = any(get_origin(one) is Callable or one is Observer for one in items)
    return ["callable or list of callable"] if takes_functions else []


def _forms_of_schema(schema: Mapping[str, Any]) -> list[str]:
    """Return the alternatives of a JSON Schema."""
    if "$spec" in schema:
        return ["str", _SPEC]
    if "anyOf" in schema:
        return [form for one in schema["anyOf"] for form in _forms_of_schema(one)]
    if "enum" in schema:
        return [_allowed(schema["enum"])]
    kind = schema.get("type")
    if kind == "array":
        if "prefixItems" in schema:
            return [_SPEC]
        items = schema["items"]
        return ["list of these" if "anyOf" in items else f"list of {_listed(_forms_of_schema(items))}"]
    if kind == "null" or (kind == "object" and "required" in schema):
        # Of the forms of a part one is enough.
        return []
    return [_JSON_TYPES[str(kind)] + (f" >= {schema['minimum']}" if "minimum" in schema else "")]


def _allowed(values: Iterable[Any]) -> str:
    return "{" + ", ".join(json.dumps(value) for value in values) + "}"


def _bounds(metadata: Iterable[Any]) -> str:
    """Return the bounds of a number: " >= 1", " > 0" or " in [1, 1024]"."""
    lower = next((f"{one.ge}" for one in metadata if isinstance(one, Ge)), None)
    upper = next((f"{one.le}" for one in metadata if isinstance(one, Le)), None)
    if lower and upper:
        return f" in [{lower}, {upper}]"
    return f" >= {lower}" if lower else "".join(f" > {one.gt}" for one in metadata if isinstance(one, Gt))
