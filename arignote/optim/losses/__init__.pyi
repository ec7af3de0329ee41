"""Losses by the targets that they fit."""

from arignote.optim.losses.base import Loss
from arignote.optim.losses.of_all_rows import METRIC_SCHEMA, Score, metrics_that_fit, near_metric, to_score
from arignote.optim.losses.of_classes import NLL, Brier, Error, Hinge, RankError, TopKError
from arignote.optim.losses.of_flags import BinaryCrossEntropy, FlagError
from arignote.optim.losses.of_numbers import MAE, R2, RMSE, AbsoluteError, Huber, SquaredError
from arignote.optim.losses.of_reconstructions import Reconstruction

__all__ = [
    "MAE",
    "METRIC_SCHEMA",
    "NLL",
    "R2",
    "RMSE",
    "AbsoluteError",
    "BinaryCrossEntropy",
    "Brier",
    "Error",
    "FlagError",
    "Hinge",
    "Huber",
    "Loss",
    "RankError",
    "Reconstruction",
    "Score",
    "SquaredError",
    "TopKError",
    "metrics_that_fit",
    "near_metric",
    "to_score",
]
