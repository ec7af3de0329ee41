"""TrainingState <-> the bytes of one file in the format safetensors, which docs/checkpoint-format.md describes.

The state without its tensors is one sorted JSON text under the metadata key "arignote", in which non-finite numbers are
strings. The key "digest" holds the SHA-256 of the header, with these 64 characters as zeros, and of the CRC-32 of the
tensors, since a SHA-256 of the tensors would take longer than writing them.
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
from arignote.safe.safetensors import LONGEST_HEADER, check_header, parsed_json

__all__ = ["VERSION", "Head", "decode", "encode", "read_head"]

VERSION = 3
_ZEROS = "0" * 64
_SPECIAL = {"NaN": nan, "Infinity": inf, "-Infinity": -inf}
# JSON has no NaN and no infinity (RFC 8259, 6); a string that begins with the mark itself is marked once more.
_MARK = "float:"
_DEEPEST = 100
_DTYPES = {
    "bool": "BOOL",
    **{f"{sign}int{bits}": f"{letter}{bits}" for sign, letter in (("", "I"), ("u", "U")) for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
}


def _from_1(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of version 2, which adds `validation_due` and `ended` to the progress."""
    return values | {"progress": values["progress"] | {"validation_due": False, "ended": False}}


def _from_2(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of version 3, which has targets by the name of their output layer in place of classes."""
    output = values["spec"]["layers"][-1][1]["name"]
    rest = {name: value for name, value in values.items() if name != "classes"}
    return rest | {"targets": {output: {"target": "classes"} | values["classes"]}}


# By version: returns the values of the next version.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1, 2: _from_2}


@dataclass(frozen=True)
class Head:
    """Identity of a file, from its header alone: the digest is not verified.

    Attributes
    ----------
    run_id : str
        The run that wrote it.
    digest : str
        Its digest.
    best : str
        Digest of the file of its best network; empty if there is none.
    n_bytes : int
        Length of the whole file.
    epoch : int
        Number of complete epochs.
    """

    run_id: str
    digest: str
    best: str
    n_bytes: int
    epoch: int


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
        raise ValueError(f"lists and objects are nested more than {_DEEPEST} deep")


def encode(state: TrainingState) -> tuple[list[bytes | memoryview], str]:
    """Return the bytes of the file of a state, without copying its tensors, and its digest.

    The layout is that of safetensors 0.4 (huggingface.co/docs/safetensors): the length of the header, the header,
    the tensors by item size and name. The writer of the library would copy every tensor several times.

    Raises
    ------
    CheckpointError
        If the state exceeds the bounds of a header, or `extra_metadata` is not plain data.
    """
    try:
        plain = _to_json({"version": VERSION} | state.to_plain())
    except ValueError as error:
        raise CheckpointError(f"the state cannot be written: {error}. Check extra_metadata") from None
    text = json.dumps(plain, sort_keys=True, allow_nan=False)
    # As the library orders them: with the largest items first all are aligned without gaps, which the format forbids.
    tensors = sorted(state.to_tensors().items(), key=lambda item: (-item[1].itemsize, item[0]))
    header: dict[str, Any] = {"__metadata__": {"arignote": text, "digest": _ZEROS}}
    offset = 0
    for name, array in tensors:
        header[name] = {
            "dtype": _DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    # Spaces, as the format allows: the tensors begin at a multiple of 8 bytes, the largest item.
    head += b" " * (-len(head) % 8)
    try:
        check_header(head)
    except ValueError as error:
        raise CheckpointError(
            f"the state cannot be written, as no reader would accept it: {error}. It holds extra_metadata, the names "
            "of columns and classes, and a pair for each start"
        ) from None
    length, body = struct.pack("<Q", len(head)), [_bytes_of(array) for _, array in tensors]
    digest = _digest(length + head, body)
    # The first one is the entry: the text under "arignote" has its quotes escaped.
    head = head.replace(f'"digest":"{_ZEROS}"'.encode(), f'"digest":"{digest}"'.encode(), 1)
    return [length, head, *body], digest


def _digest(head: bytes, body: Iterable[memoryview]) -> str:
    checksum = 0
    for chunk in body:
        checksum = zlib.crc32(chunk, checksum)
    return hashlib.sha256(head + struct.pack("<I", checksum)).hexdigest()


def _digest_of_1(head: bytes, body: memoryview) -> str:
    """Return the digest of format version 1: SHA-256 over all bytes."""
    whole = hashlib.sha256(head)
    whole.update(body)
    return whole.hexdigest()


def _bytes_of(array: NDArray[Any]) -> memoryview:
    # safetensors is little-endian, whatever the machine is.
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return memoryview(little.reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def _header(data: bytes, where: str) -> dict[str, Any]:
    """Return the metadata of a file, and its sizes `n_header` and `n_bytes`, from its first bytes."""
    if len(data) < 8:
        raise CheckpointError(f"{where}: is truncated ({len(data)} bytes)")
    # A damaged or forged file may name any length: nothing is read or allocated by it before it is compared.
    n_header = struct.unpack("<Q", data[:8])[0]
    longest = min(len(data) - 8, LONGEST_HEADER)
    if n_header > longest:
        raise CheckpointError(
            f"{where}: is truncated, or is not a checkpoint: its header must have at most {longest} bytes; "
            f"got {n_header}"
        )
    try:
        check_header(data[8 : 8 + n_header])
    except ValueError as error:
        raise CheckpointError(f"{where}: has {error}") from None
    try:
        header = parsed_json(data[8 : 8 + n_header])
        metadata = header.pop("__metadata__")
        if not (isinstance(metadata["digest"], str) and isinstance(metadata["arignote"], str)):
            raise TypeError
        n_bytes = 8 + n_header + max((0, *(int(entry["data_offsets"][1]) for entry in header.values())))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError):
        raise CheckpointError(f"{where}: is damaged, or is not a checkpoint of Arignote") from None
    result: dict[str, Any] = metadata | {"n_header": n_header, "n_bytes": n_bytes}
    return result


def read_head(read: Callable[[int], bytes], where: str) -> Head:
    """Return the head of a file.

    Parameters
    ----------
    read : callable
        Returns as many bytes from the beginning of the file as it is asked for.
    where : str
        The file, for messages.

    Raises
    ------
    CheckpointError
        If the beginning is not that of a checkpoint.
    """
    first = read(8)
    n_header = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
    metadata = _header(read(8 + min(n_header, LONGEST_HEADER)), where)
    try:
        values = parsed_json(metadata["arignote"])
        best = str((values["best"] or {}).get("digest", ""))
        epoch = int(values["progress"]["epoch"])
        return Head(str(values["run_id"]), metadata["digest"], best, metadata["n_bytes"], epoch)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CheckpointError(f"{where}: is damaged, or is not a checkpoint of Arignote") from None


def decode(data: bytes, where: str) -> tuple[TrainingState, str]:
    """Return the state in the bytes of a file, and the file's digest.

    The header is bounded (16 MiB, a million values, 100 levels), so that memory and time are proportional to the
    length of the file.

    Raises
    ------
    CheckpointError
        If the bytes are not a complete checkpoint of a known version; the message begins with `where`.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    metadata = _header(data, where)
    digest, end = metadata["digest"], 8 + metadata["n_header"]
    start = data.find(f'"digest":"{digest}"'.encode(), 8, end) + len('"digest":"')
    head, body = data[:start] + _ZEROS.encode() + data[start + 64 : end], memoryview(data)[end:]
    # Both, as the version that says which one it is may be read only from bytes that are verified.
    if digest != _digest(head, [body]) and digest != _digest_of_1(head, body):
        raise CheckpointError(f"{where}: is damaged: its digest does not match its contents")
    try:
        values = _from_json(parsed_json(metadata["arignote"]))
        version = values.pop("version", None)
        if type(version) is not int or version > VERSION:
            raise CheckpointError(
                f"{where}: has format version {version}; this Arignote reads up to {VERSION}. Update Arignote"
            )
        for older in range(version, VERSION):
            values = MIGRATIONS[older](values)
        return TrainingState.from_plain(values, load(data)), digest
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError, SafetensorError) as error:
        raise CheckpointError(f"{where}: an entry is missing or has the wrong type: {error}") from None
