"""Corrections of values that are nearly right: numbers in quotes, missing brackets, other forms of a spec."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from arignote.hints.advice import Advice, Replacement

__all__ = ["correction_of", "key_with_value", "spec_in_form"]

# Keys under which other libraries write the name of a layer or an optimiser.
_NAMES = ("type", "name", "class", "class_name", "kind", "id")


def correction_of(expected: str, got: Any) -> str:
    """Return a sentence about how to write a value of the wrong type; "" if its form is unknown."""
    if isinstance(got, float) and got.is_integer() and expected.startswith("an integer"):
        return f". Write {int(got)}"
    if isinstance(got, list) and expected.startswith("a mapping") and got and all(isinstance(x, dict) for x in got):
        return ". Leave out the dashes"
    if not isinstance(got, str):
        return ""
    numeric = any(word in expected for word in ("integer", "number"))
    if numeric and re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", got):
        return f". Write {got} without quotes"
    if numeric and (percent := re.fullmatch(r"(\d+)\s*%", got)):
        return f". Write {int(percent[1]) / 100:g}"
    if got in ("None", "none", "nil"):
        return ". Write null"
    if expected.startswith("true or false") and got.lower() in ("yes", "no", "on", "off", "true", "false"):
        return f". Write {'true' if got.lower() in ('yes', 'on', 'true') else 'false'}"
    return ""


def key_with_value(word: str, known: Any) -> Advice | None:
    """Return advice about a key that contains its value, such as "n_units:64" or "n_units=64"; None for other keys."""
    pair = re.fullmatch(r"\s*(\w+)\s*[:=]\s*(.*)", word, re.S)
    return Advice("Put a colon and a space between a key and its value", ()) if pair and pair[1] in known else None


def spec_in_form(spec: Any, is_known: Callable[[Any], bool], required: Callable[[str], list[str]]) -> Advice | None:
    """Return advice about a spec in the form of another library; None if its form is unknown.

    Parameters
    ----------
    spec : object
        A spec that is not [Name, {parameters}].
    is_known : callable
        Returns whether a word is the name of a part.
    required : callable
        Returns the required parameters of a part of this name.
    """
    if isinstance(spec, list | tuple) and len(spec) > 1 and is_known(spec[0]):
        name, *rest = spec
        if all(isinstance(item, Mapping) for item in rest):
            return _write(name, {key: value for item in rest for key, value in item.items()})
        return _write(name, {required(name)[0]: rest[0]}) if len(required(name)) == len(rest) == 1 else None
    if not isinstance(spec, Mapping) or not spec:
        return None
    first, value = next(iter(spec.items()))
    others = {key: item for key, item in spec.items() if key != first}
    if is_known(first) and (value is None or (isinstance(value, Mapping) and not others)):
        return _write(str(first), dict(value or others))
    name_key = next((key for key in _NAMES if is_known(spec.get(key))), None)
    if name_key is not None:
        return _write(str(spec[name_key]), {key: item for key, item in spec.items() if key != name_key})
    if len(spec) == 1 and re.match(r"\w+\s*,?\s*\{", str(first)):
        name, _, params = str(first).partition("{")
        written = f"[{name.strip(' ,')}, {{{params}: {value}]"
        return Advice(f"Put brackets around it: {written.replace('{', '{{').replace('}', '}}')}")
    return None


def _write(name: str, params: dict[Any, Any]) -> Advice:
    """Return the advice to write a spec."""
    return Advice("Write {}", (Replacement("", [name, params] if params else [name]),))
