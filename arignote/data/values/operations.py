"""Formulas of arrays as plain data, so that NumPy computes them here, and an exported network without Arignote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Operation", "computed"]

# The name of a function that NumPy and PyTorch have in common, and its second argument: an array; of "reshape" the
# shape, with -1 for the rows; of "squeeze" an axis. "fill_missing" replaces NaN by the values of an array.
Name = Literal["subtract", "divide", "multiply", "add", "matmul", "reshape", "squeeze", "fill_missing"]
Operation = tuple[Name, Any]


def computed(operations: Sequence[Operation], x: NDArray[Any]) -> NDArray[Any]:
    """Return what operations, one after the other, make of rows.

    Examples
    --------
    >>> computed([("subtract", np.float32(1)), ("reshape", (-1, 1))], np.array([3, 5]))
    array([[2.],
           [4.]])
    """
    for name, value in operations:
        x = np.where(np.isnan(x), value, x) if name == "fill_missing" else getattr(np, name)(x, value)
    return x
