"""Checkpoints of the Arignote of 2015 (Theano), read without importing or running anything that they name.

Such a file is two consecutive pickles, usually compressed with gzip: metadata, then the network with its trainer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from numpy.typing import NDArray

from arignote.checkpoints.state import TrainingState
from arignote.errors import CheckpointError, ConfigError
from arignote.legacy.convert import state_of
from arignote.legacy.layers import architecture_of, arrays_of
from arignote.legacy.pickles import kind_of, read_value, source_of
from arignote.safe.file_kinds import kind_of_file
from arignote.safe.pickle import PickleError

__all__ = ["is_2015", "parameters_2015", "read_2015"]

_T = TypeVar("_T")

VERSION = "3.0"
_GZIP = b"\x1f\x8b"
_LONGEST_REST = 1_000_000


def is_2015(path: str | Path) -> bool:
    """Return whether a file begins like a checkpoint of 2015: with gzip, or with a pickle."""
    try:
        with open(path, "rb") as file:
            head = file.read(9)
    except OSError:
        return False
    # The header length with which a current checkpoint begins may look like a pickle; its JSON, from byte 8, does not.
    return head[:2] == _GZIP or (head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5" and head[8:] not in (b"", b"{"))


def read_2015(path: str | Path) -> TrainingState:
    """Return the state in a checkpoint of 2015.

    Parameters
    ----------
    path : str or Path
        A ``_last.pkl.gz``, ``_best_model.pkl.gz`` or ``_epoch3.pkl.gz``.

    Returns
    -------
    TrainingState
        The state with current layers and settings; `data` and `environment` are empty, as the file has neither.

    Raises
    ------
    CheckpointError
        If the file is missing or damaged, names objects that the format does not need, or holds a network that
        current layers cannot express. No code from the file is run.
    """
    state = _of_network(path, _state)
    with open(path, "rb") as whole:
        state.run_id = hashlib.file_digest(whole, "sha256").hexdigest()[:32]
    return state


def parameters_2015(path: str | Path) -> dict[str, NDArray[Any]]:
    """Return the parameters in a checkpoint of 2015, by the name of their layer, "fc1.W"; errors as of `read_2015`.

    Its output layer may be one that `read_2015` refuses, which has no parameters here.
    """
    return _of_network(path, lambda net, n_bytes, _: arrays_of(*architecture_of(net, n_bytes)))


def _of_network(path: str | Path, found: Callable[[Any, int, dict[Any, Any]], _T]) -> _T:
    """Return what a function finds in a network, the length of its file and its metadata."""
    kind = kind_of_file(Path(path))
    if kind is not None:
        raise CheckpointError(f"{path}: is {kind}, not a checkpoint of 2015 (a .pkl or .pkl.gz)")
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        metadata, net, n_bytes = _read(file)
        return found(net, n_bytes, metadata)
    except (CheckpointError, PickleError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    except ConfigError as error:
        raise CheckpointError(f"{path}: cannot be expressed by current layers and settings: {error}") from None
    except Exception as error:
        # A damaged pickle may raise nearly any exception.
        kind = type(error).__name__
        raise CheckpointError(f"{path}: is truncated, or is not a checkpoint of 2015: {kind}: {error}") from None
    finally:
        file.close()


def _read(file: BinaryIO) -> tuple[dict[Any, Any], Any, int]:
    """Return metadata and network of an open checkpoint of 2015, and its length."""
    source = source_of(file)
    metadata = read_value(source)
    version = metadata.get("model_store_version") if isinstance(metadata, dict) else None
    if version != VERSION:
        raise CheckpointError(f"is not a checkpoint of 2015 of version {VERSION!r}; got version {version!r:.80}")
    net = read_value(source)
    if kind_of(net) != "NNClassifier":
        raise CheckpointError(f"must hold an NNClassifier; got {kind_of(net)}")
    # To the end, where gzip verifies its checksum.
    if not source.ends_within(_LONGEST_REST):
        raise CheckpointError("has more data after the network, unlike a checkpoint of 2015")
    return metadata, net, source.n_read


def _state(net: Any, n_bytes: int, metadata: dict[Any, Any]) -> TrainingState:
    """Return the state of a network, without its run id."""
    state = state_of(net, n_bytes)
    # Apply the checks of current files.
    TrainingState.from_plain(state.to_plain(), state.to_tensors())
    state.extra_metadata = {k: v for k, v in metadata.items() if isinstance(v, str | int | float)}
    return state
