"""Check of the global heaps of an HDF5 file, which hold strings of variable length, before the library reads them.

A global heap collection is "GCOL", a version, its size, then a sequence of objects, each with its size ("HDF5 File
Format Specification Version 3.0", III.E). The library (2.0) loops forever on an object of size 0.
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
# Bytes of the header of a collection, and of that of an object.
_HEADER = 16


def check_heaps(path: str) -> None:
    """Check the heaps of a file. Files larger than 256 MB are not searched.

    Parameters
    ----------
    path : str
        The file.

    Raises
    ------
    DataError
        If an object of a heap has a wrong size.
    """
    stat = os.stat(path)
    if 0 < stat.st_size <= IN_MEMORY:
        _check(path, stat.st_size, stat.st_mtime_ns)


# By size and time: a file that is opened again is searched again only if it has changed.
@lru_cache(maxsize=64)
def _check(path: str, n_bytes: int, changed_at: int) -> None:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(_BEGIN)
        while at >= 0:
            if not _is_whole(data, at):
                raise DataError(f"{path}: is broken: its heap of strings at byte {at} has an object of a wrong size")
            at = data.find(_BEGIN, at + len(_BEGIN))


def _is_whole(data: mmap.mmap, at: int) -> bool:
    """Return whether each object of a collection lies within it, and the next one after it."""
    if at + _HEADER > len(data):
        return True
    end = at + struct.unpack_from("<Q", data, at + 8)[0]
    place = at + _HEADER
    while place + _HEADER <= min(end, len(data)):
        number, size = struct.unpack_from("<H6xQ", data, place)
        # Object 0 is the free space, whose size includes its header.
        # That of another object is the size of its data, which are padded to 8 bytes.
        step = size if number == 0 else _HEADER + (size + 7) // 8 * 8
        if step < _HEADER or place + step > end:
            return False
        place += step
    return True
