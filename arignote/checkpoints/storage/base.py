"""What every place for files can do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Protocol

from arignote.errors import CheckpointError

__all__ = ["BeforeCommit", "CheckStop", "Chunks", "Folder", "Lock", "NotThereError", "do_nothing", "holder", "is_url"]


class NotThereError(CheckpointError):
    """There is no file of this name."""


Chunks = Sequence[bytes | memoryview]
CheckStop = Callable[[], None]
BeforeCommit = Callable[[], None]


def do_nothing() -> None:
    """Do nothing before a write."""


class Lock(Protocol):
    """One run, one writer."""

    def check(self) -> None:
        """Ask where the files are; CheckpointError if another process has, or may have, taken the run over."""

    def check_deadline(self) -> None:
        """Ask only the clock; CheckpointError if another process may have taken the run over."""

    def release(self) -> None:
        """Let others have the run."""


class Folder(Protocol):
    """Names, and the bytes under them. What goes wrong is a CheckpointError that begins with the path."""

    def path_of(self, name: str = "") -> str:
        """Return the path of a name, as it is told to people."""

    def names(self) -> list[str]:
        """Return the names there are; none where there is no such folder."""

    def read(self, name: str, n_bytes: int | None = None) -> bytes:
        """Return the contents of a file, or its first bytes."""

    def write(self, name: str, chunks: Chunks, before: BeforeCommit = do_nothing) -> None:
        """Put a file under a name: complete or not at all. `before` is called when only the last act is left."""

    def write_if(self, name: str, chunks: Chunks, expected: bytes | None, before: BeforeCommit = do_nothing) -> bool:
        """Write a small file if its contents are `expected` (None: if there is none); return whether it was written.

        `before` is called when only the last act is left. That is atomic where the storage has conditional writes;
        elsewhere the file is read and compared, then written, and `before` is called before each of the two.
        """

    def set_aside(self, old: str, new: str) -> None:
        """Give the file `old` the name `new`; `old` is going to be written anew."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def prepare(self, stem: str) -> None:
        """Make the folder, see that a file can be written there, and remove what killed writes of `stem` left."""

    def lock(self, stem: str, check_stop: CheckStop) -> Lock:
        """Become the one writer of a run; `check_stop` is called while waiting, and may raise."""


def holder(text: str | bytes) -> str:
    """Return who holds a run, of what a lock or a lease says."""
    try:
        told = json.loads(text)
        return f"process {told['pid']} on {told['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def is_url(path: str) -> bool:
    """Whether a stem or a file is a URL, such as s3://bucket/run."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+(::|://)", path) is not None
