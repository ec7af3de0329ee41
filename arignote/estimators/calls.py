"""Wrong calls of public methods: an argument that is unknown, missing, given twice or one too many."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache, wraps
from typing import Any, TypeVar

from arignote.errors import CallError, Complaint, did_you_mean, nearest
from arignote.estimators.documentation import setting_names, signature_with_settings
from arignote.hints.advice import Advice

__all__ = ["checked_call"]

F = TypeVar("F", bound=Callable[..., Any])


def checked_call(*places: str, takes_settings: bool = False) -> Callable[[F], F]:
    """Return a decorator of methods whose wrong calls raise CallError instead of a bare TypeError.

    Parameters
    ----------
    *places : str
        Places of the table of synonyms in which an unknown argument is looked up, in this order.
    takes_settings : bool, default False
        Whether the method ends in ``**settings``, which it validates itself. It reports unknown ones too, unless they
        are words for one of its other arguments.
    """

    def decorate(function: F) -> F:
        @cache
        def signature() -> inspect.Signature:
            # At the first call, as importing the settings takes longer than importing the estimator.
            return signature_with_settings(function) if takes_settings else inspect.signature(function)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                signature().bind(*args, **kwargs)
            except TypeError:
                _, *parameters = signature().parameters.values()
                settings = setting_names() if takes_settings else ()
                complaints = _complaints(parameters, places, args[1:], kwargs, settings)
                if complaints:
                    # A constructor is called by the name of its class.
                    name = type(args[0]).__name__ if function.__name__ == "__init__" else function.__name__
                    raise CallError(replace(one, message=f"{name}: {one.message}") for one in complaints) from None
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


def _complaints(
    parameters: Sequence[inspect.Parameter],
    places: Sequence[str],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    settings: Collection[str],
) -> list[Complaint]:
    """Return what is wrong with a call; nothing if the method itself reports all of it."""
    names = [parameter.name for parameter in parameters]
    ordered = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    unknown = {word: _advice(places, word, names) for word in kwargs if word not in names}
    meant = {word: _likely_arguments(word, advice, names) for word, advice in unknown.items()}
    needed = [p.name for p in parameters if p.default is p.empty and p.name not in (*ordered[: len(args)], *kwargs)]
    # An argument that an unknown word stands for is not missing as well.
    missing = [name for name in needed if not any(name in words for words in meant.values())]
    complaints = _complaints_of_positions(names, ordered, len(args), kwargs, settings)
    complaints += [Complaint((), f"{name} must be given", advice=_advice(places[-1:], name, names)) for name in missing]
    own = [name for name in names if name not in settings]
    for_own = [word for word, words in meant.items() if set(words) & set(own) and not _advice(["fit"], word, names)]
    # Only settings are left: the method reports them with all that is wrong in their values.
    if settings and not (complaints or needed or for_own):
        return []
    for word, advice in unknown.items():
        hint = "" if advice else f". {did_you_mean(word, names, own)}"
        advice = advice and advice.about(kwargs[word])
        complaints.append(Complaint((), f"unknown argument {word!r}{hint}", advice=advice))
    return complaints


def _complaints_of_positions(
    names: Sequence[str], ordered: Sequence[str], n_given: int, kwargs: Mapping[str, Any], settings: Collection[str]
) -> list[Complaint]:
    """Return what is wrong with the arguments that are given by position: too many, or given by name too."""
    complaints = []
    if n_given > len(ordered):
        by_name = ", ".join(name for name in names if name not in ordered and name not in settings)
        hint = f". Give by name: {by_name}" if by_name else ""
        complaints.append(Complaint((), f"takes {', '.join(ordered)} by position; got {n_given} values{hint}"))
    return complaints + [Complaint((), f"{name} is given twice") for name in ordered[:n_given] if name in kwargs]


def _likely_arguments(word: str, advice: Advice | None, names: Sequence[str]) -> list[str | None]:
    """Return the arguments that an unknown word stands for."""
    if advice is None:
        return [nearest(word, names)]
    return [target.key.removeprefix("call.") for target in advice.replacements]


def _advice(places: Sequence[str], word: str, names: Sequence[str]) -> Advice | None:
    """Return what to write instead of a word, as an argument of a call."""
    # The table is loaded only when a message is built.
    from arignote.hints.synonyms import advice_on

    advice = next((advice for place in places if (advice := advice_on(place, word, names))), None)
    if advice is None:
        return None
    in_call = tuple(
        replace(t, key=f"call.{t.key}") if t.key in names and not t.at_top else t for t in advice.replacements
    )
    return Advice(advice.text, in_call)
