"""Arrays of equal length as one structured array, with a field for each: channels of features, targets of outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import DataError

__all__ = ["ALONE", "ExampleShape", "check_lengths", "fields_of", "joined"]

# Of several channels the shape of each.
ExampleShape = tuple[int, ...] | dict[str, tuple[int, ...]]

# The name of the only field of an array that is not structured.
ALONE = ""


def fields_of(array: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the fields of a structured array by name; of another one the array itself, under the name `ALONE`."""
    names = array.dtype.names
    return {ALONE: array} if names is None else {name: array[name] for name in names}


def joined(fields: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return the array (rows,) that `fields_of` takes apart; the fields (rows, ...) have equal lengths."""
    if ALONE in fields:
        return fields[ALONE]
    array = np.empty(len(next(iter(fields.values()))), [(k, one.dtype, one.shape[1:]) for k, one in fields.items()])
    for name, field in fields.items():
        array[name] = field
    return array


def check_lengths(n_rows: Mapping[str, int], requirement: str) -> None:
    """Raise DataError, which names the requirement and each number, unless all numbers of rows are equal."""
    if len(set(n_rows.values())) > 1:
        listed = ", ".join(f"{name!r} has {n}" for name, n in n_rows.items())
        raise DataError(f"{requirement}; {listed}")
