"""Observers in a run: their errors do not end it, and their answer may stop it."""

from __future__ import annotations

from collections.abc import Callable
from traceback import extract_tb

from arignote.errors import warn
from arignote.observers.events import STOP, Event
from arignote.spec.observers import Observer

__all__ = ["GuardedObserver"]


class GuardedObserver:
    """An observer whose first error is reported by a warning, and whose answer STOP stops the run.

    Parameters
    ----------
    observer : Observer
        As it was given.
    stop : callable
        Requests that the run stops after the current batch.

    Raises
    ------
    ConfigError
        If it is a class that cannot be built.
    """

    def __init__(self, observer: Observer, stop: Callable[[], None]):
        self._name, self._function, self._stop = observer.name, observer.opened(), stop
        self._is_reported = False

    def __call__(self, event: Event) -> None:
        try:
            answer = self._function(event)
        except Exception as error:
            if not self._is_reported:
                self._is_reported = True
                last = extract_tb(error.__traceback__)[-1]
                warn(
                    f"observer {self._name} raised {type(error).__name__}: {error} ({last.filename}, line "
                    f"{last.lineno}) at the {event.kind} of epoch {event.epoch}, batch {event.batch}. Training "
                    "continues, and further errors of this observer are not reported"
                )
            return
        if answer is STOP:
            self._stop()
