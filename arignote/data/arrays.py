"""Data: features and labels in one, as they may be given to `fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

__all__ = ["Alter", "Data", "DataWithHoldoutPartitions"]

Alter = Callable[[NDArray[Any]], NDArray[Any]]


class Data:
    """Features and labels with what is done to each batch of them.

    Parameters
    ----------
    features : array (rows, ...), Reader, or str
        Numbers; a string names a source, see `arignote.data.get_reader`.
    labels : array (rows,), Reader, or str, optional
        Labels of any kind.
    batch_size : int, optional
        Rows of a batch, where `fit` is not told otherwise.
    alter_features, alter_labels : callable, optional
        Functions of the features and of the labels of a batch.
    start, stop : int, optional
        The rows that are used.
    allow_partial_batch : bool
        Whether the last, smaller batch is trained on.
    axes : str, optional
        Of images: "NCHW" (channels first, the default), "NHWC", "NHW".
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
        axes: str | None = None,
    ):
        self.features, self.labels = features, labels
        self.batch_size = batch_size
        self.alter_features, self.alter_labels = alter_features, alter_labels
        self.start, self.stop = start, stop
        self.allow_partial_batch, self.axes = allow_partial_batch, axes


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
