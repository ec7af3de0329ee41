"""Parts: what a user declares as ``[Name, {params}]``, and how they are built.

A part is a frozen pydantic model: its keyword arguments are its schema. `build` builds a part from a spec and reports
all errors at once, `dump` returns the spec of a part.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from arignote.errors import Complaint, ConfigError
from arignote.hints.corrections import spec_in_form
from arignote.registry.complaints import complaints_of
from arignote.registry.part_type import ClassSignature, PartType
from arignote.registry.plain_values import plain
from arignote.registry.table import find, is_known, is_of_user, only_trusting, part_name, with_article

__all__ = ["Part", "build", "completed", "dump", "is_custom", "plain", "short_spec", "split"]


class Part(BaseModel, metaclass=PartType):
    """Base class of parts: frozen, typed, and without unknown parameters."""

    # A validator is built with the first part of a class: those of all take a fifth of the time of importing them.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True, defer_build=True)
    kind: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        return plain(values)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.__signature__ = ClassSignature()  # type: ignore[assignment]

    @property
    def _runs_code_of_user(self) -> bool:
        """Whether a part of this package runs code that it names."""
        return False

    @classmethod
    def _config_error(cls, error: ValidationError) -> ConfigError:
        """Return the error of pydantic as one with a message for users."""
        return ConfigError(complaints_of(error, cls))


def is_custom(part: Part) -> bool:
    """Return whether a part, or one within it, is code of the user."""
    if is_of_user(type(part)) or part._runs_code_of_user:
        return True
    # A function as a parameter is code of the user too.
    return any(is_custom(value) if isinstance(value, Part) else callable(value) for _, value in part)


def split(kind: str, spec: Any) -> tuple[str, dict[str, Any]]:
    """Take ``"Name"``, ``["Name"]``, ``["Name", {params}]`` or ``{kind: "name", params...}`` apart.

    The key of a stop rule may be "rule", as that of a rule.
    """
    if isinstance(spec, str):
        return spec, {}
    # {rule: stalled} for a "stop_rule".
    short = kind.rpartition("_")[2]
    key = kind if isinstance(spec, Mapping) and kind in spec else short
    if isinstance(spec, Mapping) and key in spec:
        return spec[key], {str(k): v for k, v in spec.items() if k != key}
    if isinstance(spec, list | tuple) and len(spec) in (1, 2):
        params = spec[1] if len(spec) == 2 else {}
        if params is None:
            params = {}
        if isinstance(params, Mapping):
            return spec[0], {str(k): v for k, v in params.items()}
        message = f"the parameters of {spec[0]!r} must be a mapping; got {params!r}"
    else:
        forms = f"[Name, {{parameters}}] or {{{short}: Name, parameters}}"
        message = f"{with_article(kind)} must be written {forms}; got {spec!r}"
    raise ConfigError(
        Complaint((), message, advice=spec_in_form(spec, partial(is_known, kind), partial(_required, kind)))
    )


def _required(kind: str, word: str) -> list[str]:
    """Return the required parameters of a part."""
    return [name for name, field in find(kind, word).model_fields.items() if field.is_required()]


def build(kind: str, spec: Any) -> Any:
    """Return the part of a spec; a part is returned unchanged.

    Raises
    ------
    ConfigError
        With all errors in the spec: unknown names and parameters (and the nearest known ones), wrong types and bounds,
        or methods that a class of the user lacks.
    """
    if isinstance(spec, Part) and spec.kind == kind:
        return spec
    word, params = split(kind, spec)
    cls = find(kind, word)
    if inspect.isabstract(cls):
        raise ConfigError(f"{kind} {word!r} must define {', '.join(sorted(cls.__abstractmethods__))}")
    return cls(**params)


def dump(part: Part) -> list[Any]:
    """Return the spec ``[Name, {params}]`` of a part as plain data, with all parameters."""
    return [part_name(part), part.model_dump(mode="json")]


def short_spec(part: Part) -> str | list[Any]:
    """Return the spec of a part as plain data: its name alone if all its parameters have their defaults."""
    params = part.model_dump(mode="json", exclude_defaults=True)
    return [part_name(part), params] if params else part_name(part)


def completed(kind: str, spec: list[Any]) -> list[Any]:
    """Return a spec of a file, completed with the defaults of parameters that it lacks.

    A file of an earlier version lacks parameters that were added later. A spec that cannot be built in this process,
    such as one that names a function, keeps its values; nothing is imported for it.
    """
    with only_trusting("", ()):
        try:
            return dump(build(kind, spec))
        except ConfigError:
            pass
        try:
            word, params = split(kind, spec)
            # Not validated: parameters of an earlier version may be out of today's bounds.
            return [word, find(kind, word).model_construct().model_dump(mode="json") | params]
        except ConfigError:
            return spec
