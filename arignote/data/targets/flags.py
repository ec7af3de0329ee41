"""Flags: several labels per row, each of which applies or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from arignote.data.targets.base import LabelsPerRow, Target, TargetState
from arignote.data.targets.labels import find_labels, labels_of_state, state_of_labels
from arignote.errors import DataError
from arignote.registry import Count, register

__all__ = ["Flags"]


@register(name="flags")
class Flags(Target):
    """Several labels per row: ``y_i[c] = 1`` if the label c applies to row i, else 0.

    Parameters
    ----------
    n_classes : int >= 1, optional
        Number of labels; by default that of the columns, or of the labels that occur.

    Notes
    -----
    `y` is an indicator matrix (rows, n_classes) of 0 and 1, or a list with the labels of each row; predictions have the
    form of `y`.

    Examples
    --------
    >>> target = Flags()
    >>> y = target.check([["red"], [], ["blue", "red"]], "y")
    >>> target.encode(y, target.learn(y, None, "y"), "y")
    array([[0., 1.],
           [0., 0.],
           [1., 1.]], dtype=float32)
    """

    train_loss: ClassVar[str] = "binary_cross_entropy"
    valid_loss: ClassVar[tuple[str, ...]] = ("binary_cross_entropy", "flag_error")
    test_loss: ClassVar[tuple[str, ...]] = ("flag_error", "binary_cross_entropy")
    labels_per_row: ClassVar[LabelsPerRow] = "several"
    n_classes: Count | None = None

    def check(self, y: Any, what: str) -> NDArray[Any]:
        # A sparse matrix of SciPy, or a DataFrame.
        y = y.toarray() if hasattr(y, "toarray") else y.to_numpy() if hasattr(y, "to_numpy") else y
        listed = isinstance(y, list | tuple) or (isinstance(y, np.ndarray) and y.dtype == object)
        are_lists = [isinstance(row, list | tuple | set | frozenset | np.ndarray) for row in y] if listed else []
        if any(are_lists):
            if not all(are_lists):
                row = are_lists.index(False)
                raise DataError(
                    f"labels of {what} row {row} must be a list, which is empty if none applies; got {y[row]!r:.100}"
                )
            if not _are_indicators(y):
                return _tuples_of_labels(y, what)
            # Objects, if the columns of a DataFrame are of several types.
            y = np.asarray(y).astype(np.int64)
        matrix = np.asarray(y)
        if matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
            raise DataError(
                f"labels of {what} must be an indicator matrix (rows, labels) of 0 and 1, or a list of the labels of "
                f"each row; got {matrix.dtype} of shape {matrix.shape}"
            )
        good = np.isin(matrix, (0, 1)).all(axis=1)
        if not good.all():
            row = int(np.argmin(good))
            raise DataError(f"labels of {what} row {row} must be 0 and 1; got {matrix[row].tolist()[:20]}")
        return matrix

    def learn(
        self, y: NDArray[Any], rows: NDArray[np.int64] | None, what: str, stored: TargetState | None = None
    ) -> TargetState:
        is_matrix = y.ndim == 2
        labels = np.arange(y.shape[1]) if is_matrix else find_labels([label for row in y for label in row], what)
        if self.n_classes is not None and self.n_classes != len(labels):
            raise DataError(f"{what} has {len(labels)} labels, the output layer n_classes={self.n_classes}")
        return state_of_labels(labels) | {"form": "matrix" if is_matrix else "lists"}

    def check_state(self, state: Mapping[str, Any]) -> None:
        labels_of_state(state)
        if state["form"] not in ("matrix", "lists"):
            raise ValueError(f"flags in the form {state['form']!r:.100}")

    def size(self, state: TargetState) -> int:
        return len(state["values"])

    def encode(self, y: NDArray[Any], state: TargetState, what: str) -> NDArray[Any]:
        labels = labels_of_state(state)
        if y.ndim == 2:
            if y.shape[1] != len(labels):
                raise DataError(f"labels of {what} have {y.shape[1]} columns, those of the training data {len(labels)}")
            return np.ascontiguousarray(y, dtype=np.float32)
        places = {label: place for place, label in enumerate(labels.tolist())}
        encoded = np.zeros((len(y), len(labels)), dtype=np.float32)
        for row, of_row in enumerate(y):
            unknown = next((label for label in of_row if label not in places), None)
            if unknown is not None:
                raise DataError(f"label {unknown!r} of {what} row {row} is none of {labels.tolist()[:20]}")
            encoded[row, [places[label] for label in of_row]] = 1
        return encoded

    def decode(self, predicted: NDArray[Any], state: TargetState) -> NDArray[Any]:
        is_set = predicted > 0.5
        if state["form"] == "matrix":
            return is_set.astype(np.int64)
        labels = labels_of_state(state)
        return _as_objects([tuple(labels[row].tolist()) for row in is_set])

    def strata(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return a number for each combination of labels."""
        combinations = [tuple(row.tolist()) if y.ndim == 2 else row for row in y]
        # By repr, as combinations of labels of several types have no order.
        numbers = {combination: n for n, combination in enumerate(sorted(set(combinations), key=repr))}
        return np.array([numbers[combination] for combination in combinations])

    def classes(self, state: TargetState) -> NDArray[Any]:
        return labels_of_state(state)

    def encoded_form(self, state: TargetState) -> str:
        return f"flags between 0 and 1, (rows, {self.size(state)})"


def _are_indicators(y: Any) -> bool:
    """Return whether lists are the rows of a matrix of 0 and 1, and not labels that are numbers."""
    if any(isinstance(row, set | frozenset) for row in y):
        return False
    lengths = {len(row) for row in y}
    values = [value for row in y for value in row]
    return len(lengths) == 1 and bool(values) and all(np.isscalar(value) and value in (0, 1) for value in values)


def _tuples_of_labels(y: Any, what: str) -> NDArray[Any]:
    """Return the labels of each row as tuples, sorted, each once."""
    rows = []
    for row, labels in enumerate(y):
        plain = [label.item() if isinstance(label, np.generic) else label for label in labels]
        if not all(isinstance(label, str | int | float) and label == label for label in plain):
            raise DataError(
                f"labels of {what} row {row} must be numbers or text, none of them missing; got {plain!r:.100}"
            )
        # By type first: numbers and text have no common order.
        rows.append(tuple(sorted(set(plain), key=lambda label: (str(type(label)), label))))
    return _as_objects(rows)


def _as_objects(rows: list[tuple[Any, ...]]) -> NDArray[Any]:
    # np.array would make a matrix of tuples of equal length.
    objects = np.empty(len(rows), dtype=object)
    objects[:] = rows
    return objects
