"""Wrong usage of a command as an error in the form of all others: what is wrong, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from arignote.errors import ConfigError, nearest

__all__ = ["in_house_form"]

# The module of this class, and of those derived from it, is another one from version to version of typer.
_UsageError: Any = typer.BadParameter.__bases__[0]
_EXPECTED = {"int_parsing": "an integer", "greater_than_equal": "at least {ge}", "less_than_equal": "at most {le}"}


@contextmanager
def in_house_form(ctx: Any) -> Iterator[None]:
    """Return a context in which an error of typer is raised as one of Arignote.

    Parameters
    ----------
    ctx : Context
        That of the command whose arguments are parsed.

    Raises
    ------
    ConfigError
        Which ends the process with the same exit code, 2.
    """
    try:
        yield
    except _UsageError as error:
        where = "arignote" if ctx.parent is None else f"arignote {ctx.info_name}"
        raise ConfigError(f"{where}: {_message(error, ctx)}") from None


def _message(error: Any, ctx: Any) -> str:
    kind, text = type(error).__name__, str(error.format_message())
    if kind == "NoSuchOption":
        return _unknown(error.option_name, ctx)
    if kind == "MissingParameter":
        return f"{_name(error.param)} must be given: {_help(error.param)}{_example(ctx)}"
    if kind == "BadOptionUsage":
        # Both are one class in click ("Option '--x' does not take a value", "... requires an argument").
        takes_none = "not take" in text
        return f"{error.option_name} takes no value" if takes_none else f"{error.option_name} must have a value"
    if kind == "BadParameter" and error.param is not None:
        return f"{_name(error.param)} {_constraint(error)}"
    # This one has no class of its own.
    if extra := re.search(r"unexpected extra arguments?.*\((.*)\)", text):
        return f"unexpected argument: {extra[1]}{_example(ctx)}"
    return text


def _unknown(option: str, ctx: Any) -> str:
    """Return the message about an option that the command lacks: the setting that is meant, or the nearest option."""
    message, word = f"unknown option {option!r}", option.lstrip("-").replace("-", "_")
    options = {
        name.lstrip("-") for param in ctx.command.get_params(ctx) for name in param.opts if name.startswith("--")
    }
    known = {name.replace("-", "_"): f"--{name}" for name in options}
    settings: Any = ()
    # Only commands that read a config have settings of fit.
    if "set" in known:
        from arignote.hints.synonyms import advice_on
        from arignote.spec.settings import FitSettings

        settings = FitSettings.model_fields
        if advice := advice_on("fit", word, settings):
            return f"{message}. {advice.text_in('set', ('fit', word))}"
    if word not in settings and (near := nearest(word, known)):
        return f"{message}. Did you mean {known[near]!r}?"
    if near := nearest(word, settings):
        return f"{message}. A setting of fit is written --set fit.{near}=..."
    return f"{message}. Known: {', '.join(sorted(known.values()))}"


def _name(param: Any) -> str:
    """Return the longest name of an option, or that of an argument in capitals."""
    is_option = param.param_type_name == "option"
    return str(max(param.opts, key=len) if is_option else (param.metavar or param.name).strip(".").upper())


def _help(param: Any) -> str:
    text = str(param.help or "a value").rstrip(".")
    # Abbreviations stay in capitals in the middle of a sentence.
    return text if text.startswith(("HDF5", "CSV")) else text[:1].lower() + text[1:]


def _example(ctx: Any) -> str:
    """Return the example of a command, as the way out."""
    example = re.search(r"Example: (.*)", ctx.command.help or "")
    return f". Example: {example[1]}" if example else ""


def _constraint(error: Any) -> str:
    """Return what the value of an option must be, and what it is."""
    # typer checks values by pydantic, whose error is the cause.
    errors = getattr(error.__cause__, "errors", None)
    detail = errors()[0] if errors else {}
    expected = _EXPECTED.get(detail.get("type", ""))
    if expected is None:
        return f"is not valid: {error.message}"
    return f"must be {expected.format(**detail.get('ctx', {}))}; got {detail['input']!r}"
