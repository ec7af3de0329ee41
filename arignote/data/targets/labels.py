"""Labels, each of which is one class: validated, and encoded as class numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import DataError
from arignote.registry import plain

__all__ = [
    "encode_labels",
    "find_classes",
    "find_labels",
    "labels_of_state",
    "like_classes",
    "state_of_labels",
    "weights_of_classes",
]


def find_classes(labels: NDArray[Any], n_classes: int | None) -> NDArray[Any]:
    """Return the classes of labels.

    Parameters
    ----------
    labels : array (rows,)
    n_classes : int or None
        Of the output layer. Integer labels in 0 .. n_classes - 1 may lack some of the classes.

    Returns
    -------
    array (n_classes,)
        Sorted.

    Raises
    ------
    DataError
        If there is only one class, the number of classes is not `n_classes`, or types are mixed.
    """
    if labels.dtype.kind not in "biufUO":
        raise DataError(f"labels must be numbers or text; got {labels.dtype}. Try y.astype(str)")
    try:
        classes = np.unique(labels)
    except TypeError:
        raise DataError("labels are of several types; make them all strings or all numbers") from None
    if classes.dtype.kind == "U":
        # The narrowest dtype, as in a checkpoint.
        classes = np.array(classes.tolist())
    # One output, through a sigmoid, is for two classes.
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
    # Of the labels: `classes` may have become 0 .. n_classes - 1, which need not all occur.
    classes_seen = np.unique(labels).tolist()
    if len(classes_seen) < 2:
        raise DataError(f"labels have one class only ({classes_seen}); a classifier needs at least two")
    return classes


def find_labels(labels: list[Any], what: str) -> NDArray[Any]:
    """Return the distinct labels of lists, sorted; DataError if there are none, or if they are of several types."""
    if not labels:
        raise DataError(f"no row of {what} has a label")
    try:
        return np.array(sorted(set(labels)))
    except TypeError:
        raise DataError(f"labels of {what} are of several types; make them all strings or all numbers") from None


def state_of_labels(labels: NDArray[Any]) -> dict[str, Any]:
    """Return labels as plain data."""
    return {"dtype": labels.dtype.str if labels.dtype != object else "O", "values": labels.tolist()}


def labels_of_state(state: Mapping[str, Any]) -> NDArray[Any]:
    """Return the labels of plain data as an array (n_classes,).

    Raises
    ------
    KeyError, TypeError, ValueError
        If they do not have their dtype, as in a damaged or forged file.
    """
    name, values = state["dtype"], state["values"]
    if not (isinstance(name, str) and isinstance(values, list)) or not values:
        raise TypeError("classes that are no list of a dtype, or an empty one")
    dtype = np.dtype(name)
    longest = max((len(value) for value in values if isinstance(value, str)), default=0)
    # A dtype of text or of rows may ask for any amount of memory.
    if dtype.kind not in "biufUO" or (dtype.kind == "U" and dtype.itemsize > 4 * max(longest, 1)):
        raise ValueError(f"classes of dtype {name!r}")
    if not all(isinstance(value, str | int | float) for value in values):
        raise ValueError("classes that are neither numbers nor text")
    try:
        return np.array(values, dtype=dtype)
    except OverflowError:
        raise ValueError(f"classes that are too large for {dtype}") from None


def like_classes(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    """Return integer labels as text if the classes are text, since a column of digits may be read as either.

    Parameters
    ----------
    labels : array (rows,)
    classes : array (n_classes,)

    Returns
    -------
    array (rows,)
        Other labels are returned as they are.
    """
    if classes.dtype.kind != "U" or labels.dtype.kind not in "iu":
        return labels
    return np.array([str(label) for label in labels.tolist()])


def encode_labels(labels: NDArray[Any], classes: NDArray[Any], what: str) -> NDArray[np.int64]:
    """Encode labels as class numbers.

    Parameters
    ----------
    labels : array (rows,)
    classes : array (n_classes,)
        Sorted.
    what : str
        Name of the data in errors.

    Returns
    -------
    array (rows,) of int64
        Position of each label in `classes`.

    Raises
    ------
    DataError
        If a label is not among the classes; the message names the first one.
    """
    labels = like_classes(labels, classes)
    try:
        # A label above all classes would be placed behind the last one.
        at = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
        good = classes[at] == labels
    except TypeError:
        # Numbers and text in one array cannot be ordered.
        known = classes.tolist()
        good = np.array([label in known for label in labels.tolist()])
    if not np.all(good):
        row = int(np.argmin(good))
        raise DataError(
            f"label {plain(labels[row])!r} of {what} row {row} is none of the classes {classes.tolist()[:20]}"
        )
    return at.astype(np.int64)


def weights_of_classes(weights: Mapping[Any, float], classes: NDArray[Any]) -> NDArray[np.float64]:
    """Return the weights of the classes.

    Parameters
    ----------
    weights : dict of label to float
        Finite numbers >= 0.
    classes : array (n_classes,)

    Returns
    -------
    array (n_classes,) of float64
        1 for classes without a weight.

    Raises
    ------
    DataError
        If a label is not a class, or a weight is negative or not finite.
    """
    named = {_word(label): float(weight) for label, weight in weights.items()}
    unknown = sorted(set(named) - {_word(label) for label in classes.tolist()})
    if unknown:
        raise DataError(f"class_weight names the class {unknown[0]!r}; the classes are {classes.tolist()[:20]}")
    for label, weight in named.items():
        if not (np.isfinite(weight) and weight >= 0):
            raise DataError(f"class_weight of {label!r} must be a finite number >= 0; got {weight}")
    return np.array([named.get(_word(label), 1.0) for label in classes.tolist()])


def _word(label: Any) -> str:
    """Return a label as text; 0 and 0.0 are the same label, as a config may have either."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)
