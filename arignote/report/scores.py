"""Scores of predictions: metrics by name, the confusion matrix, and a table by class."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from arignote.data.targets import Memory, Target
from arignote.errors import ConfigError, did_you_mean
from arignote.registry import names
from arignote.report.tables import table_lines
from arignote.spec.objective import losses_that_fit

__all__ = ["Mistake", "by_class", "check_metric", "confusion_matrix", "is_loss", "mistakes", "score_of"]

# Scorers of scikit-learn by what they rate: classes or their probabilities, and numbers.
_OF_CLASSES = re.compile(
    r"(balanced_accuracy|average_precision|neg_brier_score|neg_log_loss|matthews_corrcoef|d2_(brier|log_loss)_score"
    r"|positive_likelihood_ratio|neg_negative_likelihood_ratio|(f1|precision|recall|jaccard|roc_auc)(_\w+)?)"
)
_OF_NUMBERS = re.compile(
    r"explained_variance|d2_absolute_error_score|neg_max_error|neg_(root_)?(mean|median)_\w+|max_error"
)
# A larger matrix is too wide for a terminal.
_MOST_COLUMNS = 20


class Mistake(NamedTuple):
    """A row that is predicted to be of another class: its id, its label, and the predicted label."""

    id: Any
    label: Any
    predicted: Any


def is_loss(name: str) -> bool:
    """Return whether a name is that of a loss, which the engine computes, or else of a metric."""
    return name in names("loss") or ":" in name


def check_metric(name: str, target: Target, n_outputs: int) -> None:
    """Raise ConfigError if a name is no metric of a target: "accuracy", "top_K", or a scorer of scikit-learn."""
    labels = target.labels_per_row
    k = _top(name) if labels == "one" else None
    if k is not None and not 1 <= k < n_outputs:
        raise ConfigError(f"{name}: K must lie in 1 .. {n_outputs - 1}, below the number of classes, {n_outputs}")
    own = ["accuracy"] if labels != "none" else []
    # Of an input that is its own target there are losses only.
    known = [*own, *([] if target.from_input else _scorers(_OF_NUMBERS if labels == "none" else _OF_CLASSES))]
    if k is None and name not in known:
        listed = [*losses_that_fit(target), *own, *(["top_5"] if labels == "one" else []), *known]
        raise ConfigError(
            f"unknown loss or metric {name!r} of {target.named()}. {did_you_mean(name, list(dict.fromkeys(listed)))}"
        )


def score_of(name: str, predictions: NDArray[Any], y: NDArray[Any], target: Target, memory: Memory) -> float:
    """Return a metric.

    Parameters
    ----------
    name : str
        "accuracy"; "top_5": how often the true class is among the five most probable; or a scorer of scikit-learn, such
        as "balanced_accuracy", "f1_macro", "roc_auc_ovr", "neg_median_absolute_error".
    predictions : array (rows, n_outputs)
        Probabilities, or scaled numbers.
    y : array (rows, ...)
        Encoded targets.
    target : Target
    memory : dict
        What the target has learned.
    """
    is_of_classes = target.labels_per_row == "one"
    k = (1 if name == "accuracy" else _top(name)) if is_of_classes else None
    if k is not None:
        # If probabilities are equal, the first class counts as the more probable, as in predict; in
        # top_k_accuracy_score of scikit-learn the last one does.
        best = np.argsort(-predictions, axis=1, kind="stable")[:, :k]
        return float((best == y[:, None]).any(axis=1).mean())
    from sklearn.metrics import get_scorer

    estimator: _Computed
    if is_of_classes:
        # float32 probabilities add up to 1 except for rounding, of which scikit-learn warns.
        p = predictions.astype(np.float64)
        estimator = _OfLabels(p.argmax(axis=1), p / p.sum(axis=1, keepdims=True))
    elif target.labels_per_row == "several":
        y, estimator = y.astype(np.int64), _OfLabels((predictions > 0.5).astype(np.int64), predictions)
    else:
        y, estimator = target.decode(y, memory), _OfNumbers(target.decode(predictions, memory))
    try:
        return float(get_scorer(name)(estimator, np.zeros((len(y), 1)), y))
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None


class _Computed(BaseEstimator):  # type: ignore[misc]
    """Base class of estimators, as scorers need them, whose predictions are computed before."""

    def __init__(self, predicted: NDArray[Any]):
        self.predicted = predicted

    def predict(self, X: Any) -> NDArray[Any]:
        return self.predicted

    def __sklearn_is_fitted__(self) -> bool:
        return True


class _OfNumbers(RegressorMixin, _Computed):  # type: ignore[misc]
    """Predictions of numbers."""


class _OfLabels(ClassifierMixin, _Computed):  # type: ignore[misc]
    """Predictions of labels, and their probabilities (rows, n_classes)."""

    def __init__(self, predicted: NDArray[Any], p: NDArray[Any]):
        super().__init__(predicted)
        self.p, self.classes_ = p, np.arange(p.shape[1])

    def predict_proba(self, X: Any) -> NDArray[Any]:
        return self.p


def _top(name: str) -> int | None:
    found = re.fullmatch(r"top_(\d{1,6})", name)
    return int(found[1]) if found else None


def _scorers(which: re.Pattern[str]) -> list[str]:
    from sklearn.metrics import get_scorer_names

    return [name for name in get_scorer_names() if which.fullmatch(name)]


def confusion_matrix(y: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Return how many rows of each class (rows of the matrix) are predicted to be of each (columns), int64."""
    from sklearn import metrics

    found: NDArray[np.int64] = metrics.confusion_matrix(y, predicted, labels=np.arange(n_classes))
    return found


def mistakes(
    y: NDArray[np.int64], predicted: NDArray[np.int64], classes: NDArray[Any], ids: Sequence[Any] | None
) -> list[Mistake]:
    """Return the rows that are predicted wrongly, in their order; without `ids` they are numbered from 0."""
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
    at = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_COLUMNS]
    pairs = [divmod(int(place), len(classes)) for place in at if wrong.flat[place]]
    yield from table_lines(
        ["class", "predicted", "rows"], [[labels[a], labels[b], str(matrix[a, b])] for a, b in pairs]
    )
