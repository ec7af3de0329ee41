"""Types of fields that hold parts or functions: built from specs, dumped as specs, with their JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from arignote.errors import Complaint, ConfigError
from arignote.registry.part import Part, build, dump, short_spec
from arignote.registry.schemas import params_schema, spec_schema, specs_schema, with_params

__all__ = ["ByNameField", "MappingField", "PartField", "PartsField", "function_name", "several"]


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
    key : str, optional
        A key of a mapping that holds the name too, beside the kind.
    is_alone : bool
        Whether a mapping without a name is the parameters of the only part of the kind, which has the name of the kind.
    params_schema : dict, optional
        JSON Schema that the parameters match too; `check` is stricter.
    """

    def __init__(
        self,
        kind: str,
        shorthand: Callable[[Any], Any] = lambda value: value,
        check: Callable[[Any], Any] = lambda part: part,
        shorthand_schema: dict[str, Any] | None = None,
        is_short: bool = False,
        key: str | None = None,
        is_alone: bool = False,
        params_schema: dict[str, Any] | None = None,
    ):
        self.kind, self._shorthand, self._check = kind, shorthand, check
        self._dump = short_spec if is_short else dump
        self._shorthand_schema = [] if shorthand_schema is None else [shorthand_schema]
        self._key, self._is_alone = key, is_alone
        self._params_schema = {} if params_schema is None else with_params(params_schema)

    def spec_of(self, value: Any) -> Any:
        """Return the spec that a value stands for, such as a number; a part, or a spec, as it is."""
        if isinstance(value, Mapping) and self.kind not in value:
            if self._is_alone:
                return [self.kind, value]
            if self._key is not None and self._key in value:
                return {(self.kind if key == self._key else key): item for key, item in value.items()}
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
        return {"anyOf": [*self._forms(), *none], **self._params_schema}

    def _forms(self) -> list[dict[str, Any]]:
        alone = [params_schema(self.kind)] if self._is_alone else []
        return [*self._shorthand_schema, *alone, spec_schema(self.kind, self._key)]


class PartsField(PartField):
    """Annotation of a field that holds a list of parts, or None; one spec is a list of one."""

    def _built(self, value: Any) -> Any:
        return tuple(super(PartsField, self)._built(item) for item in several(value))

    def _written(self, parts: Any) -> Any:
        return parts and [super(PartsField, self)._written(part) for part in parts]

    def _forms(self) -> list[dict[str, Any]]:
        return specs_schema(super()._forms())


class ByNameField(PartField):
    """Annotation of a field that holds what another one does, or such values by name.

    Parameters
    ----------
    one : PartField
        The annotation of a single value.
    """

    def __init__(self, one: PartField):
        self.kind, self.one, self._params_schema = one.kind, one, {}

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
        return [*one, {"type": "object", "additionalProperties": {"anyOf": one}, "not": {"required": [self.kind]}}]


class MappingField(ByNameField):
    """Annotation of a field that holds parts by name, or None; "fc1.l2" may be written ``{fc1: {l2: ...}}``."""

    # Names such as "train_loss.digit.weight" have the most words.
    _MOST_WORDS = 3

    def _built(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"must be a mapping from names to a {self.kind} each; got {value!r}")
        built: dict[str, Any] = {}
        complaints: list[Complaint] = []
        for name, item in self._by_name(value).items():
            try:
                built[str(name)] = self.one._built(item)
            except ConfigError as error:
                complaints += error.under(str(name)).complaints
        if complaints:
            raise ConfigError(complaints)
        return built

    def _by_name(self, value: Mapping[Any, Any]) -> dict[str, Any]:
        """Return parts by whole names."""
        flat: dict[str, Any] = {}
        for name, one in value.items():
            if "." not in str(name) and isinstance(one, Mapping) and self.kind not in one:
                flat |= {f"{name}.{word}": item for word, item in self._by_name(one).items()}
            else:
                flat[str(name)] = one
        return flat

    def _forms(self) -> list[dict[str, Any]]:
        form: dict[str, Any] = {"type": "object", "additionalProperties": {"anyOf": self.one._forms()}}
        # A mapping within a mapping for each further word of a name.
        for _ in range(self._MOST_WORDS - 1):
            inner = form | {"not": {"required": [self.kind]}}
            form = {"type": "object", "additionalProperties": {"anyOf": [*self.one._forms(), inner]}}
        return [form]


def function_name(function: Callable[..., Any]) -> str:
    """Return "module:name" of a function, which a checkpoint stores."""
    # An object that is called has no name of its own: that of its class.
    return f"{function.__module__}:{getattr(function, '__qualname__', type(function).__qualname__)}"


def several(value: Any) -> tuple[Any, ...]:
    """Return one spec, or function, as a tuple of one; a list of them as a tuple."""
    # ["CSVLog", {"path": ...}] is one spec, ["nll", "error"] are two.
    is_pair = isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], str)
    if isinstance(value, str | Mapping) or callable(value) or (is_pair and isinstance(value[1], dict)):
        return (value,)
    if value is not None and not isinstance(value, list | tuple):
        raise ValueError(f"must be [Name, {{parameters}}], or a list of them; got {value!r}")
    return tuple(value or ())
