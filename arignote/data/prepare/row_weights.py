"""How much each row counts, `sample_weight` times `class_weight`: in training and, where asked, in validations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.prepare.fit_data import FitData
from arignote.data.prepare.split import Split
from arignote.data.settings import DataSettings
from arignote.data.targets import TargetState, weights_of_classes
from arignote.errors import DataError

__all__ = ["RowWeights"]


@dataclass(frozen=True)
class RowWeights:
    """The weights of the rows of a fit.

    Attributes
    ----------
    own : array (n_rows,) of float64 or None
        `sample_weight` of all rows from which some are held out.
    data : FitData
    settings : DataSettings
    encoded : dict of str to array
        Encoded targets of each subset.
    target_states : dict of str to dict
        What the target of each output has learned.
    split : Split
    """

    own: NDArray[np.float64] | None
    data: FitData
    settings: DataSettings
    encoded: Mapping[str, NDArray[Any] | None]
    target_states: Mapping[str, TargetState]
    split: Split

    @property
    def are_given(self) -> bool:
        """Whether rows have weights."""
        return self.own is not None or self.settings.class_weight is not None

    def training(self, names: Sequence[str]) -> NDArray[np.float32] | None:
        """Return the weight of each row of some subsets, with mean 1; None if a subset has none."""
        if not self.are_given or (self.own is not None and not self._have_own(names)):
            return None
        weights = self._of(names, names)
        if not weights.any():
            raise DataError(
                "the weights of the training rows must not all be zero: give rows a sample_weight > 0, and their class "
                "a class_weight > 0"
            )
        # A mean of 1: weights change which rows count, and not the length of a step.
        scaled: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
        return scaled

    def scored(self) -> dict[str, NDArray[np.float32]]:
        """Return the weight of each row of each subset in its losses, where asked: of classes as in training."""
        if not self.settings.weighted_validation or not self.are_given:
            return {}
        by_subset = {}
        for name in self.split.rows:
            if self.own is not None and not self._have_own([name]):
                raise DataError(
                    f"weighted_validation needs a sample_weight of each row of {name}, which is data of its own. Hold "
                    f"rows of X out, such as {name}=0.1, or leave weighted_validation out"
                )
            # "balanced" counts the classes of the training rows, as in training.
            weights = self._of([name], ["train"])
            if not weights.any():
                raise DataError(f"the weights of the {name} rows must not all be zero: leave weighted_validation out")
            by_subset[name] = weights.astype(np.float32)
        return by_subset

    def _have_own(self, names: Sequence[str]) -> bool:
        """Return whether the rows of these subsets are among those that `sample_weight` is of."""
        # `sample_weight` is of the rows of X, among which those of "train" always are.
        return self.split.present.keys() >= {*names} - {"train"}

    def _of(self, names: Sequence[str], balanced_by: Sequence[str]) -> NDArray[np.float64]:
        """Return the weights of the rows of some subsets; "balanced" are those of the classes of `balanced_by`."""
        weights = np.ones(sum(len(self.split.rows[name]) for name in names))
        if self.own is not None:
            weights *= np.concatenate([self.own[self.split.present.get(name, slice(None))] for name in names])
        if self.settings.class_weight is not None:
            weights *= self._of_classes(self._classes_of(balanced_by))[self._classes_of(names)]
        return weights

    def _classes_of(self, names: Sequence[str]) -> NDArray[Any]:
        return np.concatenate([self.encoded[name] for name in names])

    def _of_classes(self, y: NDArray[Any]) -> NDArray[np.float64]:
        """Return the weight of each class (n_classes,); "balanced" weights are those of rows with class numbers `y`."""
        targets, class_weight = self.data.targets, self.settings.class_weight
        classes = targets.of_main.classes(self.target_states[targets.main])
        if class_weight == "balanced":
            # As "balanced" of scikit-learn, not divided by the number of classes; 1 for a class without a row.
            balanced: NDArray[np.float64] = len(y) / np.maximum(np.bincount(y, minlength=len(classes)), 1)
            return balanced
        assert class_weight is not None
        return weights_of_classes(class_weight, classes)
