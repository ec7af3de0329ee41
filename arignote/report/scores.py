"""The confusion matrix of predictions, the rows that are predicted wrongly, and a table by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arignote.report.tables import table_lines

__all__ = ["Mistake", "by_class", "confusion_matrix", "mistakes"]

# A larger matrix is too wide for a terminal.
_MOST_COLUMNS = 20


class Mistake(NamedTuple):
    """A row that is predicted to be of another class: its id, its label, and the predicted label."""

    id: Any
    label: Any
    predicted: Any


def confusion_matrix(y: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Return how many rows of each class (rows of the matrix) are predicted to be of each (columns), int64.

    Parameters
    ----------
    y, predicted : array (n,) of int64
        True and predicted class numbers.
    n_classes : int
    """
    from sklearn import metrics

    matrix: NDArray[np.int64] = metrics.confusion_matrix(y, predicted, labels=np.arange(n_classes))
    return matrix


def mistakes(
    y: NDArray[np.int64], predicted: NDArray[np.int64], classes: NDArray[Any], ids: Sequence[Any] | None
) -> list[Mistake]:
    """Return the rows that are predicted wrongly, in their order; without `ids` they are numbered from 0.

    Parameters
    ----------
    y, predicted : array (n,) of int64
        True and predicted class numbers.
    classes : array (n_classes,)
        Labels of the classes.
    ids : sequence, optional
        Names of the rows.
    """
    wrong = np.flatnonzero(y != predicted).tolist()
    labels = classes.tolist()
    return [Mistake(row if ids is None else ids[row], labels[y[row]], labels[predicted[row]]) for row in wrong]


def by_class(y: NDArray[np.int64], predicted: NDArray[np.int64], classes: NDArray[Any]) -> Iterator[str]:
    """Yield the lines of a table with precision, recall and F1 of each class, and of the confusion matrix.

    With more than 20 classes, the pairs that are confused most often replace the matrix.

    Parameters
    ----------
    y, predicted : array (rows,) of int64
        Class numbers.
    classes : array (n_classes,)
        Labels.
    """
    from sklearn.metrics import precision_recall_fscore_support

    # NaN if the divisor is 0: for a class that no row has, or that is never predicted.
    columns = precision_recall_fscore_support(y, predicted, labels=np.arange(len(classes)), zero_division=np.nan)
    labels = [str(label) for label in classes.tolist()]
    body = [
        [label, str(n), *("-" if np.isnan(value) else f"{value:.4f}" for value in values)]
        for label, *values, n in zip(labels, *columns, strict=True)
    ]
    yield from table_lines(["class", "rows", "precision", "recall", "f1"], body)
    yield ""
    matrix = confusion_matrix(y, predicted, len(classes))
    if len(classes) <= _MOST_COLUMNS:
        yield "confusion matrix: a row for each true class, a column for each predicted one"
        body = [[label, *map(str, row)] for label, row in zip(labels, matrix, strict=True)]
        yield from table_lines(["", *labels], body)
        return
    yield "most frequent mistakes"
    wrong = matrix - np.diag(matrix.diagonal())
    # Stable: of equally frequent mistakes those of the first classes.
    at = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_COLUMNS]
    pairs = [divmod(int(place), len(classes)) for place in at if wrong.flat[place]]
    yield from table_lines(
        ["class", "predicted", "rows"], [[labels[a], labels[b], str(matrix[a, b])] for a, b in pairs]
    )
