"""One writer per run where the operating system has no locks: a lease that must be renewed, or others may take it.

A lease is a small file: who holds it, and a number that grows with each renewal. Three rules keep two processes from
holding it at once, whatever their clocks say and however long either is paused:

- A newcomer takes a lease over after it saw the same contents for `STALE_AFTER` seconds of its own clock.
- The holder counts from the moment its last successful renewal began. `STALE_AFTER` less `MARGIN` seconds later it
  writes nothing more; past that deadline it can only take the lease over as a newcomer does.
- A lease is written on condition that it is as it was last seen (`Folder.write_if`). Where a folder cannot check this
  atomically, a newcomer reads the lease again some time after writing it, before it counts as held.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from arignote.checkpoints.storage.base import CheckStop, Folder, NotThereError, holder
from arignote.errors import CheckpointError, warn

__all__ = ["MARGIN", "RENEW_AFTER", "STALE_AFTER", "Clock", "Lease", "LeaseLapsedError", "LeaseLostError"]

# Seconds. The margin is for clocks that run at different rates, and for the time that a write takes to arrive.
RENEW_AFTER = 10.0
STALE_AFTER = 60.0
MARGIN = 10.0
# How often a newcomer looks at the lease of another, and how long after its own write it reads it again: shorter for a
# lease that nobody held, since nearly every folder creates a file atomically.
LOOK_AFTER = 0.5
SETTLE = 2.0
SETTLE_FREE = 0.5


def _clock_of(names: Mapping[str, Any], platform: str) -> Callable[[], float]:
    """Return a monotonic clock that counts the time in which the machine is suspended, where the system has one."""
    # clock_gettime(2) of Linux, clock_gettime(3) of macOS; time.monotonic() stands still meanwhile on both.
    which = names.get("CLOCK_BOOTTIME", names.get("CLOCK_MONOTONIC") if platform == "darwin" else None)
    return time.monotonic if which is None else lambda: time.clock_gettime(which)


class Clock:
    """The clock of a lease, its waiting and its thread; tests pass one that they step by hand.

    Attributes
    ----------
    now : callable
        Returns the seconds since some fixed moment.
    """

    def __init__(self) -> None:
        self.now = _clock_of(vars(time), sys.platform)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def repeat(self, act: Callable[[], None]) -> Callable[[], None]:
        """Call a function every `RENEW_AFTER` seconds in a thread, and return a function that ends this."""
        ended = threading.Event()

        def run() -> None:
            while not ended.wait(RENEW_AFTER):
                act()

        def end() -> None:
            ended.set()
            # A store that does not answer must not keep the process alive.
            thread.join(timeout=RENEW_AFTER)

        thread = threading.Thread(target=run, name="arignote-lease", daemon=True)
        thread.start()
        return end


class Lease:
    """The lease of a run; constructing it waits until it is held.

    Parameters
    ----------
    folder : Folder
        Where the files of the run are.
    stem : str
        Name of the files of the run.
    check_stop : callable
        Called while waiting for another holder; an exception that it raises ends the waiting.
    clock : Clock, optional
        Time and waiting; default the clock of the machine.

    Raises
    ------
    CheckpointError
        If the store cannot be reached.
    """

    def __init__(self, folder: Folder, stem: str, check_stop: CheckStop, clock: Clock | None = None):
        self._folder, self._name, self._run = folder, f".{stem}.lease", folder.path_of(stem)
        self._clock = Clock() if clock is None else clock
        self._id = uuid.uuid4().hex
        self._me: dict[str, str | int] = {"host": socket.gethostname(), "pid": os.getpid(), "id": self._id}
        self._count = 0
        self._lost = ""
        self._take(check_stop)
        self._end = self._clock.repeat(self.renew)

    def _take(self, check_stop: CheckStop) -> None:
        seen, since, warned = None, 0.0, False
        while True:
            # The clock is read before the lease: a suspended machine that wakes up in between takes nothing over.
            now = self._clock.now()
            found = self._found()
            if found is None or (found == seen and now - since >= STALE_AFTER):
                if self._claim(found):
                    return
                continue
            if found != seen:
                seen, since = found, self._clock.now()
            if not warned:
                warned = True
                warn(
                    f"{self._run}: {holder(found)} holds this run; waiting until its lease ends, "
                    f"or has not been renewed for {STALE_AFTER:g} s"
                )
            check_stop()
            self._clock.sleep(LOOK_AFTER)

    def _found(self) -> bytes | None:
        try:
            return self._folder.read(self._name)
        except NotThereError:
            return None

    def _is_mine(self, found: bytes) -> bool:
        return self._id.encode() in found

    def _next(self) -> bytes:
        """Return contents that no lease has had before."""
        self._count += 1
        return json.dumps(self._me | {"renewed": self._count}).encode()

    def _claim(self, expected: bytes | None) -> bool:
        """Write a lease that nobody renews any more, and return whether it is held now.

        Where the condition is not checked atomically, several newcomers may write; the last write stands. Each writes
        soon after it has compared, or not at all, and reads the lease again when none of the others can still write.
        """
        settle = SETTLE_FREE if expected is None else SETTLE
        text, began, times = self._next(), self._clock.now(), list[float]()

        def soon() -> None:
            times.append(self._clock.now())
            if times[-1] - times[0] >= settle / 2:
                raise _TooLateError

        try:
            if self._folder.write_if(self._name, [text], expected, soon):
                self._clock.sleep(settle)
        except _TooLateError:
            return False
        # Read even where the write was refused: a client may have repeated a request that had succeeded.
        if self._found() != text:
            return False
        # Others may have seen the contents as soon as the write began.
        self._began = began
        return True

    def renew(self) -> None:
        """Renew the lease; past the deadline, take it over if it is still as this process left it."""
        if self._lost:
            return
        try:
            now = self._clock.now()
            found = self._owned()
            if now < self._deadline:
                # A refused write is looked at by the next renewal, or by the next check.
                if self._folder.write_if(self._name, [self._next()], found, self.check_deadline):
                    self._began = now
            elif now - self._began >= STALE_AFTER:
                self._claim(found)
        except CheckpointError:
            # The lease is lost, which the next check raises; or the store cannot be reached now, but perhaps later.
            return

    @property
    def _deadline(self) -> float:
        return self._began + STALE_AFTER - MARGIN

    def _owned(self) -> bytes:
        """Return the contents of the lease; LeaseLostError if another process has taken it."""
        found = self._found()
        if found is None or not self._is_mine(found):
            # Where there is no lease, the process that took it over may have ended already.
            self._lost = holder(found) if found is not None else "another process, or removed"
            raise self._loss()
        return found

    def _loss(self) -> LeaseLostError:
        return LeaseLostError(
            f"{self._run}: the lease of this run was taken over by {self._lost}, because it could not be renewed "
            "in time; this process stops without writing"
        )

    def check(self) -> None:
        """Read the lease; LeaseLostError if another process has taken it, LeaseLapsedError past the deadline."""
        self.check_deadline()
        self._owned()
        # The process may have been paused while it read.
        self.check_deadline()

    def check_deadline(self) -> None:
        """LeaseLapsedError if the lease was not renewed in time, LeaseLostError if it is known to be lost."""
        if self._lost:
            raise self._loss()
        if self._clock.now() >= self._deadline:
            raise LeaseLapsedError(
                f"{self._run}: the lease of this run could not be renewed within {STALE_AFTER:g} s, so that another "
                "process may have taken the run over; nothing is written before the lease is held again"
            )

    def release(self) -> None:
        """End the renewals, and remove the lease if it is held."""
        self._end()
        try:
            self.check()
            # A renewal that the thread may still be in writes no more.
            self._began = float("-inf")
            self._folder.remove(self._name)
        except CheckpointError:
            # It is another's, or the store cannot be reached; then others take it over after STALE_AFTER.
            return


class _TooLateError(CheckpointError):
    """The process was paused before its write; others may have written since."""


class LeaseLapsedError(CheckpointError):
    """The lease was not renewed in time; it may be held again later."""


class LeaseLostError(CheckpointError):
    """Another process holds the run now."""
