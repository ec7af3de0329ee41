"""Scores of rows, and what follows from the classes that are predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import DataError
from arignote.report.scores import Mistake, confusion_matrix, mistakes

__all__ = ["Scored"]


@dataclass(frozen=True)
class Scored:
    """Scores of rows, with what they were computed from.

    Attributes
    ----------
    values : dict of str to float
        Losses and metrics by name.
    classes : array (n_classes,)
        Labels in the order of the network's outputs; empty if the target has none.
    y : array (rows, ...)
        Encoded targets of the main output, such as class numbers.
    predicted : array (rows,) of int64
        Number of the most probable class of each row, of equally probable ones the first; empty if not asked for.
    """

    values: dict[str, float]
    classes: NDArray[Any]
    y: NDArray[Any]
    predicted: NDArray[np.int64]

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Matrix (n_classes, n_classes): rows of each true class (rows) predicted to be of each class (columns)."""
        return confusion_matrix(self.y, self.predicted, len(self.classes))

    def mistakes(self, ids: Sequence[Any] | None = None) -> list[Mistake]:
        """Return the rows that are predicted wrongly, in their order; without `ids` they are numbered from 0."""
        if ids is not None and len(ids) != len(self.y):
            raise DataError(f"ids must name each of the {len(self.y)} rows; got {len(ids)}")
        return mistakes(self.y, self.predicted, self.classes, ids)
