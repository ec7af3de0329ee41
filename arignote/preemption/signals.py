"""Signals and notices of the machine -> "stop at the next batch, save, and leave"."""

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
    """While nothing is trained there is nothing to save: a signal ends the process, even process 1 of a container."""

    def leave(number: int, frame: Any) -> None:
        os._exit(128 + number if exit_code is None else exit_code)

    listening = [signal.Signals[name] for name in ("SIGTERM", "SIGINT", "SIGUSR1") if hasattr(signal, name)]
    former = {number: signal.getsignal(number) for number in listening}
    former = {n: old for n, old in former.items() if old in (signal.SIG_DFL, signal.default_int_handler)}
    for number in former:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, old in former.items():
            signal.signal(number, old)


class StopRequested(Exception):
    """Something asked to stop; the reason is its text."""

    @property
    def reason(self) -> str:
        return str(self)


class StopRequest:
    """While entered, a signal or a notice asks to stop after the current batch; a second SIGINT stops at once.

    Handlers are installed in the main thread only, and the former ones put back.

    Parameters
    ----------
    signals : sequence of str
        Names: SIGTERM, SIGINT, SIGUSR1 ...
    notices : str, optional
        What else is watched: "aws", "gcp", "azure", "file:PATH"; see `arignote.preemption.notices`.

    Attributes
    ----------
    signalled : bool
        Whether a signal came, perhaps too late to stop anything.
    """

    def __init__(self, signals: Sequence[str] = ("SIGINT",), notices: str | None = None):
        # Windows has no SIGUSR1, which is among the defaults.
        self._signals = [signal.Signals[name] for name in signals if name in signal.Signals.__members__]
        self._watch = Watch(notices, self._noticed) if notices else None
        self._former: dict[signal.Signals, Any] = {}
        self._number = 0
        self._n_sigints = 0
        self.signalled = False
        self.reason: str | None = None

    def check(self) -> None:
        """Raise StopRequested if a signal or a notice came."""
        if self.reason is not None:
            raise StopRequested(self.reason)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.signalled = True
        self._n_sigints += number == signal.SIGINT
        if number == signal.SIGINT and self._n_sigints > 1:
            raise KeyboardInterrupt
        # Who told the process to end is obeyed even where Ctrl-C came before or comes after.
        if self.reason is None or self._number == signal.SIGINT:
            self._number, self.reason = number, signal.Signals(number).name

    def _noticed(self, reason: str) -> None:
        if self.reason is None or self._number == signal.SIGINT:
            self._number, self.reason = signal.SIGTERM, reason

    def raise_interrupted(self, lost: str = "") -> None:
        """Return at SIGINT (inside a search raise KeyboardInterrupt); at any other signal raise Interrupted.

        Parameters
        ----------
        lost : str
            As of `Interrupted`.
        """
        if self._number == signal.SIGINT:
            if _in_a_search():
                raise KeyboardInterrupt
        elif self.reason is not None:
            raise Interrupted(self.reason, 128 + self._number, lost)

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in self._signals:
                self._former[number] = signal.signal(number, self._receive)
        if self._watch is not None:
            self._watch.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, tb: TracebackType | None) -> None:
        # The handlers first: the watch may have to wait for an answer, and Ctrl-C may end that.
        for number, former in self._former.items():
            # None: the former handler was not installed from Python.
            signal.signal(number, former if former is not None else signal.SIG_DFL)
        self._former.clear()
        if self._watch is not None:
            self._watch.__exit__(kind, fault, tb)


def _in_a_search() -> bool:
    """Whether a search or an ensemble of scikit-learn called us, which would go on with its next candidate."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith("sklearn.") and not module.startswith(("sklearn.pipeline", "sklearn.base")):
            return True
        frame = frame.f_back
    return False
