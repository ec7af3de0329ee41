"""Types of fields that hold parts or functions: built from specs, dumped as specs, with their JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from arignote.errors import Complaint, ConfigError
from arignote.registry.part import Part, build, dump, names, part_name, short_spec

__all__ = [
    "ByNameField",
    "MappingField",
    "PartField",
    "PartsField",
    "function_name",
    "several",
    "spec_schema",
    "specs_schema",
]


class PartField:
    """Annotation of a field that holds a part, or None; it is built from its spec and dumped as its spec.

    Parameters
    ----------
    kind : str
        Kind of the part.
    shorthand : callable, optional
        Function from other values, such as a number, to a spec.
    check : callable, optional
        Function that returns the part, or raises ValueError or ConfigError if it is not suitable.
    shorthand_schema : dict, optional
        JSON Schema of the other values.
    is_short : bool
        Whether the spec that is dumped is the name alone if all parameters have their defaults.
    """

    def __init__(
        self,
        kind: str,
        shorthand: Callable[[Any], Any] = lambda value: value,
        check: Callable[[Any], Any] = lambda part: part,
        shorthand_schema: dict[str, Any] | None = None,
        is_short: bool = False,
    ):
        self.kind, self._shorthand, self._check = kind, shorthand, check
        self._dump = short_spec if is_short else dump
        self._shorthand_schema = [] if shorthand_schema is None else [shorthand_schema]

    def spec_of(self, value: Any) -> Any:
        """Return the spec that a value stands for, such as a number; a part, or a spec, as it is."""
        return self._shorthand(value)

    def _built(self, value: Any) -> Any:
        return self._check(build(self.kind, self.spec_of(value)))

    def _written(self, part: Any) -> Any:
        return self._dump(part) if isinstance(part, Part) else part

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def validate(value: Any) -> Any:
            return None if value is None and is_optional else self._built(value)

        is_optional = type(None) in get_args(source)
        written = core_schema.plain_serializer_function_ser_schema(self._written)
        metadata = {"is_optional": is_optional}
        return core_schema.no_info_plain_validator_function(validate, serialization=written, metadata=metadata)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        none = [{"type": "null"}] if schema["metadata"]["is_optional"] else []
        return {"anyOf": [*self._forms(), *none]}

    def _forms(self) -> list[dict[str, Any]]:
        return [*self._shorthand_schema, *spec_schema(self.kind)]


class PartsField(PartField):
    """Annotation of a field that holds a list of parts, or None; one spec is a list of one."""

    def _built(self, value: Any) -> Any:
        return tuple(super(PartsField, self)._built(item) for item in several(value))

    def _written(self, parts: Any) -> Any:
        return parts and [super(PartsField, self)._written(part) for part in parts]

    def _forms(self) -> list[dict[str, Any]]:
        return _or_list(super()._forms())


class ByNameField(PartField):
    """Annotation of a field that holds what another one does, or such values by name.

    Parameters
    ----------
    one : PartField
        The annotation of a single value.
    """

    def __init__(self, one: PartField):
        self.kind, self.one = one.kind, one

    def _built(self, value: Any) -> Any:
        # A mapping that names a part is one spec.
        if isinstance(value, Mapping) and self.kind not in value:
            return {str(name): self.one._built(item) for name, item in value.items()}
        return self.one._built(value)

    def _written(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.one._written(item) for name, item in value.items()}
        return self.one._written(value)

    def _forms(self) -> list[dict[str, Any]]:
        one = self.one._forms()
        return [*one, {"type": "object", "additionalProperties": {"anyOf": one}}]


class MappingField(ByNameField):
    """Annotation of a field that holds parts by name, or None.

    Parameters
    ----------
    one : PartField
        The annotation of a single value.
    shorthand : callable, optional
        Function from a mapping to the mapping that is meant.
    """

    def __init__(self, one: PartField, shorthand: Callable[[Any], Any] = lambda value: value):
        super().__init__(one)
        self._shorthand = shorthand

    def _built(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"must be a mapping from names to a {self.kind} each; got {value!r}")
        built: dict[str, Any] = {}
        complaints: list[Complaint] = []
        for name, item in self._shorthand(value).items():
            try:
                built[str(name)] = self.one._built(item)
            except ConfigError as error:
                complaints += error.under(str(name)).complaints
        if complaints:
            raise ConfigError(complaints)
        return built

    def _forms(self) -> list[dict[str, Any]]:
        return [{"type": "object", "additionalProperties": {"anyOf": self.one._forms()}}]


def function_name(function: Callable[..., Any]) -> str:
    """Return "module:name" of a function, which a checkpoint stores."""
    return f"{function.__module__}:{getattr(function, '__qualname__', type(function).__qualname__)}"


def several(value: Any) -> tuple[Any, ...]:
    """Return one spec, or function, as a tuple of one; a list of them as a tuple."""
    is_pair = isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], str)
    if isinstance(value, str | Mapping) or callable(value) or (is_pair and isinstance(value[1], dict)):
        return (value,)
    if value is not None and not isinstance(value, list | tuple):
        raise ValueError(f"must be [Name, {{parameters}}], or a list of them; got {value!r}")
    return tuple(value or ())


def spec_schema(kind: str) -> list[dict[str, Any]]:
    """Return the JSON Schemas of the three forms of a spec of this kind; names may be written in any case."""
    short = kind.rpartition("_")[2]
    name = {"type": "string", "examples": sorted({part_name(cls) for cls in names(kind).values()})}
    pair = {"type": "array", "prefixItems": [name, {"type": "object"}], "minItems": 1, "maxItems": 2}
    # The key of a stop rule may be that of a rule, or its own.
    keys = dict.fromkeys((kind, short))
    return [name, pair, *({"type": "object", "properties": {key: name}, "required": [key]} for key in keys)]


def specs_schema(kind: str) -> list[dict[str, Any]]:
    """Return the JSON Schemas of a spec of this kind, and of a list of specs."""
    return _or_list(spec_schema(kind))


def _or_list(forms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*forms, {"type": "array", "items": {"anyOf": forms}}]
