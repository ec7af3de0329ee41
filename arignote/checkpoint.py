"""TrainingState <-> one file: safetensors, verified by a digest, complete or absent.

The state without its tensors is one sorted JSON text under the metadata key "arignote"; non-finite numbers are
strings in it. The key "digest" holds the SHA-256 of the file with these 64 characters as zeros.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

from arignote.errors import CheckpointError
from arignote.state import TrainingState

__all__ = ["VERSION", "decode", "encode", "read", "write"]

VERSION = 1
_ZEROS = "0" * 64
_SPECIAL = {"NaN": nan, "Infinity": inf, "-Infinity": -inf}
_MARK = "float:"


def _to_json(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return _MARK + ("NaN" if value != value else "Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {str(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_MARK):
        return _SPECIAL.get(value.removeprefix(_MARK), value)
    if isinstance(value, dict):
        return {key: _from_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    return value


def encode(state: TrainingState) -> tuple[bytes, str]:
    """Return the bytes of the file of a state, and its digest."""
    from safetensors.numpy import save

    text = json.dumps(_to_json({"version": VERSION} | state.to_plain()), sort_keys=True, allow_nan=False)
    data = bytearray(save(state.to_tensors(), metadata={"arignote": text, "digest": _ZEROS}))
    at = data.index(f'"digest":"{_ZEROS}"'.encode()) + len('"digest":"')
    digest = hashlib.sha256(data).hexdigest()
    data[at : at + 64] = digest.encode()
    return bytes(data), digest


def decode(data: bytes, where: str) -> tuple[TrainingState, str]:
    """Return the state in the bytes of a file, and the file's digest.

    Raises
    ------
    CheckpointError
        Where the bytes are not a whole checkpoint of this version; `where` begins the message.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if len(data) < 8:
        raise CheckpointError(f"{where}: is cut short ({len(data)} bytes)")
    n_header = struct.unpack("<Q", data[:8])[0]
    if n_header > len(data) - 8:
        raise CheckpointError(f"{where}: is cut short, or is not a checkpoint")
    try:
        metadata = json.loads(data[8 : 8 + n_header])["__metadata__"]
        digest, text = metadata["digest"], metadata["arignote"]
        at = data.index(f'"digest":"{digest}"'.encode(), 8, 8 + n_header) + len('"digest":"')
    except (ValueError, KeyError, TypeError, UnicodeDecodeError, RecursionError):
        raise CheckpointError(f"{where}: is not a checkpoint of Arignote") from None
    zeroed = hashlib.sha256(data[:at])
    zeroed.update(_ZEROS.encode())
    zeroed.update(memoryview(data)[at + 64 :])
    if zeroed.hexdigest() != digest:
        raise CheckpointError(f"{where}: is damaged: its digest does not match its contents")
    values = _from_json(json.loads(text))
    version = values.pop("version", None)
    if version != VERSION:
        raise CheckpointError(f"{where}: has format version {version}; this Arignote reads {VERSION}. Update Arignote")
    try:
        return TrainingState.from_plain(values, load(data)), digest
    except (KeyError, TypeError, ValueError, SafetensorError) as fault:
        raise CheckpointError(f"{where}: an entry is missing or of the wrong kind: {fault}") from None


def read(path: Path) -> tuple[TrainingState, str]:
    """Read and verify one file; no code from it is run."""
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise CheckpointError(f"{path}: cannot be read: {fault.strerror}") from None
    return decode(data, str(path))


def write(data: bytes, path: Path) -> None:
    """Write one file: temporary name in the same folder, flush, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as fault:
        raise CheckpointError(f"{path}: cannot be written: [Errno {fault.errno}] {fault.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
