"""Arrays from the bytes of an untrusted file: plain dtypes by name only, sizes checked before allocation."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.safe.limits import MOST_AXES

__all__ = ["array_of_bytes", "array_of_objects", "checked_shape", "checked_values", "plain_dtype"]

# Numbers, booleans, bytes and text of a fixed length: "f8", "b1", "S3", "U5". "?" is a boolean too.
_NAME = re.compile(r"[biufc]\d{1,2}|\?|[SU]\d{1,9}")
# Rows without bytes take no space in a file, but time in every loop over them.
_MOST_EMPTY_ROWS = 10_000_000


def plain_dtype(name: Any, order: Any = "=") -> np.dtype[Any]:
    """Return the dtype of a name such as "f8" and a byte order; raise ValueError if it is not a plain one.

    No dtype is built from a pickled state, which could describe fields and pointers beyond the data.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"the dtype {name!r:.80} is not numbers, booleans or text of a fixed length")
    if order not in ("<", ">", "|", "="):
        raise ValueError(f"the byte order must be '<', '>', '|' or '='; got {order!r:.80}")
    try:
        dtype: np.dtype[Any] = np.dtype(name)
    except TypeError:
        raise ValueError(f"this machine has no dtype {name!r}") from None
    if not dtype.itemsize:
        raise ValueError(f"the dtype {name!r} has no bytes")
    return dtype if order in "|=" else dtype.newbyteorder(order)


def checked_shape(shape: Any) -> tuple[int, ...]:
    """Return a shape from a file; raise ValueError if it is not a tuple of at most 32 sizes."""
    if not isinstance(shape, tuple | list) or len(shape) > MOST_AXES:
        raise ValueError(f"a shape must be a tuple of at most {MOST_AXES} sizes; got {shape!r:.80}")
    if not all(type(size) is int and 0 <= size < 2**63 for size in shape):
        raise ValueError(f"the sizes of a shape must be integers from 0 to 2**63; got {shape!r:.80}")
    if 0 in shape and max(shape) > _MOST_EMPTY_ROWS:
        raise ValueError(f"an array without values has at most {_MOST_EMPTY_ROWS} rows; got the shape {shape!r:.80}")
    return tuple(shape)


def array_of_bytes(raw: Any, dtype: np.dtype[Any], shape: Any, order: str = "C") -> NDArray[Any]:
    """Return a new, writable array of the bytes in `raw`; raise ValueError unless the shape needs as many.

    Parameters
    ----------
    raw : bytes or buffer
    dtype : numpy.dtype
        As `plain_dtype` returns it.
    shape : tuple of int
    order : {"C", "F"}, default "C"
        Order of the axes in memory.
    """
    shape = checked_shape(shape)
    n_bytes = math.prod(shape) * dtype.itemsize
    if len(raw) != n_bytes:
        raise ValueError(f"an array of shape {shape} and dtype {dtype} has {n_bytes} bytes; got {len(raw)}")
    # A copy, as `raw` may be shared; np.zeros for arrays without bytes, which np.frombuffer refuses.
    array = np.frombuffer(raw, dtype).reshape(shape, order=order).copy(order="K") if n_bytes else np.zeros(shape, dtype)  # type: ignore[call-overload]
    return checked_values(array)


def checked_values(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array with valid booleans; raise ValueError if it has text beyond Unicode."""
    if array.dtype.kind == "b" and array.size:
        # Bytes other than 0 and 1 would be booleans that are neither true nor false.
        array = array.view(np.uint8) != 0
    if array.dtype.kind == "U" and array.size:
        points = np.ascontiguousarray(array).reshape(-1).view(array.dtype.str[0] + "u4")
        if points.max() > 0x10FFFF:
            raise ValueError(f"an array of text has a character {int(points.max()):#x} beyond Unicode")
    return array


def array_of_objects(values: Sequence[Any], shape: Any, order: str = "C") -> NDArray[Any]:
    """Return an object array from a list; raise ValueError unless it has as many values as the shape needs.

    Parameters
    ----------
    values : list of object
    shape : tuple of int
    order : {"C", "F"}, default "C"
        Order of the axes in the list.
    """
    shape = checked_shape(shape)
    if not isinstance(values, list) or len(values) != math.prod(shape):
        got = f"{len(values)} of them" if isinstance(values, list) else type(values).__name__
        raise ValueError(f"an object array of shape {shape} needs a list of {math.prod(shape)} values; got {got}")
    array = np.empty(len(values), object)
    # One by one: NumPy would unpack sequences within the list if it were assigned at once.
    for index, value in enumerate(values):
        array[index] = value
    return array.reshape(shape, order=order)  # type: ignore[call-overload,no-any-return]
