"""Observers as a user gives them: functions, objects with `on_event`, classes of these, or their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from arignote.errors import Complaint, ConfigError, did_you_mean
from arignote.registry import check_trusted, function_name, several

__all__ = ["Observer", "observers_of"]


@dataclass(frozen=True)
class Observer:
    """An observer, as it was given.

    Attributes
    ----------
    given : callable, object or type
        A function, an object with `on_event`, or a class of such functions or objects.
    params : dict
        Keyword arguments of the class.
    """

    given: Any
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return "module:name"."""
        return function_name(self.given)

    def opened(self) -> Callable[[Any], Any]:
        """Return the function that is called with each event; a class is built first, for each fit anew.

        Raises
        ------
        ConfigError
            If the class cannot be built.
        """
        one = self.given
        if isinstance(one, type) or self.params:
            try:
                one = one(**self.params)
            except Exception as error:
                text = ", ".join(f"{key}={value!r}" for key, value in self.params.items())
                raise _error(f"{self.name}({text}) fails: {type(error).__name__}: {error}") from error
        function: Callable[[Any], Any] = getattr(one, "on_event", one)
        if not callable(function):
            raise _error(f"{self.name} must return a function, or an object with on_event; got {one!r}")
        return function


def _error(message: str) -> ConfigError:
    return ConfigError(Complaint(("fit", "observers"), message))


def observers_of(value: Any) -> tuple[Observer, ...]:
    """Return the observers of a setting: one, or a list of them; a module that is named is imported.

    Raises
    ------
    ValueError
        If one of them is no observer, or cannot be imported.
    """
    return tuple(map(_observer, (value,) if hasattr(value, "on_event") else several(value)))


def _observer(one: Any) -> Observer:
    if isinstance(one, Observer):
        return one
    params: Any = {}
    given = one
    if isinstance(one, list | tuple) and len(one) == 2 and isinstance(one[0], str) and isinstance(one[1], Mapping):
        given, params = one[0], {str(key): value for key, value in one[1].items()}
    if isinstance(given, str):
        given = _imported(given)
    if not callable(given) and not callable(getattr(given, "on_event", None)):
        raise ValueError(
            f'must be a function of an Event, an object with on_event, or "module:Name", or a list of them; got {one!r}'
        )
    return Observer(given, params)


def _imported(word: str) -> Any:
    """Return what "module:Name" names; the module is imported, unless only the file of a run names it."""
    module, _, path = word.partition(":")
    if not (module and all(part.isidentifier() for part in (*module.split("."), *path.split(".")))):
        raise ValueError(f'must be "module:Name", such as "my_observers:Report"; got {word!r}')
    check_trusted("observer", word)
    try:
        found: Any = import_module(module)
    except ImportError as error:
        raise ValueError(f"{word!r}: {error}. Is the folder of the module on PYTHONPATH?") from None
    for name in path.split("."):
        if not hasattr(found, name):
            raise ValueError(f"{word!r}: {module} has no {name!r}. {did_you_mean(name, vars(found))}")
        found = getattr(found, name)
    return found
