"""Scores of rows, what they are computed from, and what follows from the classes that are predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.engine.predict import Predictions
from arignote.errors import DataError
from arignote.report.scores import Mistake, confusion_matrix, mistakes

__all__ = ["Kept", "Scored"]


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


class Kept:
    """What is kept of the predictions of each block: those that metrics need, and the most probable classes.

    Parameters
    ----------
    outputs : sequence of str
        Output layers whose predictions are kept.
    classes_of : str or None
        The output layer of whose predictions the classes are kept, which take less memory.
    """

    def __init__(self, outputs: Sequence[str], classes_of: str | None):
        self._blocks: dict[str, list[NDArray[Any]]] = {name: [] for name in outputs}
        self._classes: list[NDArray[np.int64]] = []
        self._classes_of = classes_of

    def __bool__(self) -> bool:
        return bool(self._blocks) or self._classes_of is not None

    def __call__(self, block: Predictions) -> None:
        """Keep what is needed of a block."""
        for name, blocks in self._blocks.items():
            blocks.append(block[name])
        if self._classes_of is not None:
            self._classes.append(block[self._classes_of].argmax(axis=-1))

    @property
    def predictions(self) -> Predictions:
        """Predictions (rows, n_outputs) by output layer."""
        return {name: np.concatenate(blocks) for name, blocks in self._blocks.items()}

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Number of the most probable class (rows,) or (rows, n_steps); empty if classes are not kept."""
        return np.concatenate(self._classes) if self._classes else np.empty(0, np.int64)
