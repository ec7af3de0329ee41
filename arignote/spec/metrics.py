"""Scores of predictions by scikit-learn, from what a network predicts and its targets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from arignote.data.targets import Target, TargetState, counted
from arignote.errors import ConfigError
from arignote.optim.losses import Score

__all__ = ["score_of_rows"]


def score_of_rows(
    score: Score,
    target: Target,
    target_state: TargetState,
    predictions: NDArray[Any],
    y: NDArray[Any],
    weights: NDArray[np.float32] | None = None,
) -> float:
    """Return a score of the rows, or steps, that have a target.

    Parameters
    ----------
    score : Score
    target : Target
    target_state : dict
        What the target has learned.
    predictions : array (rows, n_outputs)
        Probabilities, or scaled numbers.
    y : array (rows, ...)
        Encoded targets.
    weights : array (rows,), optional
        How much each row counts.

    Raises
    ------
    ConfigError
        If scikit-learn cannot compute it for these targets.
    """
    of_step, state_of_step = target.of_step, target.state_of_step(target_state)
    if of_step is not target:
        counts = counted(y)
        weights = None if weights is None else np.repeat(weights, counts.sum(axis=1))
        y, predictions = y[counts], predictions[counts]
    mask = of_step.present_mask(y)
    at = slice(None) if mask is None else mask
    return _score(score, of_step, state_of_step, predictions[at], y[at], None if weights is None else weights[at])


def _score(
    score: Score,
    target: Target,
    target_state: TargetState,
    predictions: NDArray[Any],
    y: NDArray[Any],
    weights: NDArray[np.float32] | None,
) -> float:
    is_of_classes = target.labels_per_row == "one"
    if is_of_classes and score.top is not None:
        # If probabilities are equal, the first class counts as the more probable, as in predict; in
        # top_k_accuracy_score of scikit-learn the last one does.
        best = np.argsort(-predictions, axis=1, kind="stable")[:, : score.top]
        return float(np.average((best == y[:, None]).any(axis=1), weights=weights))
    estimator: _Computed
    if is_of_classes:
        # float32 probabilities add up to 1 except for rounding, of which scikit-learn warns.
        p = predictions.astype(np.float64)
        estimator = _OfLabels(p.argmax(axis=1), p / p.sum(axis=1, keepdims=True))
    elif target.labels_per_row == "several":
        y, estimator = y.astype(np.int64), _OfLabels((predictions > 0.5).astype(np.int64), predictions)
        # Otherwise two labels are taken for the two classes of one.
        estimator.classes_ = np.eye(predictions.shape[1], dtype=np.int64)
    else:
        y, estimator = target.decode(y, target_state), _OfNumbers(target.decode(predictions, target_state))
    return _rated(score.metric, estimator, y, weights)


def _rated(metric: str, estimator: _Computed, y: NDArray[Any], weights: NDArray[np.float32] | None) -> float:
    """Return what the scorer of scikit-learn finds."""
    from sklearn.metrics import get_scorer

    try:
        given = {} if weights is None else {"sample_weight": weights}
        return float(get_scorer(metric)(estimator, np.zeros((len(y), 1)), y, **given))
    except ValueError as error:
        raise ConfigError(f"{metric}: {error}") from None
    except TypeError:
        if weights is None:
            raise
        raise ConfigError(f"{metric} takes no weights: leave it, or weighted_validation, out") from None


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
        self.p = p
        self.classes_: NDArray[Any] = np.arange(p.shape[1])

    def predict_proba(self, X: Any) -> NDArray[Any]:
        return self.p
