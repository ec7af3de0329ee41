"""Readers of .npy and .npz of NumPy: headers are read as data, sizes are checked against the file and free memory.

The format is that of numpy.lib.format, versions 1 to 3 (numpy.org/neps/nep-0001-npy-format.html), whose functions parse
the header. `numpy.load` itself allocates what a header declares, and accepts dtypes of fields and of objects.
"""

from __future__ import annotations

import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.lib.format as npy
from numpy.typing import NDArray

from arignote.data.readers.memory_check import check_memory
from arignote.errors import DataError
from arignote.safe.arrays import checked_shape, checked_values, plain_dtype

__all__ = ["arrays_in", "map_npy", "read_npz"]

# Bytes, the limit of numpy.load: the parser of Python literals may crash on longer headers.
_LONGEST_HEADER = 10_000
# Bytes read at a time.
_READ_BYTES = 1 << 20
# Highest ratio of deflate (RFC 1951): 258 bytes in two bits.
_MOST_DEFLATED = 1032
# struct format of the length of a header, by version.
_LENGTHS = {(1, 0): "<H", (2, 0): "<I", (3, 0): "<I"}


@dataclass(frozen=True)
class _Header:
    dtype: np.dtype[Any]
    order: str
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@contextmanager
def _reporting(where: str) -> Iterator[None]:
    """Raise errors of a broken file as DataErrors that name it."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{where}: there is no such file") from None
    except MemoryError:
        raise DataError(f"{where}: needs more memory than is free") from None
    except (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{where}: cannot be read as {where[where.rfind('.') :].partition(':')[0]}: {error}") from None
    except (OverflowError, IndexError, AttributeError, struct.error, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"{where}: is broken or truncated: {error}") from None


def _header(file: IO[bytes]) -> _Header:
    """Read the header of a .npy."""
    version = npy.read_magic(file)
    if version not in _LENGTHS:
        raise ValueError(f"the version {version[0]}.{version[1]} of the format is unknown")
    prefix = file.read(struct.calcsize(_LENGTHS[version]))
    (length,) = struct.unpack(_LENGTHS[version], prefix)
    # NumPy compares the length with its limit only after it has read the header.
    if length > _LONGEST_HEADER:
        raise ValueError(f"its header declares {length} bytes; at most {_LONGEST_HEADER} are read")
    whole = io.BytesIO(prefix + file.read(length))
    # Version 3 differs from 2 in names of fields in UTF-8; a plain dtype has none.
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, is_fortran, declared = read(whole, _LONGEST_HEADER)
    except Exception as error:
        # The parser of a forged header may raise nearly anything, and NumPy repeats all of the header.
        raise ValueError(f"its header cannot be parsed: {type(error).__name__}: {error!s:.200}") from None
    return _Header(_plain(declared), "F" if is_fortran else "C", checked_shape(shape))


def _plain(declared: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that a header declares, rebuilt from its name; ValueError for objects and fields."""
    if declared.names is not None or declared.hasobject:
        raise ValueError(f"objects and fields are not read; got the dtype {str(declared)!r:.200}")
    return plain_dtype(declared.str[1:], declared.str[0])


def map_npy(path: Path) -> NDArray[Any]:
    """Open the array of a .npy as a memory map.

    Parameters
    ----------
    path : Path

    Returns
    -------
    array
        Read-only.

    Raises
    ------
    DataError
        If the file is missing or broken, holds objects, or is shorter than its header declares.
    """
    with _reporting(str(path)):
        with open(path, "rb") as file:
            header = _header(file)
            begin, size = file.tell(), os.fstat(file.fileno()).st_size
        if size - begin < header.n_bytes:
            raise ValueError(
                f"it declares the shape {header.shape} of {header.dtype}, {header.n_bytes} bytes; "
                f"the file has {size - begin}"
            )
        if not header.n_bytes:
            return np.zeros(header.shape, header.dtype)
        order: Any = header.order
        mapped: NDArray[Any] = np.memmap(path, header.dtype, "r", begin, header.shape, order)
        # Only text is checked: checking booleans would copy them into memory.
        return checked_values(mapped) if header.dtype.kind == "U" else mapped


def arrays_in(path: Path) -> list[str]:
    """Return the names of the arrays of a .npz."""
    with _reporting(str(path)), zipfile.ZipFile(path) as packed:
        return [name.removesuffix(".npy") for name in packed.namelist() if name.endswith(".npy")]


def read_npz(path: Path, name: str) -> NDArray[Any]:
    """Read one array of a .npz into memory.

    Parameters
    ----------
    path : Path
    name : str
        One of `arrays_in(path)`.

    Returns
    -------
    array

    Raises
    ------
    DataError
        If the file is missing or broken, holds objects, or declares more than it holds or than memory is free.
    """
    where = f"{path}:{name}"
    with _reporting(where), zipfile.ZipFile(path) as packed:
        entry = packed.getinfo(f"{name}.npy")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"it is compressed by the method {entry.compress_type}, which NumPy does not write")
        with packed.open(entry) as file:
            header = _header(file)
            # The most that the file can hold, whatever its entries declare.
            most = _MOST_DEFLATED * os.path.getsize(path)
            if header.n_bytes > min(most, entry.file_size):
                raise ValueError(
                    f"it declares the shape {header.shape} of {header.dtype}, {header.n_bytes} bytes, "
                    "which are not in the file"
                )
            check_memory(header.n_bytes, where)
            array = np.empty(math.prod(header.shape), header.dtype)
            target, at = memoryview(array.view(np.uint8)), 0  # type: ignore[arg-type]
            while at < header.n_bytes:
                piece = file.read(min(_READ_BYTES, header.n_bytes - at))
                if not piece:
                    raise ValueError("it is truncated")
                target[at : at + len(piece)] = piece
                at += len(piece)
            # Reading to the end also verifies the checksum.
            if file.read(1):
                raise ValueError("it is longer than its shape declares")
        shaped: NDArray[Any] = array.reshape(header.shape, order=header.order)  # type: ignore[call-overload]
        return checked_values(shaped)
