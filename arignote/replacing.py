"""Text files that are replaced as a whole, or stay as they were."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

__all__ = ["replacing"]


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """Give a file to write to, which takes the place of `path`, and its mode, in the end; OSError: the old one stays.

    What is no file, such as a pipe, is written to as it is; so is what /dev/stdout stands for, be it a file.
    """
    is_there, stream = path.exists(), _stream(path)
    if stream is not None or (is_there and not path.is_file()):
        with open(path if stream is None else os.dup(stream), "w", encoding="utf-8", newline="") as file:
            yield file
        return
    path = Path(os.path.realpath(path))
    if is_there and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            yield file
        if is_there:
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _stream(path: Path) -> int | None:
    """Return the file descriptor that a path stands for: opened by its name, a file would begin anew."""
    if path.parent == Path("/dev/fd") and path.name.isdecimal():
        return int(path.name)
    return {"/dev/stdout": 1, "/dev/stderr": 2}.get(str(path))
