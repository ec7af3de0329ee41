"""Copying arrays into tensors, checked entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arignote.errors import CheckpointError

__all__ = ["check_shapes", "copy_into"]


def check_shapes(shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, Any], where: str) -> None:
    """Raise CheckpointError, which names the first entry that is missing, unknown, or of another shape.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        Shapes that the network needs, by entry.
    arrays : dict of str to array
        Arrays that were loaded.
    where : str
        Name of the file in errors.
    """
    for name, shape in shapes.items():
        if name not in arrays:
            raise CheckpointError(f"{where}: has no entry {name!r}, which the network needs. Was the spec changed?")
        array = arrays[name]
        if tuple(array.shape) != tuple(shape):
            raise CheckpointError(
                f"{where}: {name!r} has shape {tuple(array.shape)}; "
                f"the network needs {tuple(shape)}. Was the spec changed?"
            )
    # Sorted, as the order of a set differs from process to process.
    extra = sorted(set(arrays) - set(shapes))
    if extra:
        raise CheckpointError(f"{where}: has {extra[0]!r}, which the network does not know. Was the spec changed?")


@torch.no_grad()
def copy_into(tensors: Mapping[str, Tensor], arrays: Mapping[str, Any], where: str) -> None:
    """Copy arrays into tensors; raise CheckpointError, which names the entry, if one does not fit.

    Parameters
    ----------
    tensors : dict of str to Tensor
        They are changed in place.
    arrays : dict of str to array
    where : str
        Name of the file in errors.
    """
    check_shapes({name: tuple(tensor.shape) for name, tensor in tensors.items()}, arrays, where)
    for name, tensor in tensors.items():
        array = arrays[name]
        # np.array copies: torch warns of memory that is read-only, such as that of a file.
        tensor.copy_(array if isinstance(array, Tensor) else torch.from_numpy(np.array(array)))
