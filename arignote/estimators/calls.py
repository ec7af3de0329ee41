"""Wrong calls of public methods: an argument that is unknown, missing, given twice or one too many."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

from arignote.errors import CallError, Complaint, did_you_mean, nearest
from arignote.hints.advice import Advice

__all__ = ["checked_call"]

F = TypeVar("F", bound=Callable[..., Any])


def checked_call(*places: str, name: str = "", settings: Collection[str] = ()) -> Callable[[F], F]:
    """Return a decorator of methods whose wrong calls raise CallError, not a bare TypeError.

    Parameters
    ----------
    *places : str
        Places of the table of synonyms that may know an unknown argument, the first before the others.
    name : str
        What the method is called in messages; by default its own name.
    settings : collection of str
        Keyword arguments that the method validates itself. It reports unknown ones too, unless they are words for one
        of its other arguments.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        _, *parameters = signature.parameters.values()

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                signature.bind(*args, **kwargs)
            except TypeError:
                found = _faults(parameters, places, args[1:], kwargs, settings)
                if found:
                    told = name or function.__name__
                    raise CallError(replace(fault, message=f"{told}: {fault.message}") for fault in found) from None
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


def _faults(
    parameters: Sequence[inspect.Parameter],
    places: Sequence[str],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    settings: Collection[str],
) -> list[Complaint]:
    """Return what is wrong with a call; nothing where all of it is for the method to report."""
    names = [parameter.name for parameter in parameters]
    ordered = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    unknown = {word: _advice(places, word, names) for word in kwargs if word not in names}
    meant = {word: _meant(word, advice, names) for word, advice in unknown.items()}
    needed = [p.name for p in parameters if p.default is p.empty and p.name not in (*ordered[: len(args)], *kwargs)]
    missing = [name for name in needed if not any(name in words for words in meant.values())]
    found = []
    if len(args) > len(ordered):
        by_name = ", ".join(name for name in names if name not in ordered and name not in settings)
        hint = f". Give by name: {by_name}" if by_name else ""
        found.append(Complaint((), f"takes {', '.join(ordered)} by position; got {len(args)} values{hint}"))
    found += [Complaint((), f"{name} is given twice") for name in ordered[: len(args)] if name in kwargs]
    found += [Complaint((), f"{name} must be given", advice=_advice(places[-1:], name, names)) for name in missing]
    own = [name for name in names if name not in settings]
    for_own = [word for word, words in meant.items() if set(words) & set(own) and not _advice(["fit"], word, names)]
    if settings and not (found or needed or for_own):
        return []
    for word, advice in unknown.items():
        hint = "" if advice else f". {did_you_mean(word, names, own)}"
        found.append(Complaint((), f"unknown argument {word!r}{hint}", advice=advice and advice.about(kwargs[word])))
    return found


def _meant(word: str, advice: Advice | None, names: Sequence[str]) -> list[str | None]:
    """Return the arguments that an unknown word stands for."""
    if advice is None:
        return [nearest(word, names)]
    return [target.key.removeprefix("call.") for target in advice.targets]


def _advice(places: Sequence[str], word: str, names: Sequence[str]) -> Advice | None:
    """Return what to write instead of a word, as an argument of a call."""
    # The table is loaded where a message is built.
    from arignote.hints.synonyms import advice_on

    advice = next((advice for place in places if (advice := advice_on(place, word, names))), None)
    if advice is None:
        return None
    in_call = tuple(replace(t, key=f"call.{t.key}") if t.key in names and not t.at_top else t for t in advice.targets)
    return Advice(advice.text, in_call)
