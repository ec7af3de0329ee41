"""Tensors of an engine as NumPy arrays, and their digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_arrays", "tensors_sha256"]


def as_arrays(tensors: Mapping[str, Any], into: Mapping[str, Any] | None = None) -> dict[str, NDArray[Any]]:
    """Return tensors as contiguous arrays.

    Parameters
    ----------
    tensors : mapping of str to tensor
        Tensors of the engine, or arrays.
    into : mapping of str to array, optional
        If given, the result holds copies; arrays of the same name, shape and dtype in it are overwritten and returned.
    """
    arrays = {}
    for name, tensor in tensors.items():
        # In the order of the shape: filters with their channels last are not so in memory.
        array = np.asarray(tensor if isinstance(tensor, np.ndarray) else tensor.detach().cpu().numpy(), order="C")
        if into is not None:
            used = into.get(name)
            if not isinstance(used, np.ndarray) or used.shape != array.shape or used.dtype != array.dtype:
                used = np.empty_like(array)
            np.copyto(used, array)
            array = used
        arrays[name] = array
    return arrays


def tensors_sha256(tensors: Mapping[str, Any]) -> str:
    """Return the SHA-256 over names, dtypes, shapes and bytes, in order of the names."""
    digest = hashlib.sha256()
    for name, array in sorted(as_arrays(tensors).items()):
        # The bytes alone would be the same for two parameters that are exchanged, or of another shape.
        digest.update(json.dumps([name, array.dtype.str, list(array.shape)]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
