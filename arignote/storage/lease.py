"""One run, one writer, where no operating system can lock: a lease that is renewed, and taken over when it is not.

A lease is a small file: who holds it, and a number that grows with each renewal. A newcomer watches it by its own
clock, so that the clocks of two machines need not agree.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
import warnings

from arignote.errors import ArignoteWarning, CheckpointError
from arignote.storage.base import Folder, Heed, NotThereError, holder

__all__ = ["RENEW_AFTER", "STALE_AFTER", "Lease", "LeaseLostError"]

RENEW_AFTER = 10.0
STALE_AFTER = 60.0


class Lease:
    """The lease of a run, held from here on.

    Parameters
    ----------
    folder : Folder
        Where the run's files are.
    stem : str
        Name of its files.
    heed : callable
        Called while waiting for another holder; what it raises ends the waiting.

    Raises
    ------
    CheckpointError
        Where the store cannot be reached.
    """

    def __init__(self, folder: Folder, stem: str, heed: Heed):
        self._folder, self._name, self._run = folder, f".{stem}.lease", folder.where(stem)
        self._me: dict[str, str | int] = {"host": socket.gethostname(), "pid": os.getpid(), "id": uuid.uuid4().hex}
        self._count = 0
        self._lost = ""
        self._done = threading.Event()
        self._take(heed)
        self._thread = threading.Thread(target=self._renew_often, name="arignote-lease", daemon=True)
        self._thread.start()

    def _take(self, heed: Heed) -> None:
        seen, since, told = None, 0.0, False
        while True:
            # The clock is read before the lease: a machine that sleeps between the two takes nothing over.
            now = time.monotonic()
            found = self._found()
            if found is None or (found == seen and now - since >= STALE_AFTER):
                self._renew()
                # Of two that take it at once, the later write stands; the other sees it now, or at its first save.
                time.sleep(min(RENEW_AFTER / 5, 0.5 if found is None else 2.0))
                if self._is_mine(self._found()):
                    return
                continue
            if found != seen:
                seen, since = found, time.monotonic()
            if not told:
                told = True
                warnings.warn(
                    f"{self._run}: {holder(found)} holds this run; waiting until its lease ends, "
                    f"or has not been renewed for {STALE_AFTER:g} s",
                    ArignoteWarning,
                    stacklevel=2,
                )
            heed()
            time.sleep(min(RENEW_AFTER / 10, 0.5))

    def _found(self) -> str | None:
        try:
            return self._folder.read(self._name).decode(errors="replace")
        except NotThereError:
            return None

    def _is_mine(self, found: str | None) -> bool:
        return found is not None and str(self._me["id"]) in found

    def _renew(self) -> None:
        self._count += 1
        self._folder.write(self._name, [json.dumps(self._me | {"renewed": self._count}).encode()])

    def _renew_often(self) -> None:
        while not self._done.wait(RENEW_AFTER) and not self._lost:
            try:
                self.check()
                if not self._done.is_set():
                    self._renew()
            except CheckpointError:
                # Lost, which the next write tells; or the store is away for a while, and the lease may be taken.
                continue

    def check(self) -> None:
        """CheckpointError where another process holds the lease now, or where the store cannot be asked."""
        found = None if self._lost else self._found()
        if not self._lost and not self._is_mine(found):
            # Without a lease, who took it over may have ended already.
            self._lost = holder(found) if found is not None else "another process, or removed"
        if self._lost:
            raise LeaseLostError(
                f"{self._run}: the lease of this run was taken over by {self._lost}, because it could not be renewed "
                "in time; this process stops without writing"
            )

    def release(self) -> None:
        """End the renewals, and remove the lease where it is still ours."""
        self._done.set()
        self._thread.join(timeout=RENEW_AFTER)
        try:
            self.check()
            self._folder.remove(self._name)
        except CheckpointError:
            # Left as it is, it ends by itself.
            return


class LeaseLostError(CheckpointError):
    """Another process has the run now."""
