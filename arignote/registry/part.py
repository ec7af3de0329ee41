"""Parts: what a user declares as ``[Name, {params}]``, and how they are built.

A part is a frozen pydantic model: its keyword arguments are its schema. `register` registers a class under its name,
`build` builds a part from a spec and reports all errors at once, `dump` returns the spec of a part.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from arignote.errors import Complaint, ConfigError, did_you_mean
from arignote.hints.corrections import spec_in_form
from arignote.registry.complaints import complaints_of
from arignote.registry.part_type import ClassSignature, PartType, with_inherited_parameters
from arignote.registry.plain_values import plain

__all__ = [
    "Part",
    "build",
    "check_trusted",
    "completed",
    "dump",
    "find",
    "is_custom",
    "kinds",
    "names",
    "only_trusting",
    "part_name",
    "plain",
    "register",
    "short_spec",
    "split",
]


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
        cls.__doc__ = with_inherited_parameters(cls)

    @property
    def _runs_code_of_user(self) -> bool:
        """Whether a part of this package runs code that it names."""
        return False

    @classmethod
    def _config_error(cls, error: ValidationError) -> ConfigError:
        """Return the error of pydantic as one with a message for users."""
        return ConfigError(complaints_of(error, cls))


_PARTS: dict[str, dict[str, type[Part]]] = {}
P = TypeVar("P", bound=Part)


def register(*aliases: str, name: str = "") -> Callable[[type[P]], type[P]]:
    """Return a decorator that registers a class of parts under its name and `aliases` (case does not matter)."""

    def decorator(cls: type[P]) -> type[P]:
        table = _PARTS.setdefault(cls.kind, {})
        for word in (name or cls.__name__, *aliases):
            if table.setdefault(word, cls) is not cls:
                raise RuntimeError(f"{cls.kind} {word!r} is registered twice")
        return cls

    return decorator


def names(kind: str) -> dict[str, type[Part]]:
    """Return all registered names (aliases too) of a kind, with their classes."""
    return dict(_PARTS.get(kind, {}))


def kinds() -> list[str]:
    """Return the kinds of parts that are registered, in order."""
    return sorted(_PARTS)


def is_custom(part: Part) -> bool:
    """Return whether a part, or one within it, is code of the user."""
    if type(part).__module__.partition(".")[0] != __name__.partition(".")[0] or part._runs_code_of_user:
        return True
    return any(is_custom(value) if isinstance(value, Part) else callable(value) for _, value in part)


def part_name(part: Part | type[Part]) -> str:
    """Return the first name under which a part is registered; "module:Name" for parts of other packages."""
    cls = part if isinstance(part, type) else type(part)
    if cls.__module__.partition(".")[0] != __name__.partition(".")[0]:
        return f"{cls.__module__}:{cls.__qualname__}"
    return next((word for word, known in _PARTS.get(cls.kind, {}).items() if known is cls), cls.__name__)


def find(kind: str, word: Any) -> type[Part]:
    """Return the class registered under `word`; raise ConfigError, with the nearest name, if there is none."""
    table = _PARTS.get(kind, {})
    if isinstance(word, str) and ":" in word:
        return _from_outside(kind, word)
    if isinstance(word, str):
        folded = {known.lower(): cls for known, cls in table.items()}
        for form in (word.lower(), f"{word.lower()}{kind}") if word else ():
            if form in folded:
                return folded[form]
        # The table of synonyms is loaded only when a message is built.
        from arignote.hints.synonyms import advice_on

        advice = advice_on(f"{kind} name", word)
        # Aliases are accepted, but not listed.
        listed = sorted({part_name(cls) for cls in table.values()}, key=str.lower)
        hint = "" if advice else f". {did_you_mean(word, table, listed)}"
        raise ConfigError(Complaint((), f"unknown {kind} {word!r}{hint}", advice=advice))
    raise ConfigError(f"the name of {_a(kind)} must be a string; got {word!r}")


# While a checkpoint is read: its name, and the modules that may be imported for it.
_FILE: ContextVar[tuple[str, tuple[str, ...]] | None] = ContextVar("file", default=None)


@contextmanager
def only_trusting(run: str, modules: tuple[str, ...]) -> Iterator[None]:
    """Return a context in which only `modules` are imported for "module:Name", as specs come from the file of `run`."""
    token = _FILE.set((run, modules))
    try:
        yield
    finally:
        _FILE.reset(token)


def check_trusted(kind: str, word: str) -> None:
    """Raise ConfigError if "module:Name" comes from the file of a run and its module is not trusted."""
    module = word.partition(":")[0]
    run, trusted = _FILE.get() or ("", (module,))
    if module not in trusted:
        raise ConfigError(
            f"{kind} {word!r} is of the module {module!r}, which is not imported because a file names it. "
            f"If you trust it: NNClassifier.load({run!r}, trust=[{module!r}]), or --trust {module}"
        )


def _from_outside(kind: str, word: str) -> type[Part]:
    """Return the registered class "module:Name"; the module is imported if it was not."""
    module = word.partition(":")[0]
    is_name = all(part.isidentifier() for part in module.split("."))
    # Once before the import and once after it.
    for may_import in (True, False):
        for cls in _PARTS.get(kind, {}).values():
            if f"{cls.__module__}:{cls.__qualname__}" == word:
                return cls
        if not may_import or not is_name or "<" in word or module == "__main__":
            break
        check_trusted(kind, word)
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ConfigError(f"{kind} {word!r}: {error}. Is the folder of the module on PYTHONPATH?") from None
    raise ConfigError(f"{word!r} is not a registered {kind}: it must be a class with the decorator @register()")


def _a(kind: str) -> str:
    """Return a kind with its article."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def split(kind: str, spec: Any) -> tuple[str, dict[str, Any]]:
    """Take ``"Name"``, ``["Name"]``, ``["Name", {params}]`` or ``{kind: "name", params...}`` apart.

    The key of a stop rule may be "rule", as that of a rule.
    """
    if isinstance(spec, str):
        return spec, {}
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
        message = f"{_a(kind)} must be written [Name, {{parameters}}] or {{{short}: Name, parameters}}; got {spec!r}"
    raise ConfigError(
        Complaint((), message, advice=spec_in_form(spec, partial(_is_known, kind), partial(_required, kind)))
    )


def _is_known(kind: str, word: Any) -> bool:
    """Return whether a word is the name of a part; nothing is imported."""
    folded = {known.lower() for known in _PARTS.get(kind, {})}
    return isinstance(word, str) and bool({word.lower(), f"{word.lower()}{kind}"} & folded)


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
            return [word, find(kind, word).model_construct().model_dump(mode="json") | params]
        except ConfigError:
            return spec
