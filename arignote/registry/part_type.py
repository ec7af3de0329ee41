"""The metaclass of parts: `help`, `dir` and errors of calls are about the part, not about pydantic."""

from __future__ import annotations

import inspect
import re
from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any, dataclass_transform

from pydantic import BaseModel, Field, ValidationError

from arignote.errors import ConfigError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

__all__ = [
    "ClassSignature",
    "PartType",
    "docstring_sections",
    "parameter_entries",
    "summary_of",
]

_OF_PYDANTIC = frozenset(dir(BaseModel))
# The title of a section of a numpydoc docstring.
_SECTION = re.compile(r"^(\w+)\n-+\n", re.M)
# The start of the entry of a parameter, such as "l1, l2 : float".
_ENTRY = re.compile(r"^(?=\w[\w, ]* : )", re.M)


@dataclass_transform(kw_only_default=True, field_specifiers=(Field,))
class PartType(ModelMetaclass):
    """Metaclass of parts. Instances, their pickles, copies and comparison are those of any pydantic model."""

    def __setattr__(cls, name: str, value: Any) -> None:
        """Set an attribute, but not the signature that pydantic sets once it has built a validator."""
        if name != "__signature__" or isinstance(value, ClassSignature):
            super().__setattr__(name, value)

    # `pydoc` takes what is in the dict of a class as it is, unless the metaclass has a property.
    @property
    def __doc__(cls) -> str | None:  # type: ignore[override]
        return _with_inherited_parameters(cls)

    def __dir__(cls) -> list[str]:
        """Return the methods and properties that the part itself defines, which `help` shows."""
        return [name for name in super().__dir__() if name not in _OF_PYDANTIC and cls._defines(name)]

    def _defines(cls, name: str) -> bool:
        """Return whether a method or property is defined by the part, not by the base class of its kind."""
        owner = next((base for base in cls.__mro__ if name in base.__dict__), object)
        is_code = isinstance(owner.__dict__[name], property | classmethod | staticmethod | FunctionType)
        is_of_kind = "kind" in owner.__dict__ or (inspect.isabstract(owner) and not owner.__name__.startswith("_"))
        return is_code and (owner is cls or not is_of_kind)

    if not TYPE_CHECKING:  # Calls are checked against the parameters.

        def __call__(cls, *args: Any, **params: Any) -> Any:
            """Return a part; raise ConfigError with every error in its parameters, as `build` does."""
            if args:
                names = ", ".join(f"{name}=..." for name, field in cls.model_fields.items() if field.is_required())
                raise ConfigError(f"{cls.__name__} takes its parameters by name, {cls.__name__}({names}); got {args}")
            try:
                return super().__call__(**params)
            except ValidationError as error:
                # Without the error of pydantic, whose text names classes that a user never wrote.
                raise cls._config_error(error) from None


def _ordered(cls: type[BaseModel]) -> list[str]:
    """Return the parameters of a part: the required ones, then its own, then those of its bases."""
    names: dict[str, None] = {}
    for base in cls.__mro__:
        if issubclass(base, BaseModel):
            above = {name for b in base.__bases__ if issubclass(b, BaseModel) for name in b.model_fields}
            names |= dict.fromkeys(name for name in base.model_fields if name not in above)
    return sorted(names, key=lambda name: not cls.model_fields[name].is_required())


class ClassSignature:
    """Descriptor of `__signature__`, which instances must not have: those that can be called have another one."""

    def __get__(self, instance: BaseModel | None, cls: type[BaseModel]) -> inspect.Signature:
        if instance is None:
            return _signature(cls)
        raise AttributeError("__signature__")


def _signature(cls: type[BaseModel]) -> inspect.Signature:
    """Return the parameters of a part and their defaults; their types are in the docstring."""
    parameters = []
    for name in _ordered(cls):
        field = cls.model_fields[name]
        default = inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True)
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default))
    return inspect.Signature(parameters)


def docstring_sections(text: str) -> dict[str, str]:
    """Return the sections of a numpydoc docstring by title; the text before the first one has the title ''."""
    head, *rest = _SECTION.split(text)
    return {"": head.strip()} | {title: body.strip() for title, body in zip(rest[::2], rest[1::2], strict=True)}


def summary_of(cls: type) -> str:
    """Return the first paragraph of the docstring of a class as a line."""
    return " ".join(docstring_sections(inspect.cleandoc(cls.__doc__ or ""))[""].partition("\n\n")[0].split())


def parameter_entries(cls: type[BaseModel]) -> dict[str, tuple[str, str]]:
    """Return the type and the text of each parameter, or attribute, in the numpydoc docstring of a class."""
    sections = docstring_sections(inspect.cleandoc(cls.__doc__ or ""))
    entries: dict[str, tuple[str, str]] = {}
    for entry in filter(None, _ENTRY.split(sections.get("Parameters") or sections.get("Attributes") or "")):
        head, _, text = entry.partition("\n")
        words, _, kind = head.partition(" : ")
        entries |= dict.fromkeys(words.split(", "), (kind, " ".join(text.split())))
    return entries


@cache
def _with_inherited_parameters(cls: type[BaseModel]) -> str | None:
    """Return the docstring of a part, completed with the parameters of its base classes."""
    if not (own := cls.__dict__.get("__doc__")):
        return None
    sections = docstring_sections(inspect.cleandoc(own))
    for base in cls.__mro__[1:]:
        if not issubclass(base, BaseModel):
            continue
        of_base = docstring_sections(inspect.cleandoc(base.__doc__ or ""))
        for entry in filter(None, _ENTRY.split(of_base.get("Parameters", ""))):
            parameters = sections.get("Parameters", "")
            # A parameter that the part redeclares is documented there.
            if not re.search(rf"^{re.escape(entry.partition(' :')[0])} :", parameters, re.M):
                sections["Parameters"] = f"{parameters}\n{entry.rstrip()}".strip()
    order = ["", "Parameters", *(title for title in sections if title not in ("", "Parameters"))]
    titles = [f"{title}\n{'-' * len(title)}\n" if title else "" for title in order]
    return "\n\n".join(head + sections[title] for head, title in zip(titles, order, strict=True) if title in sections)
