"""Labels: checked, and numbered as classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import DataError, warn
from arignote.registry import plain

__all__ = [
    "check_classes",
    "check_labels",
    "encode_labels",
    "find_classes",
    "is_missing",
    "like_classes",
    "weights_of_classes",
]

# More distinct labels than this, in more than this share of the rows, are hardly classes.
_FEW_CLASSES = 20
_MOST_CLASSES = 1 / 3


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: None, NaN, and the NA and NaT of pandas."""
    # The NA of pandas compares to NA, which is neither true nor false.
    return type(value).__name__ in ("NoneType", "NAType", "NaTType") or bool(value != value)


def check_labels(y: Any, what: str) -> NDArray[Any]:
    """Return labels as (rows,): a column is flattened, one-hot rows are told, missing ones refused."""
    if np.ma.is_masked(y):
        raise DataError(f"label of {what} row {int(np.argwhere(np.ma.getmaskarray(y))[0][0])} is masked")
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "biuf" and np.isin(labels, (0, 1)).all():
        raise _indicators(labels, what)
    if labels.ndim != 1:
        raise DataError(f"labels of {what} must have the shape (rows,); got {labels.shape}")
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            row = int(np.argmin(np.isfinite(labels)))
            raise DataError(f"label of {what} row {row} is {'missing' if np.isnan(labels[row]) else 'not finite'}")
        odd = labels != np.round(labels)
        if odd.any():
            raise DataError(
                f"{_as_regression(labels, what)} (such as {labels[odd][0]}); classes must be whole numbers or text. "
                "Bin the values (numpy.digitize), or give y.astype(str) if they are names"
            )
    if labels.dtype == object:
        missing = [row for row, label in enumerate(labels) if is_missing(label)]
        if missing:
            names = any(isinstance(label, str) for label in labels)
            way = ". If NA or ? is the name of a class of a text table: csv: {missing: []}" if names else ""
            raise DataError(f"label of {what} row {missing[0]} is missing{way}")
        if all(isinstance(label, str) for label in labels):
            labels = labels.astype(str)
    return labels


def _indicators(labels: NDArray[Any], what: str) -> DataError:
    """Return the error of rows of zeros and ones: one-hot, several labels, or none."""
    n_ones = labels.sum(axis=1, dtype=np.int64)
    if (n_ones == 1).all():
        return DataError(f"labels of {what} are one-hot, of shape {labels.shape}; give y.argmax(axis=1)")
    row, way = int(np.argmax(n_ones)), "train a network for each column, with the labels y[:, j]"
    if n_ones[row] > 1:
        return DataError(
            f"labels of {what}, of shape {labels.shape}, look like several labels per row (row {row} has "
            f"{n_ones[row]}); a classifier has one class per row: {way}"
        )
    row = int(np.argmin(n_ones))
    return DataError(
        f"labels of {what}, of shape {labels.shape}, look like one-hot rows of which some have no class, such as row "
        f"{row}: leave these rows out and give y.argmax(axis=1), or {way}"
    )


def _as_regression(labels: NDArray[Any], what: str) -> str:
    n_distinct = len(np.unique(labels))
    return f"y of {what} looks like a regression target: {n_distinct:,} distinct values in {len(labels):,} rows"


def check_classes(labels: NDArray[Any], n_classes: int | None, what: str) -> None:
    """Report labels of which there are very many: an error for floats, a warning for whole numbers and text.

    The number of classes of an output layer says that they are meant. Text that differs only in spaces or capitals is
    reported with a warning.
    """
    if labels.dtype.kind == "U":
        _warn_of_variants(labels, what)
    n_distinct = len(set(labels.tolist()))
    if n_classes is not None or n_distinct <= _FEW_CLASSES or n_distinct <= _MOST_CLASSES * len(labels):
        return
    way = f"if each is a class, say so: [ClassificationOutputLayer, {{n_classes: {n_distinct}}}]"
    if labels.dtype.kind == "f":
        raise DataError(
            f"{_as_regression(labels, what)}; classes must come in several rows each. Bin the values "
            f"(numpy.digitize), or, {way}"
        )
    kind = "looks like a regression target" if labels.dtype.kind in "iu" else "looks like names of rows"
    text = f"y of {what} {kind}: {n_distinct:,} distinct values in {len(labels):,} rows; {way}"
    warn(text)


def _warn_of_variants(labels: NDArray[Any], what: str) -> None:
    """Warn of classes that are perhaps one."""
    variants: dict[str, list[str]] = {}
    for label in sorted(set(labels.tolist())):
        variants.setdefault(" ".join(label.split()).casefold(), []).append(label)
    found = [" and ".join(map(repr, some)) for some in variants.values() if len(some) > 1]
    if found:
        more = f" ({len(found) - 3} more)" if len(found) > 3 else ""
        told = f"{', '.join(found[:3])}{more} are classes of their own"
        text = f"labels of {what}: {told}, but differ in spaces or capitals only"
        warn(text)


def find_classes(labels: NDArray[Any], n_classes: int | None) -> NDArray[Any]:
    """Return the classes in order; DataError where there is one only, or where they do not fit `n_classes`."""
    if labels.dtype.kind not in "biufUO":
        raise DataError(f"labels must be numbers or text; got {labels.dtype}. Try y.astype(str)")
    try:
        classes = np.unique(labels)
    except TypeError:
        raise DataError("labels are of several types; make them all strings or all numbers") from None
    if classes.dtype.kind == "U":
        # As wide as they need it, which is how a file of the run has them.
        classes = np.array(classes.tolist())
    n_needed = 2 if n_classes == 1 else n_classes
    if n_needed is not None and classes.dtype.kind in "biuf" and len(classes) <= n_needed:
        if len(classes) < n_needed or (classes == np.arange(n_needed)).all():
            low, high = classes.min(), classes.max()
            if low < 0 or high >= n_needed:
                raise DataError(
                    f"labels reach from {low} to {high}; with n_classes={n_needed} they must lie in 0 .. {n_needed - 1}"
                )
            classes = np.arange(n_needed)
    elif n_needed is not None and len(classes) != n_needed:
        raise DataError(f"labels have {len(classes)} classes, the output layer n_classes={n_classes}")
    classes_seen = np.unique(labels).tolist()
    if len(classes_seen) < 2:
        raise DataError(f"labels have one class only ({classes_seen}); a classifier needs at least two")
    return classes


def like_classes(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers as text where the classes are text: as one column of a file may be read in either way."""
    if classes.dtype.kind != "U" or labels.dtype.kind not in "iu":
        return labels
    return np.array([str(label) for label in labels.tolist()])


def encode_labels(labels: NDArray[Any], classes: NDArray[Any], what: str) -> NDArray[np.int64]:
    """Return the position of each label in `classes`; DataError names the first that is not there."""
    labels = like_classes(labels, classes)
    try:
        at = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
        good = classes[at] == labels
    except TypeError:
        # Numbers and text side by side have no order.
        known = classes.tolist()
        good = np.array([label in known for label in labels.tolist()])
    if not np.all(good):
        row = int(np.argmin(good))
        raise DataError(
            f"label {plain(labels[row])!r} of {what} row {row} is none of the classes {classes.tolist()[:20]}"
        )
    return at.astype(np.int64)


def weights_of_classes(given: Mapping[Any, float], classes: NDArray[Any]) -> NDArray[np.float64]:
    """Return the weight of each class, 1 where none is given; DataError names what is no class, or no weight."""
    named = {_word(label): float(weight) for label, weight in given.items()}
    unknown = sorted(set(named) - {_word(label) for label in classes.tolist()})
    if unknown:
        raise DataError(f"class_weight names the class {unknown[0]!r}; the classes are {classes.tolist()[:20]}")
    for label, weight in named.items():
        if not (np.isfinite(weight) and weight >= 0):
            raise DataError(f"class_weight of {label!r} must be a finite number >= 0; got {weight}")
    return np.array([named.get(_word(label), 1.0) for label in classes.tolist()])


def _word(label: Any) -> str:
    """Return a label as it is written in a config, where 0 and 0.0 are one."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)
