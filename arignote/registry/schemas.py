"""JSON Schemas of fields that hold parts, and of what several parameters must have together."""

from __future__ import annotations

from typing import Any

__all__ = ["one_of_required", "params_schema", "spec_schema", "specs_schema", "with_params"]


def spec_schema(kind: str, key: str | None = None) -> dict[str, Any]:
    """Return what stands for the JSON Schema of a spec of this kind; `arignote.spec.part_schemas` writes it out.

    Parameters
    ----------
    kind : str
    key : str, optional
        See `PartField`.
    """
    return {"$spec": kind, "key": key}


def with_params(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of specs, as lists or mappings, whose parameters match a schema of mappings."""
    return {**schema, "prefixItems": [True, schema]}


def params_schema(kind: str) -> dict[str, Any]:
    """Return what stands for the JSON Schema of the parameters of the only part of a kind."""
    return {"$params": kind}


def one_of_required(*names: str) -> dict[str, Any]:
    """Return the JSON Schema of parameters of which one at least must be given."""
    return {"anyOf": [{"required": [name]} for name in names]}


def specs_schema(forms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the JSON Schemas of a part, of which these are the forms, and of a list of parts."""
    # [Name, {params}] is one part.
    is_pair = {"type": "array", "prefixItems": [{"type": "string"}, {"type": "object"}], "minItems": 2, "maxItems": 2}
    return [*forms, {"type": "array", "items": {"anyOf": forms}, "not": is_pair}]
