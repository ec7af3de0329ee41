"""One writer per run without locks of the operating system: a lease, which its holder must renew.

A lease is a small file with its holder and a number that grows with each renewal. Three rules prevent two processes
from holding it at once, whatever their clocks show and however long either is paused:

- A newcomer takes over a lease after it read the same contents for `STALE_AFTER` seconds of its own clock.
- The holder counts from the start of its last successful renewal. `STALE_AFTER` less `MARGIN` seconds later it
  stops writing; past that deadline it can only take over the lease as a newcomer does.
- A lease is written only if its contents are those last read (`Folder.write_if`). If a folder cannot check this
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

# Seconds. The margin allows for clocks that run at different rates, and for the duration of a write.
RENEW_AFTER = 10.0
STALE_AFTER = 60.0
MARGIN = 10.0
# Seconds between two reads of a lease that another process holds, and from a newcomer's own write to its reading it
# again: fewer for a lease without a holder, since nearly every folder creates a file atomically.
LOOK_AFTER = 0.5
SETTLE = 2.0
SETTLE_FREE = 0.5


def _clock_of(names: Mapping[str, Any], platform: str) -> Callable[[], float]:
    """Return a monotonic clock; if the system has one, a clock that also runs while the machine is suspended."""
    # clock_gettime(2) of Linux, clock_gettime(3) of macOS; time.monotonic() stops during suspension on both.
    which = names.get("CLOCK_BOOTTIME", names.get("CLOCK_MONOTONIC") if platform == "darwin" else None)
    return time.monotonic if which is None else lambda: time.clock_gettime(which)


class Clock:
    """Time, waiting and the renewal thread of a lease; tests replace it by one that they advance by hand.

    Attributes
    ----------
    now : callable
        Returns the seconds since an arbitrary fixed moment.
    """

    def __init__(self) -> None:
        self.now = _clock_of(vars(time), sys.platform)

    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds."""
        time.sleep(seconds)

    def repeat(self, renew: Callable[[], None]) -> Callable[[], None]:
        """Call a function every `RENEW_AFTER` seconds in a thread, and return a function that stops the thread."""
        ended = threading.Event()

        def run() -> None:
            while not ended.wait(RENEW_AFTER):
                renew()

        def stop() -> None:
            ended.set()
            # With a timeout: a store that does not answer must not keep the process from exiting.
            thread.join(timeout=RENEW_AFTER)

        thread = threading.Thread(target=run, name="arignote-lease", daemon=True)
        thread.start()
        return stop


class Lease:
    """The lease of a run; the constructor waits until it is held.

    Parameters
    ----------
    folder : Folder
        Folder of the files of the run.
    stem : str
        Name with which the files of the run begin.
    check_stop : callable
        Called repeatedly while another process holds the lease; an exception that it raises ends the wait.
    clock : Clock, optional
        Time and waiting; default the clock of the machine.

    Raises
    ------
    CheckpointError
        If the store cannot be reached.

    Warns
    -----
    ArignoteWarning
        Once, if another process holds the lease.
    """

    def __init__(self, folder: Folder, stem: str, check_stop: CheckStop, clock: Clock | None = None):
        self._folder, self._name, self._run = folder, f".{stem}.lease", folder.path_of(stem)
        self._clock = Clock() if clock is None else clock
        self._id = uuid.uuid4().hex
        self._holder: dict[str, str | int] = {"host": socket.gethostname(), "pid": os.getpid(), "id": self._id}
        self._count = 0
        self._lost = ""
        self._acquire(check_stop)
        self._stop_renewals = self._clock.repeat(self.renew)

    def _acquire(self, check_stop: CheckStop) -> None:
        """Wait until the lease is held."""
        seen, since, warned = None, 0.0, False
        while True:
            # Read the clock before the lease: a machine that is suspended in between must not take over the lease.
            now = self._clock.now()
            contents = self._read()
            if contents is None or (contents == seen and now - since >= STALE_AFTER):
                if self._claim(contents):
                    return
                continue
            if contents != seen:
                seen, since = contents, self._clock.now()
            if not warned:
                warned = True
                warn(
                    f"{self._run}: {holder(contents)} holds this run; waiting until its lease ends, "
                    f"or has not been renewed for {STALE_AFTER:g} s"
                )
            check_stop()
            self._clock.sleep(LOOK_AFTER)

    def _read(self) -> bytes | None:
        """Return the contents of the lease; None if there is none."""
        try:
            return self._folder.read(self._name)
        except NotThereError:
            return None

    def _is_mine(self, contents: bytes) -> bool:
        return self._id.encode() in contents

    def _next_contents(self) -> bytes:
        """Return contents that no lease has had before."""
        self._count += 1
        return json.dumps(self._holder | {"renewed": self._count}).encode()

    def _claim(self, expected: bytes | None) -> bool:
        """Write a lease that is free or stale, and return whether this process holds it now.

        If the folder does not check the condition atomically, several newcomers may write, and the last write
        remains. Each writes soon after its comparison, or not at all, and reads the lease again once none of the
        others can still write.
        """
        settle = SETTLE_FREE if expected is None else SETTLE
        text, began, times = self._next_contents(), self._clock.now(), list[float]()

        def check_in_time() -> None:
            times.append(self._clock.now())
            if times[-1] - times[0] >= settle / 2:
                raise _TooLateError

        try:
            if self._folder.write_if(self._name, [text], expected, check_in_time):
                self._clock.sleep(settle)
        except _TooLateError:
            return False
        # Read even if the write was refused: a client may have repeated a request that had succeeded.
        if self._read() != text:
            return False
        # Not the end of the write: other processes may have read the contents as soon as it began.
        self._began = began
        return True

    def renew(self) -> None:
        """Renew the lease; past the deadline, take it over if its contents are still those of this process."""
        if self._lost:
            return
        try:
            now = self._clock.now()
            contents = self._owned()
            if now < self._deadline:
                # If the write is refused, the next renewal or check finds out why.
                if self._folder.write_if(self._name, [self._next_contents()], contents, self.check_deadline):
                    self._began = now
            elif now - self._began >= STALE_AFTER:
                self._claim(contents)
        except CheckpointError:
            # Either the lease is lost, which the next check raises, or the store cannot be reached at present.
            return

    @property
    def _deadline(self) -> float:
        return self._began + STALE_AFTER - MARGIN

    def _owned(self) -> bytes:
        """Return the contents of the lease; LeaseLostError if another process has taken it."""
        contents = self._read()
        if contents is None or not self._is_mine(contents):
            # Without a lease, the process that took it over may have exited already.
            self._lost = holder(contents) if contents is not None else "another process, or removed"
            raise self._loss()
        return contents

    def _loss(self) -> LeaseLostError:
        return LeaseLostError(
            f"{self._run}: the lease of this run was taken over by {self._lost}, because it could not be renewed "
            "in time; this process stops without writing"
        )

    def check(self) -> None:
        """Verify by the clock and the stored lease that this process holds it.

        Raises
        ------
        LeaseLostError
            If another process has taken over the lease.
        LeaseLapsedError
            If the deadline for a renewal has passed.
        """
        self.check_deadline()
        self._owned()
        # Again, as the process may have been paused while it read.
        self.check_deadline()

    def check_deadline(self) -> None:
        """Verify by the clock alone that this process holds the lease.

        Raises
        ------
        LeaseLostError
            If the lease is known to be lost.
        LeaseLapsedError
            If the deadline for a renewal has passed.
        """
        if self._lost:
            raise self._loss()
        if self._clock.now() >= self._deadline:
            raise LeaseLapsedError(
                f"{self._run}: the lease of this run could not be renewed within {STALE_AFTER:g} s, so that another "
                "process may have taken the run over; nothing is written before the lease is held again"
            )

    def release(self) -> None:
        """Stop the renewals, and remove the lease if this process still holds it."""
        self._stop_renewals()
        try:
            self.check()
            # Past the deadline, so that a renewal that is still running in the thread does not write.
            self._began = float("-inf")
            self._folder.remove(self._name)
        except CheckpointError:
            # Another process holds it, or the store cannot be reached; then it is stale after STALE_AFTER.
            return


class _TooLateError(CheckpointError):
    """The process was paused before its write; another process may have written since."""


class LeaseLapsedError(CheckpointError):
    """The lease was not renewed in time; it may be acquired again later."""


class LeaseLostError(CheckpointError):
    """Another process holds the run now."""
