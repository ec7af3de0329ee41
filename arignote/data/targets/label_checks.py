"""Labels that are no classes: missing, one-hot, fractional, or with so many values that they look like numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.values.missing_values import is_missing
from arignote.errors import DataError, warn

__all__ = ["check_classes", "check_labels"]

# Labels with more distinct values than the first, and than the second as a share of the rows, are reported.
_FEW_CLASSES = 20
_MOST_CLASSES = 1 / 3


def check_labels(y: Any, what: str) -> NDArray[Any]:
    """Validate labels.

    Parameters
    ----------
    y : array (rows,) or (rows, 1)
        Numbers or text.
    what : str
        Name of the data in errors.

    Returns
    -------
    array (rows,)

    Raises
    ------
    DataError
        If labels are missing, masked, one-hot, fractional, or of another shape.
    """
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
        fractional = labels != np.round(labels)
        if fractional.any():
            example = labels[fractional][0]
            raise DataError(
                f"{_as_regression(labels, what)} (such as {example}); classes must be whole numbers or text, not "
                "continuous. Train on the numbers with RegressionOutputLayer (NNRegressor), or give y.astype(str) if "
                "they are names"
            )
    if labels.dtype == object:
        missing = [row for row, label in enumerate(labels) if is_missing(label)]
        if missing:
            are_names = any(isinstance(label, str) for label in labels)
            hint = "; if NA or ? is the name of a class of a text table: csv: {missing: []}" if are_names else ""
            raise DataError(f"label of {what} row {missing[0]} is missing. Leave rows without a label out{hint}")
        if all(isinstance(label, str) for label in labels):
            labels = labels.astype(str)
    return labels


def _indicators(labels: NDArray[Any], what: str) -> DataError:
    """Return the error for rows of zeros and ones: one-hot, several labels per row, or rows without a label."""
    n_ones = labels.sum(axis=1, dtype=np.int64)
    if (n_ones == 1).all():
        return DataError(f"labels of {what} are one-hot, of shape {labels.shape}; give y.argmax(axis=1)")
    row, hint = int(np.argmax(n_ones)), "use MultilabelOutputLayer for several labels per row"
    if n_ones[row] > 1:
        return DataError(
            f"labels of {what}, of shape {labels.shape}, look like several labels per row (row {row} has "
            f"{n_ones[row]}): {hint}"
        )
    row = int(np.argmin(n_ones))
    return DataError(
        f"labels of {what}, of shape {labels.shape}, look like one-hot rows of which some have no class, such as row "
        f"{row}: leave these rows out and give y.argmax(axis=1), or {hint}"
    )


def _as_regression(labels: NDArray[Any], what: str) -> str:
    n_distinct = len(np.unique(labels))
    return f"y of {what} looks like a regression target: {n_distinct:,} distinct values in {len(labels):,} rows"


def check_classes(labels: NDArray[Any], n_classes: int | None, what: str) -> None:
    """Report labels with so many distinct values that they look like a regression target or like row names.

    The number of classes of an output layer shows that classes are meant. Text that differs only in spaces or capitals
    is reported with a warning.

    Parameters
    ----------
    labels : array (rows,)
        As `check_labels` returns them.
    n_classes : int or None
        Of the output layer.
    what : str
        Name of the data in messages.

    Raises
    ------
    DataError
        If labels are floats with so many values.
    """
    if labels.dtype.kind == "U":
        _warn_of_variants(labels, what)
    n_distinct = len(set(labels.tolist()))
    if n_classes is not None or n_distinct <= _FEW_CLASSES or n_distinct <= _MOST_CLASSES * len(labels):
        return
    hint = f"if each is a class, set [ClassificationOutputLayer, {{n_classes: {n_distinct}}}]"
    if labels.dtype.kind == "f":
        raise DataError(
            f"{_as_regression(labels, what)}; classes must come in several rows each. Train on the numbers with "
            f"RegressionOutputLayer (NNRegressor), or, {hint}"
        )
    kind = "looks like a regression target" if labels.dtype.kind in "iu" else "looks like names of rows"
    warn(f"y of {what} {kind}: {n_distinct:,} distinct values in {len(labels):,} rows; {hint}")


def _warn_of_variants(labels: NDArray[Any], what: str) -> None:
    """Warn of classes that are perhaps one."""
    variants: dict[str, list[str]] = {}
    for label in sorted(set(labels.tolist())):
        # As "very ill" and " very ill" of a table that was typed by hand.
        variants.setdefault(" ".join(label.split()).casefold(), []).append(label)
    groups = [" and ".join(map(repr, some)) for some in variants.values() if len(some) > 1]
    if groups:
        more = f" ({len(groups) - 3} more)" if len(groups) > 3 else ""
        names = f"{', '.join(groups[:3])}{more} are classes of their own"
        text = f"labels of {what}: {names}, but differ in spaces or capitals only"
        warn(text)
