"""Observers in a run: their errors do not end it, their answer may stop it, and what they write is theirs alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from traceback import extract_tb

from arignote.checkpoints.storage import RunHeldError
from arignote.checkpoints.storage.local import LocalLock
from arignote.errors import CheckpointError, ConfigError, warn
from arignote.observers import CSVLog, JSONLinesLog, TensorBoardLog
from arignote.observers.events import STOP, Event
from arignote.spec.observers import Observer
from arignote.spec.settings import FitSettings

__all__ = ["GuardedObserver", "check_logs", "held_alone", "with_log"]


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
                # The innermost frame, in which it was raised.
                last = extract_tb(error.__traceback__)[-1]
                warn(
                    f"observer {self._name} raised {type(error).__name__}: {error} ({last.filename}, line "
                    f"{last.lineno}) at the {event.kind} of epoch {event.epoch}, batch {event.batch}. Training "
                    "continues, and further errors of this observer are not reported"
                )
            return
        if answer is STOP:
            self._stop()


def with_log(settings: FitSettings) -> list[Observer]:
    """Return the observers of the settings, with the one that writes `log`."""
    log = [] if settings.log is None else [Observer(JSONLinesLog(path=settings.log))]
    return [*settings.observers, *log]


def check_logs(settings: FitSettings) -> None:
    """Raise ConfigError if two observers write rows into one file, of which each keeps its own end."""
    tables = [one.given for one in with_log(settings) if isinstance(one.given, CSVLog | JSONLinesLog)]
    # By a link one file may have two names.
    paths = [os.path.realpath(table.path) for table in tables]
    if len(set(paths)) < len(paths):
        path = next(table.path for table in tables if paths.count(os.path.realpath(table.path)) > 1)
        raise ConfigError(f"two of fit.observers and fit.log write {path!r}: give each a file of its own")


@contextmanager
def held_alone(settings: FitSettings) -> Iterator[None]:
    """Return a context in which no other fit, of this process or another, writes to the logs of these settings.

    Raises
    ------
    ConfigError
        If another fit writes to one: each keeps its own end of the file.
    """
    logs = [
        one.given.path for one in with_log(settings) if isinstance(one.given, CSVLog | JSONLinesLog | TensorBoardLog)
    ]
    with ExitStack() as stack:
        for path in (Path(one).resolve() for one in logs):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                # Beside the log: `_add_columns` replaces that file, and a lock of it would be lost.
                lock = LocalLock(path.with_name(f".{path.name}.lock"), str(path))
            except RunHeldError as error:
                raise ConfigError(f"{error}. Two fits cannot write one log: give each a file of its own") from None
            except (OSError, CheckpointError):
                # A file system without locks, or one that cannot be written, which the observer reports.
                continue
            stack.callback(lock.release)
        yield
