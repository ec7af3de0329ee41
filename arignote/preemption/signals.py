"""Signals and preemption notices as requests to stop after the current batch, save, and exit."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from arignote.errors import Interrupted
from arignote.preemption.notices import Watch

__all__ = ["StopRequest", "StopRequested", "exit_at_signal"]


@contextmanager
def exit_at_signal(exit_code: int | None) -> Iterator[None]:
    """Exit immediately at a signal, while nothing has been trained that could be saved.

    A handler is needed because process 1 of a container ignores signals by default. Handlers that others installed
    are kept.

    Parameters
    ----------
    exit_code : int or None
        The exit code of the process; None: 128 and the number of the signal.
    """

    def exit_now(number: int, frame: Any) -> None:
        os._exit(128 + number if exit_code is None else exit_code)

    numbers = [signal.Signals[name] for name in ("SIGTERM", "SIGINT", "SIGUSR1") if hasattr(signal, name)]
    former = {number: signal.getsignal(number) for number in numbers}
    # A signal that is ignored, as in the background, or that the caller handles, stays as it is.
    former = {n: old for n, old in former.items() if old in (signal.SIG_DFL, signal.default_int_handler)}
    for number in former:
        signal.signal(number, exit_now)
    try:
        yield
    finally:
        for number, old in former.items():
            signal.signal(number, old)


class StopRequested(Exception):
    """A stop was requested; the text is the reason."""

    @property
    def reason(self) -> str:
        """Signal, such as "SIGTERM", the notice, or "observer"."""
        return str(self)


class StopRequest:
    """A context in which a signal or a notice requests a stop after the current batch.

    A second SIGINT raises KeyboardInterrupt at once. Handlers are installed in the main thread only, and the former
    ones restored at the end.

    Parameters
    ----------
    signals : sequence of str
        Names, such as SIGTERM, SIGINT, SIGUSR1; those that the system lacks are ignored.
    notices : str, optional
        Source of preemption notices: "aws", "gcp", "azure", "file:PATH"; see `arignote.preemption.notices`.

    Attributes
    ----------
    signalled : bool
        Whether a signal was received, even if too late to stop training.
    reason : str or None
        The signal or notice, or what else, requested the stop.
    """

    def __init__(self, signals: Sequence[str] = ("SIGINT",), notices: str | None = None):
        # Windows has no SIGUSR1, which is among the defaults.
        self._signals = [signal.Signals[name] for name in signals if name in signal.Signals.__members__]
        self._watch = Watch(notices, self._receive_notice) if notices else None
        self._former: dict[signal.Signals, Any] = {}
        self._number = 0
        self._n_sigints = 0
        self.signalled = False
        self.reason: str | None = None

    def request(self, reason: str) -> None:
        """Request a stop from within the process, after which `fit` returns; signals and notices take precedence."""
        if self.reason is None:
            self.reason = reason

    @property
    def asked(self) -> tuple[int, str] | None:
        """Number of the signal, or 0, and the reason; None if nothing requested a stop."""
        return None if self.reason is None else (int(self._number), self.reason)

    def adopt(self, number: int, reason: str) -> None:
        """Stop, and end, as another process of the same fit that received this signal, or 0, for this reason."""
        self._number, self.reason = number, reason

    def check(self) -> None:
        """Raise StopRequested if a stop was requested."""
        if self.reason is not None:
            raise StopRequested(self.reason)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.signalled = True
        self._n_sigints += number == signal.SIGINT
        if number == signal.SIGINT and self._n_sigints > 1:
            # The second Ctrl-C does not wait for the end of the batch.
            raise KeyboardInterrupt
        # Any other signal takes precedence over Ctrl-C, in either order: its exit code is the one that matters.
        if self._number in (0, signal.SIGINT):
            self._number, self.reason = number, signal.Signals(number).name

    def _receive_notice(self, reason: str) -> None:
        if self._number in (0, signal.SIGINT):
            self._number, self.reason = signal.SIGTERM, reason

    def raise_interrupted(self, lost: str = "") -> None:
        """Raise the exception that ends `fit` after a stop request; after SIGINT, or one of an observer, return.

        Parameters
        ----------
        lost : str
            What is lost, as in `Interrupted`.

        Raises
        ------
        Interrupted
            After a notice or any signal but SIGINT.
        KeyboardInterrupt
            After SIGINT, if a search of scikit-learn is the caller.
        """
        if self._number == signal.SIGINT:
            if _in_a_search():
                raise KeyboardInterrupt
        elif self._number and self.reason is not None:
            raise Interrupted(self.reason, 128 + self._number, lost)

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in self._signals:
                self._former[number] = signal.signal(number, self._receive)
        if self._watch is not None:
            self._watch.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        # The handlers first, so that Ctrl-C can interrupt the wait for a request of the watch.
        for number, former in self._former.items():
            # None: the former handler was not installed from Python.
            signal.signal(number, former if former is not None else signal.SIG_DFL)
        self._former.clear()
        if self._watch is not None:
            self._watch.__exit__(kind, error, tb)


def _in_a_search() -> bool:
    """Return whether a search or an ensemble of scikit-learn is the caller, which would fit its next candidate."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith("sklearn.") and not module.startswith(("sklearn.pipeline", "sklearn.base")):
            return True
        frame = frame.f_back
    return False
