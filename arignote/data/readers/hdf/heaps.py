"""The heaps of an HDF5 file, where text of any length lies: checked before the HDF5 library walks through them.

A global heap collection is "GCOL", a version, its size, then objects one behind the other, each with its size ("HDF5
File Format Specification Version 3.0", III.E). The library (2.0) follows a size of 0 without end.
"""

from __future__ import annotations

import mmap
import os
import struct
from functools import lru_cache

from arignote.data.readers.base import IN_MEMORY
from arignote.errors import DataError

__all__ = ["check_heaps"]

_BEGIN = b"GCOL\1\0\0\0"
_HEADER = 16


def check_heaps(path: str) -> None:
    """DataError where a heap of a file is broken; a file beyond 256 MB is not searched for them."""
    found = os.stat(path)
    if 0 < found.st_size <= IN_MEMORY:
        _check(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=64)
def _check(path: str, n_bytes: int, changed_at: int) -> None:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(_BEGIN)
        while at >= 0:
            if not _is_whole(data, at):
                raise DataError(f"{path}: is broken: its heap of texts at byte {at} has an object of a wrong size")
            at = data.find(_BEGIN, at + len(_BEGIN))


def _is_whole(data: mmap.mmap, at: int) -> bool:
    """Whether each object of a collection lies within it, and the next one behind it."""
    if at + _HEADER > len(data):
        return True
    end = at + struct.unpack_from("<Q", data, at + 8)[0]
    place = at + _HEADER
    while place + _HEADER <= min(end, len(data)):
        number, size = struct.unpack_from("<H6xQ", data, place)
        # The object 0 is what is free, and counts its own header.
        step = size if number == 0 else _HEADER + (size + 7) // 8 * 8
        if step < _HEADER or place + step > end:
            return False
        place += step
    return True
