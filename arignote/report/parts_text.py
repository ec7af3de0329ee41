"""The registered parts as text: their kinds, the parts of a kind, and one with its parameters."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from doctest import DocTestParser
from typing import Any

from arignote.errors import ConfigError, did_you_mean
from arignote.hints.advice import Advice, Replacement
from arignote.registry import Part, find, kinds, names, part_name
from arignote.registry.part_type import summary_of

__all__ = ["example_spec", "parts_lines"]


def parts_lines(kind: str | None = None, name: str | None = None) -> Iterator[str]:
    """Yield the kinds of parts with their names; of a kind its parts; of a part its docstring.

    Parameters
    ----------
    kind : str, optional
        A kind, or the name of a part of any kind.
    name : str, optional
        The name of a part of the kind; as in a spec, case does not matter.

    Raises
    ------
    ConfigError
        With the nearest names, if there is no such kind or part.
    """
    if kind is None:
        for one in kinds():
            yield f"{one}: {', '.join(_by_name(one))}"
    elif name is not None:
        if kind not in kinds():
            raise ConfigError(f"unknown kind {kind!r}. {did_you_mean(kind, kinds())}")
        yield from _part_lines(find(kind, name))
    elif kind in kinds():
        width = max(map(len, _by_name(kind)))
        for one, cls in _by_name(kind).items():
            yield f"{one:<{width}}  {summary_of(cls)}"
    else:
        yield from _named_lines(kind)


def _by_name(kind: str) -> dict[str, type[Part]]:
    """Return the parts of a kind by their first names."""
    return {part_name(cls): cls for cls in sorted(set(names(kind).values()), key=lambda cls: part_name(cls).lower())}


def _named_lines(word: str) -> Iterator[str]:
    """Yield the docstrings of all parts of a name."""
    parts = []
    for kind in kinds():
        if {word.lower(), f"{word.lower()}{kind}"} & {known.lower() for known in names(kind)}:
            parts.append(find(kind, word))
    if not parts:
        known = [*kinds(), *(name for kind in kinds() for name in names(kind))]
        raise ConfigError(f"unknown kind or part {word!r}. {did_you_mean(word, known, kinds())}")
    for number, cls in enumerate(parts):
        yield from [""] * (number > 0)
        yield from _part_lines(cls)


def _part_lines(cls: type[Part]) -> Iterator[str]:
    aliases = [name for name, other in names(cls.kind).items() if other is cls and name != part_name(cls)]
    yield f"{part_name(cls)}: {cls.kind}" + (f", also {', '.join(aliases)}" if aliases else "")
    yield f"in a config: {Advice('{}', (Replacement('', example_spec(cls)),)).text_in('yaml')}"
    yield ""
    yield from inspect.cleandoc(cls.__doc__ or "").splitlines()


def example_spec(cls: type[Part]) -> list[Any]:
    """Return the spec of a part as in the first call of its docstring: ``["FCLayer", {"n_units": 400}]``."""
    for example in DocTestParser().get_examples(inspect.cleandoc(cls.__doc__ or "")):
        for node in ast.walk(ast.parse(example.source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == cls.__name__:
                params = {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
                return [part_name(cls), params] if params else [part_name(cls)]
    return [part_name(cls)]
