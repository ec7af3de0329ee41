"""The files of a run while a process trains it: locked, beside those that keep its state while a store is away."""

from __future__ import annotations

import getpass
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from arignote.checkpoints.storage import is_url
from arignote.checkpoints.writer import RunWriter
from arignote.fit.plan import FitRequest
from arignote.fit.processes import is_first
from arignote.fit.stored.folder_stem import stem_of_fewer_epochs
from arignote.preemption.signals import StopRequest

__all__ = ["locked_files"]


@contextmanager
def locked_files(
    request: FitRequest, stop: StopRequest
) -> Iterator[tuple[FitRequest, RunWriter | None, RunWriter | None]]:
    """Give the request with its stem, the files, locked, and those that keep its state while the store is away."""
    if request.checkpoint is None or not is_first(request.processes):
        yield request, None, None
        return
    files = RunWriter(request.checkpoint, request.settings.keep_last, request.settings.keep_epochs)
    spool = None
    if is_url(files.stem):
        # With the user, as all of them share the temporary folder; the digest stands for the URL.
        folder = f"arignote-{getpass.getuser()}-{hashlib.sha256(files.stem.encode()).hexdigest()[:16]}"
        spool = RunWriter(str(Path(tempfile.gettempdir()) / folder / "spool"))
    # In a folder the other process trains this very fit, such as a worker that a killed search has left behind.
    files.acquire(stop.check, wait=request.is_in_folder)
    try:
        # Only now is it certain how far the run is.
        n_epochs = files.complete_epochs() if request.is_in_folder and request.settings.resume in (True, "force") else 0
        if n_epochs <= request.settings.n_epochs:
            yield request, files, spool
            return
    finally:
        files.release()
    # Released above: the run of this stem has more epochs than are asked for, and must not be cut.
    stem = stem_of_fewer_epochs(request.checkpoint, request.settings.n_epochs)
    with locked_files(replace(request, checkpoint=stem), stop) as opened:
        yield opened
