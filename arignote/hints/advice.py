"""Advice in an error: what to write instead, in the notation of Python, YAML, JSON or ``--set``."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["OWN", "Advice", "Notation", "Replacement"]

Notation = Literal["python", "yaml", "json", "set"]
# Placeholder for the value of the user.
OWN = "<own value>"
# The placeholder for a number of the user's choice.
_NUMBER = "N"


@dataclass(frozen=True)
class Replacement:
    """A key with a value, or a part, that should be written.

    Attributes
    ----------
    key : str
        Key in a section of a config, "fit.n_epochs"; without a dot a parameter of the part, or a key at the top of a
        config if `at_top`; "" for a whole part.
    value : object
        Plain data; `OWN` for the value of the user.
    at_top : bool
        Whether the key is at the top of a config; in Python it is an argument of the constructor.
    """

    key: str
    value: Any = OWN
    at_top: bool = False


@dataclass(frozen=True)
class Advice:
    """A sentence with one ``{}`` for each of its replacements."""

    text: str
    replacements: tuple[Replacement, ...] = ()

    def about(self, value: Any) -> Advice:
        """Return the advice with `value`, that of the user, instead of `OWN`; unchanged if it is long or nested."""
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, int | float | str) for item in items) or len(str(value)) > 40:
            return self
        replacements = (Replacement(t.key, value if t.value == OWN else t.value, t.at_top) for t in self.replacements)
        return Advice(self.text, tuple(replacements))

    def text_in(self, notation: Notation, path: tuple[str | int, ...] = (), prefix: str = "") -> str:
        """Return the sentence in a notation.

        Parameters
        ----------
        notation : {"python", "yaml", "json", "set"}
            Notation of the replacements.
        path : tuple of str or int
            Path of the complaint: a key of the same section is written without the name of the section.
        prefix : str
            For "set": the key of the setting without its last word.
        """
        section = f"{path[0]}." if len(path) == 2 and notation != "python" else ""
        written = []
        for target in self.replacements:
            where = " (at the top of the config)" if target.at_top and len(path) > 1 else ""
            where = where if notation in ("yaml", "json") else ""
            written.append(_written(target, notation, section, prefix) + where)
        return self.text.format(*written)


def _written(replacement: Replacement, notation: Notation, section: str, prefix: str) -> str:
    """Return a replacement in a notation."""
    key = replacement.key.removeprefix(section) if section else replacement.key
    if not key:
        return _VALUES[notation](replacement.value)
    value = None if replacement.value == OWN else _VALUES[notation](replacement.value)
    if notation == "set":
        whole = replacement.key if replacement.at_top or "." in replacement.key else f"{prefix}{replacement.key}"
        return f"--set {shlex.quote(f'{whole}={value}')}" if value is not None else f"--set {whole}=..."
    if notation == "python":
        *sections, name = key.split(".")
        if value is None or not (sections or replacement.at_top):
            return name if value is None else f'"{name}": {value}'
        return f"NNClassifier(..., {name}={value})" if replacement.at_top else f"{name}={value}"
    if value is None:
        return key
    if notation == "json":
        *sections, name = key.split(".")
        return "".join(f'"{word}": {{' for word in sections) + f'"{name}": {value}' + "}" * len(sections)
    return f"{key}: {value}"


def _flow(value: Any) -> str:
    """Return plain data as YAML in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str) and re.fullmatch(r"(?!(?:true|false|null|yes|no|on|off)$)[A-Za-z/][\w./-]*", value):
        return value
    return json.dumps(value)


def _code(dumps: Callable[[Any], str]) -> Callable[[Any], str]:
    """Return a function that dumps plain data, with the placeholder without quotes."""
    return lambda value: dumps(value).replace(f'"{_NUMBER}"', _NUMBER)


def _literal(value: Any) -> str:
    """Return plain data as Python code with double quotes."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)}: {_literal(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value) if isinstance(value, str) else repr(value)


_VALUES: dict[Notation, Callable[[Any], str]] = {
    "python": _code(_literal),
    "yaml": _flow,
    "json": _code(json.dumps),
    "set": _flow,
}
