"""YAML 1.2 (and JSON) as plain data within bounds: no tags, no recursive aliases, no text that takes minutes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from arignote.errors import ConfigError
from arignote.safe.file_kinds import kind_of_file

__all__ = ["load_yaml", "plain_values", "plain_yaml"]

# A network of a thousand layers, each with ten parameters, has 100 kB and 25,000 values.
_MOST_BYTES = 500_000
_MOST_VALUES = 50_000
_DEEPEST = 50
# The usual cause of an error of the parser, by a part of its message.
_CAUSES = {
    "'\\t'": "a tab; indent with blanks",
    "expected <block end>": "this line must be indented as the line to which it belongs",
    "mapping values are not allowed here": "is the line indented too far, or is a bracket or a quote missing?",
    "Expecting ',' delimiter": "a comma or a closing bracket is missing before it",
    "Extra data": "nothing may follow the last bracket",
    "expected ',' or": "a comma or a closing bracket is missing before it",
    "expected '<document start>'": "nothing may follow the last bracket",
    "found another document": "a config is one document: leave out the line ---",
}


def load_yaml(path: Path) -> Any:
    """Return the contents of a file in containers of ruamel.yaml, which store line numbers.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not YAML, has a tag, or is larger than any config: more than 500 kB, 50,000
        values (counted as often as aliases repeat them) or 50 levels.
    """
    text = _read(path)
    try:
        return _parse(path, text)
    except ConfigError:
        raise
    except Exception as error:
        # The parser raises nearly any exception for unusual scalars, such as a date of month 99.
        raise ConfigError(f"{path}: is not YAML: {str(error).partition(chr(10))[0]:.200}") from None


def plain_yaml(text: str, option: str) -> Any:
    """Return the value of an option as plain data, within the bounds of `load_yaml`.

    Raises
    ------
    ConfigError
        If it is not YAML, has a tag, or too many values or levels.
    """
    try:
        yaml = _yaml_within_bounds("safe", "a value", lambda mark: f"{option}: character {mark.index + 1}")
        return yaml.load(text)
    except ConfigError:
        raise
    except Exception:
        # As of a file.
        raise ConfigError(f"{option}: the value is not YAML") from None


def plain_values(value: Any) -> Any:
    """Return containers of ruamel as dicts and lists, and its numbers and texts as those of Python."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_values(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return value if isinstance(value, bool) else kind(value)
    return value


def _read(path: Path) -> str:
    """Return the text of a file; raise ConfigError if it cannot be read, holds data, or is too long."""
    kind = kind_of_file(path)
    if kind is not None:
        raise ConfigError(
            f"{path}: is {kind}, not a config, which is a YAML or JSON file. "
            f"A file of data belongs in a config: data: {{train: {{features: {path}, ...}}}}"
        )
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data[:_MOST_BYTES].decode("utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > _MOST_BYTES:
        raise ConfigError(f"{path}: a config must have at most {_MOST_BYTES} bytes. Does it hold data?")
    return text


def _parse(path: Path, text: str) -> Any:
    """Return the value of a text; raise ConfigError at the line of an error of the parser."""
    from ruamel.yaml.error import YAMLError

    try:
        yaml = _yaml_within_bounds("rt", "a config", partial(_at, path))
        yaml.preserve_quotes = True
        return yaml.load(text)
    except YAMLError as error:
        _check_json(path, text)
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise ConfigError(
            f"{_at(path, getattr(error, 'problem_mark', None))}: is not YAML: {_plainly(str(problem))}"
        ) from None


def _check_json(path: Path, text: str) -> None:
    """Raise ConfigError at the error of the JSON parser, if the file has the suffix .json."""
    if path.suffix.lower() != ".json":
        return
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}:{error.colno}: is not JSON: {_plainly(error.msg)}") from None
    except RecursionError:
        return


def _plainly(problem: str) -> str:
    """Return a message of the parser with its usual cause."""
    twice = re.match(r'found duplicate key "(.*?)"', problem)
    if twice:
        return f"the key {twice[1]!r} is given twice; leave one out"
    return next((f"{problem} ({cause})" for words, cause in _CAUSES.items() if words in problem), problem)


def _at(path: Path, mark: Any) -> str:
    return f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)


def _yaml_within_bounds(kind: str, what: str, at: Callable[[Any], str]) -> Any:
    """Return a reader of YAML that checks brackets and events before anything is built of them.

    Parameters
    ----------
    kind : "rt" or "safe"
        Both build plain containers only, and no Python object from a tag; those of "rt" store line numbers.
    what : str
        What is read, in messages.
    at : callable
        Takes a mark of the parser; returns the place as text.
    """
    from ruamel.yaml import YAML, scanner

    # The scanner in C, which is used if it is installed, takes no colon within a value: {features: x.npz:x}.
    yaml = YAML(typ=kind, pure=True)
    bounds = _Bounds(what, at)

    class Scanner(yaml.Scanner or scanner.Scanner):  # type: ignore[misc]
        # It looks a thousand characters ahead of the parser, in a time that grows with the square of the brackets.
        def fetch_flow_collection_start(self, *token: Any, **form: Any) -> None:
            bounds.check_levels(self.flow_level + 2, self.reader.get_mark())
            super().fetch_flow_collection_start(*token, **form)

    class Parser(yaml.Parser):  # type: ignore[misc, name-defined]
        def get_event(self) -> Any:
            event = super().get_event()
            bounds.check(event)
            return event

    yaml.Scanner, yaml.Parser = Scanner, Parser
    return yaml


class _Bounds:
    """What a text must not have: tags, too many values (aliases count as what they repeat) or levels."""

    def __init__(self, what: str, at: Callable[[Any], str]):
        self._what, self._at = what, at
        # Number of values by anchor.
        self._sizes: dict[str, int] = {}
        # For each open collection: its anchor, and the number of its values so far.
        self._open: list[tuple[str | None, int]] = [(None, 0)]

    def check(self, event: Any) -> None:
        """Count the next event; raise ConfigError if it is the one too many."""
        from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

        if getattr(event, "tag", None) is not None:
            raise self._error(event.start_mark, f"is plain data: leave the tag {str(event.tag)!r} out")
        anchor = getattr(event, "anchor", None)
        if isinstance(event, CollectionStartEvent):
            self._open.append((anchor, 1))
            self.check_levels(len(self._open), event.start_mark)
        elif isinstance(event, CollectionEndEvent):
            self._count(event, *self._open.pop())
        elif isinstance(event, AliasEvent):
            if any(anchor == other for other, _ in self._open):
                raise ConfigError(f"{self._at(event.start_mark)}: the alias *{anchor} is within what it repeats")
            self._count(event, None, self._sizes.get(str(anchor), 1))
        elif isinstance(event, ScalarEvent):
            self._count(event, anchor, 1)

    def _count(self, event: Any, anchor: str | None, size: int) -> None:
        """Add the values of an event to those of its collection, and store them by its anchor."""
        if anchor is not None:
            self._sizes[anchor] = size
        outer, so_far = self._open[-1]
        self._open[-1] = outer, so_far + size
        if so_far + size > _MOST_VALUES:
            raise self._error(
                event.start_mark,
                f"must have at most {_MOST_VALUES} values, counted as often as aliases repeat them. "
                "Write fewer aliases, and name data by its file",
            )

    def check_levels(self, n_levels: int, mark: Any) -> None:
        """Raise ConfigError if the values at a mark are too deep; those outside of all collections are at level 1."""
        if n_levels > _DEEPEST:
            raise self._error(mark, f"must have at most {_DEEPEST} levels. Is a closing bracket missing?")

    def _error(self, mark: Any, fault: str) -> ConfigError:
        return ConfigError(f"{self._at(mark)}: {self._what} {fault}")
