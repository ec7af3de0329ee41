"""TrainingState <-> the bytes of one file: safetensors, verified by a digest. docs/checkpoint-format.md draws it.

The state without its tensors is one sorted JSON text under the metadata key "arignote"; non-finite numbers are
strings in it. The key "digest" holds the SHA-256 of the header, with these 64 characters as zeros, and of the CRC-32 of
the tensors: a SHA-256 of these would cost more than writing them.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.checkpoints.state import TrainingState
from arignote.errors import CheckpointError

__all__ = ["VERSION", "Head", "decode", "encode", "read_head"]

VERSION = 2
_ZEROS = "0" * 64
_SPECIAL = {"NaN": nan, "Infinity": inf, "-Infinity": -inf}
_MARK = "float:"
# Bounds of the header, for Python needs up to 30 times the memory of a JSON text. The longest that runs write: 10,000
# layers have 700,000 values in 6 MB; 300,000 restarts of a process, a million names of columns or classes, are as many.
_LONGEST_HEADER = 16 << 20
_MOST_VALUES = 1_000_000
_DEEPEST = 100
_DTYPES = {
    "bool": "BOOL",
    **{f"{sign}int{bits}": f"{letter}{bits}" for sign, letter in (("", "I"), ("u", "U")) for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
}


def _from_1(values: dict[str, Any]) -> dict[str, Any]:
    """Version 2 says whether a validation is still to be done, and whether a stop rule ended the run."""
    return values | {"progress": values["progress"] | {"validation_due": False, "ended": False}}


MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}


@dataclass(frozen=True)
class Head:
    """What the first bytes of a file tell: enough to name it, not to trust it."""

    run_id: str
    digest: str
    best: str
    n_bytes: int


def _to_json(value: Any, depth: int = 0) -> Any:
    _check_depth(depth)
    if isinstance(value, float) and not isfinite(value):
        return _MARK + ("NaN" if value != value else "Infinity" if value > 0 else "-Infinity")
    if isinstance(value, str) and value.startswith(_MARK):
        return _MARK + value
    if isinstance(value, dict):
        return {str(key): _to_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(item, depth + 1) for item in value]
    return value


def _from_json(value: Any, depth: int = 0) -> Any:
    _check_depth(depth)
    if isinstance(value, str) and value.startswith(_MARK):
        rest = value.removeprefix(_MARK)
        return _SPECIAL.get(rest, rest if rest.startswith(_MARK) else value)
    if isinstance(value, dict):
        return {key: _from_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_json(item, depth + 1) for item in value]
    return value


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"lists and objects lie within one another more than {_DEEPEST} deep")


def _check_size(text: bytes) -> None:
    """ValueError where a JSON text is longer, or has more values, than the header of any run."""
    # Each value is behind one of these, and a text in quotes may have more of them: an upper bound.
    n_values = sum(map(text.count, (b",", b"[", b"{")))
    if len(text) > _LONGEST_HEADER or n_values > _MOST_VALUES:
        raise ValueError(
            f"a header of {len(text)} bytes and up to {n_values} values; at most {_LONGEST_HEADER} bytes and "
            f"{_MOST_VALUES} values are read"
        )


def encode(state: TrainingState) -> tuple[list[bytes | memoryview], str]:
    """Return the chunks of the file of a state, without a copy of its tensors, and its digest.

    The layout is that of safetensors 0.4 (huggingface.co/docs/safetensors): the length of the header, the header,
    the tensors by size of their numbers and name. Its own writer would copy every tensor several times.
    """
    try:
        plain = _to_json({"version": VERSION} | state.to_plain())
    except ValueError as error:
        raise CheckpointError(f"the state cannot be written: {error}. Is extra_metadata to blame?") from None
    text = json.dumps(plain, sort_keys=True, allow_nan=False)
    tensors = sorted(state.to_tensors().items(), key=lambda item: (-item[1].itemsize, item[0]))
    header: dict[str, Any] = {"__metadata__": {"arignote": text, "digest": _ZEROS}}
    at = 0
    for name, array in tensors:
        header[name] = {
            "dtype": _DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    try:
        _check_size(head)
    except ValueError as error:
        told = "It holds extra_metadata, the names of columns and classes, and a pair for each start"
        raise CheckpointError(f"the state cannot be written, as no reader would take it: {error}. {told}") from None
    length, body = struct.pack("<Q", len(head)), [_bytes_of(array) for _, array in tensors]
    digest = _digest(length + head, body)
    head = head.replace(f'"digest":"{_ZEROS}"'.encode(), f'"digest":"{digest}"'.encode(), 1)
    return [length, head, *body], digest


def _digest(head: bytes, body: Iterable[memoryview]) -> str:
    checksum = 0
    for chunk in body:
        checksum = zlib.crc32(chunk, checksum)
    return hashlib.sha256(head + struct.pack("<I", checksum)).hexdigest()


def _digest_of_1(head: bytes, body: memoryview) -> str:
    """Return the digest of version 1: over all bytes."""
    whole = hashlib.sha256(head)
    whole.update(body)
    return whole.hexdigest()


def _bytes_of(array: NDArray[Any]) -> memoryview:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return memoryview(little.reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def _parsed(text: str | bytes) -> Any:
    """Return the value of a JSON text; ValueError where a name is there twice, or a number is not finite."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a name is there twice")
        return found

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, object_pairs_hook=once, parse_constant=refuse)


def _header(data: bytes, where: str) -> dict[str, Any]:
    """Return the metadata of a file from its first bytes."""
    if len(data) < 8:
        raise CheckpointError(f"{where}: is cut short ({len(data)} bytes)")
    n_header = struct.unpack("<Q", data[:8])[0]
    if n_header > min(len(data) - 8, _LONGEST_HEADER):
        told = f"its header would have {n_header} bytes, of {_LONGEST_HEADER} at most"
        raise CheckpointError(f"{where}: is cut short, or is not a checkpoint: {told}")
    try:
        _check_size(data[8 : 8 + n_header])
    except ValueError as error:
        raise CheckpointError(f"{where}: has {error}") from None
    try:
        header = _parsed(data[8 : 8 + n_header])
        metadata = header.pop("__metadata__")
        if not (isinstance(metadata["digest"], str) and isinstance(metadata["arignote"], str)):
            raise TypeError
        n_bytes = 8 + n_header + max((0, *(int(entry["data_offsets"][1]) for entry in header.values())))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError):
        raise CheckpointError(f"{where}: is not a checkpoint of Arignote") from None
    found: dict[str, Any] = metadata | {"n_header": n_header, "n_bytes": n_bytes}
    return found


def read_head(read: Callable[[int], bytes], where: str) -> Head:
    """Return what the beginning of a file tells; `read` gives its first bytes."""
    first = read(8)
    n_header = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
    metadata = _header(read(8 + min(n_header, _LONGEST_HEADER)), where)
    try:
        values = _parsed(metadata["arignote"])
        best = str((values["best"] or {}).get("digest", ""))
        return Head(str(values["run_id"]), metadata["digest"], best, metadata["n_bytes"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CheckpointError(f"{where}: is not a checkpoint of Arignote") from None


def decode(data: bytes, where: str) -> tuple[TrainingState, str]:
    """Return the state in the bytes of a file, and the file's digest.

    The header is bounded (16 MiB, a million values, 100 levels), so that memory and time are as the file is long.

    Raises
    ------
    CheckpointError
        Where the bytes are not a whole checkpoint of a known version; `where` begins the message.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    metadata = _header(data, where)
    digest, end = metadata["digest"], 8 + metadata["n_header"]
    at = data.find(f'"digest":"{digest}"'.encode(), 8, end) + len('"digest":"')
    head, body = data[:at] + _ZEROS.encode() + data[at + 64 : end], memoryview(data)[end:]
    if digest != _digest(head, [body]) and digest != _digest_of_1(head, body):
        raise CheckpointError(f"{where}: is damaged: its digest does not match its contents")
    try:
        values = _from_json(_parsed(metadata["arignote"]))
        version = values.pop("version", None)
        if type(version) is not int or version > VERSION:
            raise CheckpointError(
                f"{where}: has format version {version}; this Arignote reads up to {VERSION}. Update Arignote"
            )
        for older in range(version, VERSION):
            values = MIGRATIONS[older](values)
        return TrainingState.from_plain(values, load(data)), digest
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, SafetensorError) as error:
        raise CheckpointError(f"{where}: an entry is missing or of the wrong kind: {error}") from None
