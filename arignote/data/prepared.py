"""The data of a fit: checked, split into parts, its classes numbered."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Data, DataWithHoldoutPartitions, Rows, encode_labels, find_classes, rows_of
from arignote.data.partition import partition
from arignote.errors import ArignoteWarning, DataError
from arignote.spec import FitSettings

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """The data of a fit, checked and split: rows and class numbers of each part."""

    parts: dict[str, tuple[Rows, NDArray[np.int64]]]
    classes: NDArray[Any]

    def fingerprint(self) -> dict[str, Any]:
        """Return the fingerprints of all parts."""
        return {name: rows.fingerprint() for name, (rows, _) in self.parts.items()}


def prepare(
    x: Any, y: Any, valid: Any, test: Any, settings: FitSettings, n_classes: int | None, seed: int
) -> tuple[Prepared, FitSettings]:
    """Check the data, hold fractions out, number the classes; settings that the data brings are taken over."""
    if isinstance(x, DataWithHoldoutPartitions):
        valid = x.valid_frac or None if valid is None else valid
        test = x.test_frac or None if test is None else test
    if isinstance(x, Data):
        batch_size = x.batch_size if "batch_size" not in settings.model_fields_set else None
        settings = settings.model_copy(
            update={"batch_size": batch_size or settings.batch_size}
            | ({} if x.allow_partial_batch else {"drop_last": True})
        )
    lenient = settings.allow_nonfinite
    rows = {"train": rows_of(x, y, what="X", allow_nonfinite=lenient)}
    if rows["train"].y is None:
        raise DataError("a classifier needs labels: fit(X, y), or fit((X, y))")
    fractions: dict[str, float] = {}
    for name, part in (("valid", valid), ("test", test)):
        if isinstance(part, int | float) and not isinstance(part, bool):
            fractions[name] = float(part)
        elif part is not None:
            rows[name] = rows_of(part, what=name, allow_nonfinite=lenient)
            if rows[name].y is None:
                raise DataError(f"{name} must be a fraction, (X, y) or Data with labels")
    labels = rows["train"].y
    assert labels is not None
    classes = find_classes(labels, n_classes)
    if any(fractions.values()):
        chosen = partition(labels, {k: v for k, v in fractions.items() if v}, seed)
        whole = rows["train"]
        rows |= {name: whole.take(at) for name, at in chosen.items()}
    parts = {}
    for name, part in rows.items():
        if part.n_in != rows["train"].n_in:
            raise DataError(f"an example of {name} has shape {part.n_in}, one of X {rows['train'].n_in}")
        assert part.y is not None
        parts[name] = (part, encode_labels(part.y, classes, name))
    n_train = len(rows["train"])
    if settings.batch_size > n_train:
        text = f"batch_size {settings.batch_size} is larger than the data ({n_train} rows): used as one batch"
        warnings.warn(text, ArignoteWarning, stacklevel=4)
        settings = settings.model_copy(update={"batch_size": n_train})
    return Prepared(parts, classes), settings
