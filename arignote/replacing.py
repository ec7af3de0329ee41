"""Files that are replaced atomically."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

__all__ = ["is_stream", "replacing", "replacing_bytes"]


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """Yield a temporary text file, and replace `path` by it at the end, with the mode of the old file.

    After an exception the old file is unchanged. A path that exists but is not a regular file, such as a pipe, is
    written to directly, and so are /dev/stdout, /dev/stderr and /dev/fd/N, even if they refer to a file.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with _replacing(path, "w", encoding="utf-8", newline="") as file:
        yield file


@contextmanager
def replacing_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Yield a temporary binary file, as `replacing` yields a text file; it can be read and positioned too.

    Raises
    ------
    OSError
        If the file cannot be written, or if it is a pipe, which has no positions.
    """
    with _replacing(path, "w+b") as file:
        yield file


def is_stream(path: Path) -> bool:
    """Return whether a path is written to directly: a pipe, a device, or a file descriptor of this process."""
    return _stream(path) is not None or (path.exists() and not path.is_file())


@contextmanager
def _replacing(path: Path, mode: str, **options: Any) -> Iterator[IO[Any]]:
    exists, stream = path.exists(), _stream(path)
    if is_stream(path):
        with open(path if stream is None else os.dup(stream), mode, **options) as file:
            yield file
        return
    # Of a symbolic link the target is replaced, not the link.
    path = Path(os.path.realpath(path))
    if exists and not os.access(path, os.W_OK):
        # os.replace would replace a read-only file in a writable folder.
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open(mode, **options) as file:
            yield file
        if exists:
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _stream(path: Path) -> int | None:
    """Return the file descriptor that a path refers to, as opening the path would truncate a redirected file."""
    if path.parent == Path("/dev/fd") and path.name.isdecimal():
        return int(path.name)
    return {"/dev/stdout": 1, "/dev/stderr": 2}.get(str(path))
