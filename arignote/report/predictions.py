"""Predictions as a table."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from arignote.errors import DataError
from arignote.replacing import replacing

__all__ = ["write_predictions"]


def write_predictions(path: Path, classes: NDArray[Any], proba: NDArray[Any]) -> None:
    """Write a CSV file: row, predicted, and the probability of each class.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced once all rows are written.
    classes : array (n_classes,)
        The labels.
    proba : array (rows, n_classes)
        As `predict_proba` returns them.

    Raises
    ------
    DataError
        If it cannot be written; an existing one is kept.
    """
    try:
        with replacing(path) as file:
            writer = csv.writer(file)
            writer.writerow(["row", "predicted", *(f"p_{label}" for label in classes)])
            for row, (label, p) in enumerate(zip(classes[proba.argmax(axis=1)], proba, strict=True)):
                writer.writerow([row, label, *(f"{value:.9g}" for value in p)])
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from None
