"""Ctrl-C -> "stop at the next batch"."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

__all__ = ["StopRequest"]


class StopRequest:
    """While entered, the first SIGINT asks to stop after the current batch; a second one raises KeyboardInterrupt.

    The handler is installed in the main thread only, and the former one put back.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._former: object = None
        self._installed = False

    def __call__(self) -> str | None:
        """Return why to stop, or None."""
        return self.reason

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.reason is not None:
            raise KeyboardInterrupt
        self.reason = signal.Signals(number).name

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._former = signal.signal(signal.SIGINT, self._receive)
            self._installed = True
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, tb: TracebackType | None) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, self._former)  # type: ignore[arg-type]
            self._installed = False
