"""Observers as a user gives them: parts, functions, objects with `on_event`, classes of these, or their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from arignote.errors import Complaint, ConfigError, did_you_mean
from arignote.observers import NamedObserver
from arignote.registry import (
    PartsField,
    build,
    check_trusted,
    find,
    function_name,
    part_name,
    several,
    short_spec,
    split,
)

__all__ = ["Observer", "ObserversField", "observers_of"]


@dataclass(frozen=True)
class Observer:
    """An observer, as it was given.

    Attributes
    ----------
    given : NamedObserver, callable, object or type
        A part, a function, an object with `on_event`, or a class of such functions or objects.
    params : dict
        Keyword arguments of the class.
    """

    given: Any
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the observer, "module:name"; of a part its name."""
        return part_name(self.given) if isinstance(self.given, NamedObserver) else function_name(self.given)

    @property
    def spec(self) -> Any:
        """Spec of the observer in the files of a run: that of the part, or "module:name"."""
        return short_spec(self.given) if isinstance(self.given, NamedObserver) else self.name

    def opened(self) -> Callable[[Any], Any]:
        """Return the function that is called with each event; a class is built first, once for each fit.

        Raises
        ------
        ConfigError
            If the class cannot be built.
        """
        one = self.given
        # A function with parameters is one that returns the observer.
        if isinstance(one, type) or self.params:
            try:
                one = one(**self.params)
            except Exception as error:
                text = ", ".join(f"{key}={value!r}" for key, value in self.params.items())
                raise _error(f"{self.name}({text}) fails: {type(error).__name__}: {error}") from error
        if isinstance(one, NamedObserver):
            return one.opened()
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
    is_one = hasattr(value, "on_event") or isinstance(value, NamedObserver)
    return tuple(map(_observer, (value,) if is_one else several(value)))


class ObserversField(PartsField):
    """Annotation of a field that holds observers; see `observers_of`."""

    def __init__(self) -> None:
        super().__init__("observer")

    def _built(self, value: Any) -> Any:
        return observers_of(value)

    def _forms(self) -> list[dict[str, Any]]:
        return [*super()._forms(), {"type": "null"}]

    def _written(self, observers: Any) -> Any:
        return [observer.spec for observer in observers]


def _observer(one: Any) -> Observer:
    if isinstance(one, Observer):
        return one
    if _names_part(one):
        return Observer(_part(one))
    # Anything else is no part: it is called as it is, or built with these keyword arguments.
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


def _names_part(one: Any) -> bool:
    """Return whether an observer is a part, or its spec; "module:Name" may be any observer."""
    word = one[0] if isinstance(one, list | tuple) and one else one
    return isinstance(one, NamedObserver | Mapping) or (isinstance(word, str) and ":" not in word)


def _part(one: Any) -> NamedObserver:
    if not isinstance(one, NamedObserver):
        try:
            find("observer", split("observer", one)[0])
        except ConfigError as error:
            raise ConfigError(
                f'{error} One of your own is written "module:Name", as in "my_observers:Report"'
            ) from None
    part: NamedObserver = build("observer", one)
    return part


def _imported(word: str) -> Any:
    """Return what "module:Name" names; the module is imported, unless only the file of a run names it."""
    module, _, path = word.partition(":")
    if not (module and all(part.isidentifier() for part in (*module.split("."), *path.split(".")))):
        raise ValueError(f'must be "module:Name", such as "my_observers:Report"; got {word!r}')
    # Before the import, which runs the code of the module.
    check_trusted("observer", word)
    try:
        imported: Any = import_module(module)
    except ImportError as error:
        raise ValueError(f"{word!r}: {error}. Is the folder of the module on PYTHONPATH?") from None
    for name in path.split("."):
        if not hasattr(imported, name):
            raise ValueError(f"{word!r}: {module} has no {name!r}. {did_you_mean(name, vars(imported))}")
        imported = getattr(imported, name)
    return imported
