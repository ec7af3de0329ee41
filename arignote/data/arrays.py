"""Data in memory: features and labels, what a user may give for them, and their fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import DataError

__all__ = ["Data", "DataWithHoldoutPartitions", "Rows", "check_features", "encode_labels", "find_classes", "rows_of"]

Alter = Callable[[NDArray[Any]], NDArray[Any]]


class Data:
    """Features and labels with what is done to each batch of them.

    Parameters
    ----------
    features : array (rows, ...)
        Numbers.
    labels : array (rows,), optional
        Labels of any kind.
    batch_size : int, optional
        Rows of a batch, where `fit` is not told otherwise.
    alter_features, alter_labels : callable, optional
        Functions of the features and of the labels of a batch.
    start, stop : int, optional
        The rows that are used.
    allow_partial_batch : bool
        Whether the last, smaller batch is trained on.
    """

    def __init__(
        self,
        features: Any,
        labels: Any = None,
        batch_size: int | None = None,
        alter_features: Alter | None = None,
        alter_labels: Alter | None = None,
        start: int = 0,
        stop: int | None = None,
        allow_partial_batch: bool = True,
    ):
        self.features, self.labels = features, labels
        self.batch_size = batch_size
        self.alter_features, self.alter_labels = alter_features, alter_labels
        self.start, self.stop = start, stop
        self.allow_partial_batch = allow_partial_batch


class DataWithHoldoutPartitions(Data):
    """Data of which fractions are held out for validation and test.

    Parameters
    ----------
    features, labels, **more
        As of Data.
    valid_frac, test_frac : float in [0, 1)
        Fractions of all rows.
    """

    def __init__(self, features: Any, labels: Any, valid_frac: float = 0.0, test_frac: float = 0.0, **more: Any):
        super().__init__(features, labels, **more)
        self.valid_frac, self.test_frac = valid_frac, test_frac


@dataclass(frozen=True)
class Rows:
    """Checked rows, ready to be cut into batches: features (n, ...) and the labels as they were given."""

    x: NDArray[Any]
    y: NDArray[Any] | None
    alter: Alter | None = None

    def __len__(self) -> int:
        return len(self.x)

    def features(self, rows: Any) -> NDArray[Any]:
        """Return the float32 features of some rows (a slice or row numbers)."""
        x = np.ascontiguousarray(self.x[rows], dtype=np.float32)
        return x if self.alter is None else np.ascontiguousarray(self.alter(x), dtype=np.float32)

    def take(self, rows: Any) -> Rows:
        """Return some of the rows."""
        return Rows(self.x[rows], None if self.y is None else self.y[rows], self.alter)

    @property
    def n_in(self) -> tuple[int, ...]:
        """Shape of one example as the network sees it."""
        return tuple(self.features(slice(0, 1)).shape[1:])

    def fingerprint(self) -> dict[str, Any]:
        """Return shape, dtype and digest of features and labels: of all up to 256 MB, else of 4,096 fixed rows."""
        return {"features": _fingerprint(self.x), "labels": None if self.y is None else _fingerprint(self.y)}


def _fingerprint(array: NDArray[Any]) -> dict[str, Any]:
    digest = hashlib.sha256()
    told = {"shape": list(array.shape), "dtype": str(array.dtype)}
    if array.dtype.hasobject:
        digest.update(repr(array.tolist()).encode())
    else:
        if array.nbytes > 256_000_000:
            array = array[np.linspace(0, len(array) - 1, 4096).astype(np.int64)]
        digest.update(np.ascontiguousarray(array).data)
    return told | {"sha256": digest.hexdigest()}


def rows_of(x: Any, y: Any = None, *, what: str = "X", allow_nonfinite: bool = False) -> Rows:
    """Check features and labels and return them as `Rows`.

    Parameters
    ----------
    x : array, DataFrame, (x, y) or Data
        Features.
    y : array, optional
        Labels.
    what : str
        How the data is named in errors.
    allow_nonfinite : bool
        Whether NaN and infinity pass.
    """
    alter = alter_labels = None
    if isinstance(x, Data):
        window = slice(x.start, x.stop)
        labels = x.labels if y is None else y
        alter, alter_labels = x.alter_features, x.alter_labels
        x, y = np.asarray(x.features)[window], None if labels is None else np.asarray(labels)[window]
    elif isinstance(x, tuple) and len(x) == 2 and y is None:
        x, y = x
    features = check_features(x, what, allow_nonfinite)
    if y is None:
        return Rows(features, None, alter)
    labels = _labels(y, what)
    if len(labels) != len(features):
        raise DataError(f"{what} has {len(features)} rows, its labels {len(labels)}; they must be as many")
    return Rows(features, labels if alter_labels is None else _labels(alter_labels(labels), what), alter)


def check_features(x: Any, what: str, allow_nonfinite: bool) -> NDArray[Any]:
    """Return features as an array of numbers (rows, ...), none of them NaN or infinite unless allowed."""
    if hasattr(x, "toarray"):
        raise DataError(f"{what} is a sparse matrix; give {what}.toarray()")
    array = np.asarray(x)
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as fault:
            raise DataError(f"{what} must be numbers; got objects ({fault})") from None
    if array.dtype.kind not in "biuf":
        raise DataError(f"{what} must be numbers; got {array.dtype}")
    if array.ndim < 2:
        hint = f"reshape(-1, 1) makes one feature of {what}" if array.ndim else "got a single number"
        raise DataError(f"{what} must have the shape (rows, features ...); got {array.shape}. {hint}")
    if 0 in array.shape:
        raise DataError(f"{what} is empty: its shape is {array.shape}")
    if array.dtype.kind == "f" and not allow_nonfinite:
        flat = array.reshape(len(array), -1)
        for at in range(0, len(flat), 65536):
            good = np.isfinite(flat[at : at + 65536])
            if not good.all():
                row = int(at + np.argmin(good.all(axis=1)))
                value = flat[row][~np.isfinite(flat[row])][0]
                raise DataError(f"{what} row {row} holds {value}; clean the data, or pass allow_nonfinite=True")
    return array


def _labels(y: Any, what: str) -> NDArray[Any]:
    """Return labels as (rows,): a column is flattened, one-hot rows are told, missing ones refused."""
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "biuf" and np.isin(labels, (0, 1)).all():
        raise DataError(f"labels of {what} are one-hot, of shape {labels.shape}; give y.argmax(axis=1)")
    if labels.ndim != 1:
        raise DataError(f"labels of {what} must have the shape (rows,); got {labels.shape}")
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            raise DataError(f"label of {what} row {int(np.argmin(np.isfinite(labels)))} is not finite")
        if not (labels == np.round(labels)).all():
            raise DataError(
                f"labels of {what} are continuous numbers (such as {labels[0]}); a classifier needs classes"
            )
    if labels.dtype == object:
        missing = [row for row, label in enumerate(labels) if label is None or label != label]
        if missing:
            raise DataError(f"label of {what} row {missing[0]} is missing")
        if all(isinstance(label, str) for label in labels):
            labels = labels.astype(str)
    return labels


def find_classes(labels: NDArray[Any], n_classes: int | None) -> NDArray[Any]:
    """Return the classes in order; DataError where there is one only, or where they do not fit `n_classes`."""
    if labels.dtype.kind not in "biufUO":
        raise DataError(f"labels must be numbers or text; got {labels.dtype}. Try y.astype(str)")
    try:
        classes = np.unique(labels)
    except TypeError:
        raise DataError("labels are of several types; make them all strings or all numbers") from None
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


def encode_labels(labels: NDArray[Any], classes: NDArray[Any], what: str) -> NDArray[np.int64]:
    """Return the position of each label in `classes`; DataError names the first that is not there."""
    try:
        at = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
        good = classes[at] == labels
    except TypeError:
        good = np.zeros(len(labels), dtype=bool)
    if not np.all(good):
        row = int(np.argmin(good))
        raise DataError(f"label {labels[row]!r} of {what} row {row} is none of the classes {classes.tolist()[:20]}")
    return at.astype(np.int64)
