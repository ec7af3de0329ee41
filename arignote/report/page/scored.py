"""The rows of a subset of a run as they were predicted: what matrices and plots of residuals are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ScoredRows"]

Array = NDArray[Any]


@dataclass(frozen=True)
class ScoredRows:
    """Rows that were predicted.

    Attributes
    ----------
    name : str
        "train", "valid" or "test".
    losses : dict of str to float
        Losses and metrics, as `evaluate` returns them.
    n_rows : int
    ids_of : callable
        From positions (n,) of values to the names of their rows, list of str.
    pictures_of : callable or None
        From positions (n,) to images (n, channels, height, width), if the input is an image.
    labels : array (n_classes,) or None
        Labels of classes; None if the target has no classes.
    y, predicted : array (n,) of int64, or (n, n_outputs) of float64
        Class numbers, or numbers in the units of the user; empty if the target is something else.
    certainty : array (n,) of float32
        Probability of the predicted class.
    """

    name: str
    losses: dict[str, float]
    n_rows: int
    ids_of: Callable[[NDArray[np.int64]], list[str]]
    pictures_of: Callable[[NDArray[np.int64]], Array] | None = None
    labels: Array | None = None
    y: Array = field(default_factory=lambda: np.empty(0))
    predicted: Array = field(default_factory=lambda: np.empty(0))
    certainty: Array = field(default_factory=lambda: np.empty(0))
