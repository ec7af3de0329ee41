"""Scores of scikit-learn in validations: tried before training, and NaN where one cannot be computed later."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from math import isnan, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import ConfigError
from arignote.spec.objective import ReportedLoss

__all__ = ["tried_scores"]


def tried_scores(
    losses: Sequence[ReportedLoss],
    y: NDArray[Any] | None,
    weights: NDArray[np.float32] | None,
    n_outputs: Mapping[str, int],
    setting: str,
) -> list[ReportedLoss]:
    """Return losses whose scores can be computed for some targets.

    Parameters
    ----------
    losses : sequence of ReportedLoss
    y : array (rows, ...) or None
        Encoded targets.
    weights : array (rows,) of float32, optional
        How much each row counts.
    n_outputs : dict of str to int
        Number of outputs of each output layer.
    setting : str
        Where the losses are named, for messages.

    Raises
    ------
    ConfigError
        If a score cannot be computed, such as "roc_auc" of ten classes.
    """
    if y is None:
        return list(losses)
    sizes = [n_outputs[one.output] for one in losses]
    return [
        one if one.of_all is None else _tried(one, y, weights, n, setting) for one, n in zip(losses, sizes, strict=True)
    ]


def _tried(
    reported: ReportedLoss, y: NDArray[Any], weights: NDArray[np.float32] | None, n_outputs: int, setting: str
) -> ReportedLoss:
    of_output = y if y.dtype.names is None else y[reported.output]
    # Class numbers have no axis of outputs; flags and numbers have one, the last.
    shape = of_output.shape if of_output.dtype.kind in "iu" else of_output.shape[:-1]
    # Equal probabilities, or the mean of each number.
    predictions = np.full((*shape, n_outputs), 1 / n_outputs if reported.loss.fits("classes") else 0.0, np.float32)
    try:
        if isnan(_quietly(reported, predictions, of_output, weights)):
            # As of "roc_auc", of which scikit-learn warns.
            raise ConfigError(f"{reported.name} cannot be computed for these targets, such as of one class only")
    except ConfigError as error:
        raise ConfigError(f"{setting}: {error}").under("fit", setting) from None

    def of_all(predictions: NDArray[Any], y: NDArray[Any], weights: NDArray[np.float32] | None) -> float:
        try:
            return _quietly(reported, predictions, y, weights)
        except ConfigError:
            # A negative prediction has no logarithm; training continues.
            return nan

    return reported._replace(of_all=of_all)


def _quietly(
    one: ReportedLoss, predictions: NDArray[Any], y: NDArray[Any], weights: NDArray[np.float32] | None
) -> float:
    """Return a score without the warning that a class is never predicted, which most networks never do at first."""
    from sklearn.exceptions import UndefinedMetricWarning

    assert one.of_all is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        return one.of_all(predictions, y, weights)
