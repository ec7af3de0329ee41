"""Files in the format safetensors, of other libraries too: their header within bounds, tensors when they are asked for.

The layout is that of safetensors 0.4 (huggingface.co/docs/safetensors): the length of the header, a JSON text, tensors.
"""

from __future__ import annotations

import json
import struct
from math import isfinite, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.safe.arrays import checked_shape
from arignote.safe.memory import available_bytes, size_text

__all__ = ["LONGEST_HEADER", "TensorFile", "check_header", "parsed_json"]

# Bounds of the header, as Python needs up to 30 times the memory of a JSON text. The longest headers of real runs:
# 10,000 layers have 700,000 values in 6 MB; 300,000 restarts, or a million names of columns or classes, have as many.
LONGEST_HEADER = 16 << 20
_MOST_VALUES = 1_000_000
# NumPy has no bfloat16: the upper half of a float32.
_DTYPES = {"BOOL": "u1", "BF16": "<u2"} | {
    f"{letter}{8 * size}": f"<{kind}{size}"
    for letter, kind, sizes in (("I", "i", (1, 2, 4, 8)), ("U", "u", (1, 2, 4, 8)), ("F", "f", (2, 4, 8)))
    for size in sizes
}


def check_header(text: bytes) -> None:
    """Raise ValueError if a JSON text is longer, or has more values, than the header of any file that is read."""
    # An upper bound: each value follows one of these characters, and strings may contain more of them.
    n_values = sum(map(text.count, (b",", b"[", b"{")))
    if len(text) > LONGEST_HEADER or n_values > _MOST_VALUES:
        raise ValueError(
            f"a header of {len(text)} bytes and up to {n_values} values; at most {LONGEST_HEADER} bytes and "
            f"{_MOST_VALUES} values are read"
        )


def parsed_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; raise ValueError if an object has a name twice, or a number is not finite."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # Of a name that occurs twice, json keeps the last value without a message.
        values = dict(pairs)
        if len(values) < len(pairs):
            raise ValueError("an object has a name twice")
        return values

    def refuse(word: str) -> Any:
        raise ValueError(f"{word:.100} is not a finite number")

    def finite(digits: str) -> float:
        # 1e999 is JSON, of which float makes infinity.
        return number if isfinite(number := float(digits)) else refuse(digits)

    return json.loads(text, object_pairs_hook=unique, parse_constant=refuse, parse_float=finite)


class TensorFile:
    """The tensors of a safetensors file.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    metadata : dict of str to str
        What the header has beside the tensors.
    shapes : dict of str to tuple of int
        Shape of each tensor, by its name in the file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not of this format.
    """

    def __init__(self, path: Path):
        self._path = path
        with path.open("rb") as file:
            first, n_bytes = file.read(8), path.stat().st_size
            n_header = struct.unpack("<Q", first)[0] if len(first) == 8 else n_bytes
            # A damaged or forged file may name any length: nothing is read by it before it is compared.
            if n_header > min(n_bytes - 8, LONGEST_HEADER):
                raise ValueError(f"its header declares {n_header} bytes; the file has {n_bytes}")
            text = file.read(n_header)
        check_header(text)
        try:
            header = parsed_json(text)
            self.metadata: dict[str, str] = header.pop("__metadata__", {})
            self._begin, n_body = 8 + n_header, n_bytes - 8 - n_header
            self._entries = {name: _entry(entry, n_body) for name, entry in header.items()}
            if not isinstance(self.metadata, dict):
                raise TypeError("its metadata are no object")
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"its header is not one of safetensors: {error}") from None
        self.shapes = {name: shape for name, (_, shape, _) in self._entries.items()}

    def read(self, name: str) -> NDArray[Any]:
        """Return one tensor as an array; bfloat16 as float32.

        Raises
        ------
        ValueError
            If NumPy lacks its type, or if there is not enough memory for it.
        """
        kind, shape, (begin, end) = self._entries[name]
        if kind not in _DTYPES:
            raise ValueError(f"{name!r} has the type {kind!r:.20}; {', '.join(_DTYPES)} are read")
        # Twice: the bytes, and the array.
        if end - begin > 1 << 20 and 2 * (end - begin) > available_bytes():
            raise ValueError(f"{name!r} has {size_text(end - begin)}, which are not free in memory")
        with self._path.open("rb") as file:
            file.seek(self._begin + begin)
            raw = file.read(end - begin)
        values = np.frombuffer(raw, _DTYPES[kind]).reshape(shape)
        if kind == "BF16":
            return (values.astype("<u4") << 16).view("<f4").astype(np.float32)
        return values != 0 if kind == "BOOL" else values.astype(values.dtype.newbyteorder("="))


def _entry(entry: dict[str, Any], n_body: int) -> tuple[str, tuple[int, ...], tuple[int, int]]:
    """Return type, shape and place of a tensor; raise ValueError unless its bytes are in the file."""
    kind, (begin, end), shape = entry["dtype"], entry["data_offsets"], checked_shape(entry["shape"])
    if type(begin) is not int or type(end) is not int or not 0 <= begin <= end <= n_body:
        raise ValueError(f"a tensor lies from byte {begin!r:.30} to {end!r:.30} of {n_body}")
    if kind in _DTYPES and prod(shape) * np.dtype(_DTYPES[kind]).itemsize != end - begin:
        raise ValueError(f"a tensor of {kind} and the shape {shape} has {end - begin} bytes")
    return str(kind), shape, (begin, end)
