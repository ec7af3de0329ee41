"""Rows of the table of synonyms, and functions to write them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from arignote.hints.advice import OWN, Advice, Replacement

__all__ = ["Row", "fit", "part", "rows", "top"]


@dataclass(frozen=True)
class Row:
    """Words with the same meaning at one place.

    Attributes
    ----------
    place : str
        Where they are written: a section of a config ("config", "data", "source", "fit"; "above" are words that belong
        to its top), the parameters of a kind of part ("layer", "rule"), the names of its parts ("layer name"), or a
        call ("arguments" of methods in general, "inference" of those that take data to predict).
    words : str
        The words, separated by blanks. Case, underscores and hyphens do not matter.
    advice : Advice
        What to write instead. A target whose key is a parameter of the part applies where the part has it.
    only : str
        Parameter that a part must have for the row to apply.
    """

    place: str
    words: str
    advice: Advice
    only: str = ""

    def applies(self, known: Collection[str]) -> bool:
        """Return whether the advice suits a part with the parameters `known`."""
        keys = {target.key for target in self.advice.replacements if "." not in target.key and not target.at_top}
        return (keys | {self.only}) - {""} <= set(known)


def rows(place: str, *lines: tuple[Any, ...]) -> Iterator[Row]:
    """Yield the rows of lines (words, target or list of targets, text, only), of which the last two are optional."""
    for words, targets, *rest in lines:
        text, only = rest + ["Write {}", ""][len(rest) :]
        yield Row(place, words, Advice(text, tuple(targets) if isinstance(targets, list) else (targets,)), only)


def fit(name: str, value: Any = OWN) -> Replacement:
    """Return a setting of `fit`."""
    return Replacement(f"fit.{name}", value)


def top(name: str, value: Any = OWN) -> Replacement:
    """Return a key at the top of a config, an argument of the constructor in Python."""
    return Replacement(name, value, at_top=True)


def part(name: str, **params: Any) -> Replacement:
    """Return a whole part."""
    return Replacement("", [name, params] if params else [name])
