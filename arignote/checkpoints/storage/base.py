"""The interface of storage: folders that hold files, and locks for one writer per run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Protocol

from arignote.errors import CheckpointError

__all__ = [
    "BeforeCommit",
    "CheckStop",
    "Chunks",
    "Folder",
    "Lock",
    "NotThereError",
    "RunHeldError",
    "do_nothing",
    "holder",
    "is_url",
]


class NotThereError(CheckpointError):
    """The file does not exist."""


class RunHeldError(CheckpointError):
    """Another process trains this run."""


# The bytes of one file, in order; a large file is never joined in memory.
Chunks = Sequence[bytes | memoryview]
# Raises an exception if the process was asked to stop.
CheckStop = Callable[[], None]
# Raises an exception if the file must not be written after all.
BeforeCommit = Callable[[], None]


def do_nothing() -> None:
    """Do nothing: the default of `before`."""


class Lock(Protocol):
    """The right to write the files of a run, which one process holds at a time."""

    def check(self) -> None:
        """Verify in the storage that this process still holds the run.

        Raises
        ------
        CheckpointError
            If another process has, or may have, taken over the run.
        """

    def check_deadline(self) -> None:
        """Verify by the clock alone that this process still holds the run.

        Raises
        ------
        CheckpointError
            If another process may have taken over the run.
        """

    def release(self) -> None:
        """Release the run, so that another process can acquire it."""


class Folder(Protocol):
    """Interface of folders: files by name, without subfolders.

    Methods raise CheckpointError if the storage fails; the message begins with the path.
    """

    def path_of(self, name: str = "") -> str:
        """Return the path of a file, or of the folder, for messages."""

    def names(self) -> list[str]:
        """Return the sorted names of all files; an empty list if the folder does not exist."""

    def read(self, name: str, n_bytes: int | None = None) -> bytes:
        """Return the contents of a file, or its first `n_bytes`; NotThereError if it does not exist."""

    def write(self, name: str, chunks: Chunks, before: BeforeCommit = do_nothing) -> None:
        """Write a file atomically: afterwards it is complete, or as it was before.

        Parameters
        ----------
        name : str
        chunks : iterable of bytes
            The new contents.
        before : callable
            Called immediately before the operation that makes the new contents visible.
        """

    def write_if(self, name: str, chunks: Chunks, expected: bytes | None, before: BeforeCommit = do_nothing) -> bool:
        """Write a small file if its contents are as expected; return whether it was written.

        If the storage has conditional writes, comparison and write are one atomic operation, and `before` is called
        immediately before it. Otherwise the file is read and compared, then written, and `before` is called before each
        of the two.

        Parameters
        ----------
        name, chunks, before : object
            As of `write`.
        expected : bytes or None
            Contents that the file must have; None: it must not exist.
        """

    def set_aside(self, old: str, new: str) -> None:
        """Give the contents of the file `old` the name `new`, shortly before `old` is written again."""

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""

    def prepare(self, stem: str) -> None:
        """Create the folder, test that it is writable, and remove temporary files that killed writes of `stem` left."""

    def lock(self, stem: str, check_stop: CheckStop) -> Lock:
        """Acquire the lock of a run; `check_stop` is called repeatedly while waiting, and may raise."""


def holder(text: str | bytes) -> str:
    """Return which process holds a run, from the contents of a lock or a lease."""
    try:
        values = json.loads(text)
        return f"process {values['pid']} on {values['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def is_url(path: str) -> bool:
    """Return whether a stem or a file is a URL, such as s3://bucket/run."""
    # A scheme (RFC 3986, 3.1); fsspec joins two of them, as in simplecache::s3://bucket/run.
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+(::|://)", path) is not None
