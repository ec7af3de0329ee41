"""How much each row counts, `sample_weight` times `class_weight`: in training and, where asked, in validations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.fit_data import FitData
from arignote.data.settings import DataSettings
from arignote.data.split import Split
from arignote.data.targets import Memory, weights_of_classes
from arignote.errors import DataError

__all__ = ["scored_weights", "training_weights"]


def training_weights(
    own: NDArray[np.float64] | None,
    data: FitData,
    settings: DataSettings,
    encoded: Mapping[str, NDArray[Any] | None],
    memory: Mapping[str, Memory],
    split: Split,
    names: Sequence[str],
) -> NDArray[np.float32] | None:
    """Return the weight of each row of some parts, `own` times `class_weight`, with mean 1; None if a part has none."""
    if own is None and settings.class_weight is None:
        return None
    weights = np.ones(sum(len(split.rows[name]) for name in names))
    if own is not None:
        if not split.present.keys() >= {*names} - {"train"}:
            return None
        weights *= np.concatenate([own[split.present.get(name, slice(None))] for name in names])
    if settings.class_weight is not None:
        y = np.concatenate([encoded[name] for name in names])
        weights *= _of_classes(data, settings, memory, y)[y]
    if not weights.any():
        raise DataError(
            "the weights of the training rows must not all be zero: give rows a sample_weight > 0, and their class a "
            "class_weight > 0"
        )
    found: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
    return found


def _of_classes(
    data: FitData, settings: DataSettings, memory: Mapping[str, Memory], y: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the weight of each class (n_classes,); "balanced" weights are those of rows with the class numbers `y`."""
    classes = data.targets.of_main.classes(memory[data.targets.main])
    if settings.class_weight == "balanced":
        balanced: NDArray[np.float64] = len(y) / np.maximum(np.bincount(y, minlength=len(classes)), 1)
        return balanced
    assert settings.class_weight is not None
    return weights_of_classes(settings.class_weight, classes)


def scored_weights(
    own: NDArray[np.float64] | None,
    data: FitData,
    settings: DataSettings,
    encoded: Mapping[str, NDArray[Any] | None],
    memory: Mapping[str, Memory],
    split: Split,
) -> dict[str, NDArray[np.float32]]:
    """Return the weight of each row of each part in its losses: `own` times `class_weight` of the training rows."""
    if not settings.weighted_validation or (own is None and settings.class_weight is None):
        return {}
    found = {}
    for name, rows in split.rows.items():
        weights = np.ones(len(rows))
        if own is not None:
            if name != "train" and name not in split.present:
                raise DataError(
                    f"weighted_validation needs a sample_weight of each row of {name}, which is data of its own. Hold "
                    f"rows of X out, such as {name}=0.1, or leave weighted_validation out"
                )
            weights *= own[split.present.get(name, slice(None))]
        train, y = encoded["train"], encoded[name]
        if settings.class_weight is not None and train is not None:
            weights *= _of_classes(data, settings, memory, train)[y]
        if not weights.any():
            raise DataError(f"the weights of the {name} rows must not all be zero: leave weighted_validation out")
        found[name] = weights.astype(np.float32)
    return found
