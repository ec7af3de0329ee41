"""Validation errors of pydantic as complaints in the words of a config."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from arignote.errors import Complaint, ConfigError, did_you_mean, nearest
from arignote.hints.advice import Advice
from arignote.hints.corrections import correction_of, key_with_value
from arignote.registry.plain_values import plain

__all__ = ["complaints_of"]

_WORDS = {
    "int_type": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_pattern_mismatch": "a name without dots, slashes or a leading space",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
}
_BOUNDS = {
    "greater_than_equal": (">=", "ge"),
    "greater_than": (">", "gt"),
    "less_than_equal": ("<=", "le"),
    "less_than": ("<", "lt"),
}


def complaints_of(error: ValidationError, cls: type[BaseModel]) -> list[Complaint]:
    """Return the errors of pydantic as complaints.

    Parameters
    ----------
    error : ValidationError
        Raised by a model.
    cls : type of BaseModel
        The model; its fields are the known parameters.

    Returns
    -------
    list of Complaint
        One for each invalid parameter: its name, what it must be, its value, what to write instead.
    """
    details = error.errors()
    places: dict[tuple[str | int, ...], list[Any]] = {}
    unknown = [str(detail["loc"][-1]) for detail in details if detail["type"] == "extra_forbidden"]
    # A misspelt parameter is one error: the right one is not reported as missing too.
    meant = {key for word in unknown for key in _meant(word, cls)}
    for detail in details:
        if detail["type"] == "missing" and detail["loc"][-1] in meant:
            continue
        path: tuple[str | int, ...] = tuple(detail["loc"])
        name = _name(path, cls)
        # By parameter, as pydantic reports an error for each branch of a union.
        places.setdefault(path[: path.index(name) + 1] if name in path else path, []).append(detail)
    complaints: list[Complaint] = []
    for path, errors in places.items():
        # Of a union pydantic reports each branch; those that got furthest have the useful message.
        errors = [detail for detail in errors if _reach(detail) == max(map(_reach, errors))]
        complaints += _complaints(path, _name(path, cls), errors, cls)
    return complaints


def _advice(word: str, cls: type[BaseModel]) -> Advice | None:
    """Return advice about a parameter that the class lacks, if it is a word of other libraries."""
    # The table of synonyms is loaded only when a message is built.
    from arignote.hints.synonyms import advice_on

    return advice_on(getattr(cls, "kind", ""), word, cls.model_fields)


def _meant(word: str, cls: type[BaseModel]) -> list[str | None]:
    """Return the parameters of a class that an unknown word may mean."""
    advice = _advice(word, cls)
    return [target.key for target in advice.replacements] if advice else [nearest(word, cls.model_fields)]


def _name(path: tuple[str | int, ...], cls: type[BaseModel]) -> str:
    """Return the parameter to which a path belongs."""
    fields = [p for p in path if isinstance(p, str) and p in cls.model_fields]
    return fields[0] if fields else str(path[-1]) if path else ""


def _reach(error: Any) -> tuple[int, bool]:
    """Return how far validation got: the depth of the error, and whether the type is right."""
    # A bound is checked last: whoever violates it has passed the check of the type.
    return len(error["loc"]), error["type"] in _BOUNDS


def _complaints(path: tuple[str | int, ...], name: str, errors: list[Any], cls: type[BaseModel]) -> list[Complaint]:
    error = errors[-1]
    kind, got, cause = error["type"], plain(error.get("input")), error.get("ctx", {}).get("error")
    # Of a part within, whose complaints have paths of their own.
    if isinstance(cause, ConfigError):
        return list(cause.under(*path).complaints)
    if cause is not None:
        message = f"{name} {cause}" if str(cause).startswith("must") else f"{name}: {cause}" if name else str(cause)
        return [Complaint(path, message)]
    if kind == "extra_forbidden":
        advice = _advice(name, cls) or key_with_value(name, cls.model_fields)
        hint = "" if advice else f". {did_you_mean(name, cls.model_fields)}"
        return [Complaint(path, f"unknown parameter {name!r}{hint}", advice=advice and advice.about(got))]
    if kind == "missing" and error["loc"] == path:
        return [Complaint(path[:-1], f"{name} must be given")]
    expected = " or ".join(dict.fromkeys(_expected(error, name, cls) for error in errors))
    return [Complaint(path, f"{name} must be {expected}; got {got!r}{correction_of(expected, got)}")]


def _expected(error: Any, name: str, cls: type[BaseModel]) -> str:
    """Return what a value must be, according to one error."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        sign, key = _BOUNDS[kind]
        return f"{'an integer' if isinstance(context[key], int) else 'a number'} {sign} {context[key]}"
    # A tuple with too few or too many items.
    if kind in ("missing", "too_long"):
        return f"a list of {context['max_length'] if kind == 'too_long' else error['loc'][-1] + 1}"
    if kind == "too_short":
        return f"a list of at least {context['min_length']}"
    if kind == "model_type":
        field = cls.model_fields[name].annotation
        section = next(c for c in (field, *get_args(field)) if getattr(c, "__name__", "") == context["class_name"])
        return f"a mapping ({', '.join(section.model_fields)})"
    return _WORDS.get(kind) or str(context.get("expected", error["msg"]))
