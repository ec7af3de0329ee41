"""How values of fields are declared: as layers, as parts, by keys, or as anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic.fields import FieldInfo

from arignote.registry import Part, PartField, PartsField

__all__ = ["Form", "LayersForm", "default_of", "form_of"]


@dataclass(frozen=True)
class LayersForm:
    """A list of layers, with the parameters of every layer that has them and does not set them."""

    defaults: Mapping[str, Any] = field(default_factory=dict)


Form = LayersForm | PartField | Mapping[str, Any] | None


def form_of(info: FieldInfo) -> Form:
    """Return how the value of a field is declared."""
    for one in info.metadata:
        if isinstance(one, PartField):
            return one
    # Fields that hold parts or functions: one of them, or a tuple.
    if isinstance(info.annotation, type) and issubclass(info.annotation, Part):
        return PartField(info.annotation.kind)
    items = (one for item in get_args(info.annotation) for one in (item, *get_args(item)))
    return next((PartsField(one.kind) for one in items if isinstance(one, type) and issubclass(one, Part)), None)


def default_of(info: FieldInfo) -> Any:
    """Return the default of a field itself, of which pydantic returns copies; None if it is required."""
    if info.default_factory is not None:
        return info.get_default(call_default_factory=True, validated_data={})
    return None if info.is_required() else info.default
