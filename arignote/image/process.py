"""``arignote.image.process`` of 2015: whitening, by the preprocessing `Whiten`."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from arignote.data.preprocess import Whiten

__all__ = ["ZCA", "decorrelate_and_whiten"]


def decorrelate_and_whiten(minibatch: Any) -> NDArray[np.float32]:
    """Return the principal components of rows, each of variance 1, in the shape of the rows.

    Parameters
    ----------
    minibatch : array (rows, ...)
        At most 4096 features.

    Returns
    -------
    array (rows, ...) of float32

    Notes
    -----
    The covariance is divided by n - 1, in 2015 by n. ``preprocess=[["Whiten", {"method": "pca"}]]`` does the same with
    what was learned from the training rows alone.
    """
    rows = np.asarray(minibatch)
    part = Whiten(method="pca")
    return np.asarray(part.apply(part.fit([rows]), rows), dtype=np.float32).reshape(rows.shape)


class ZCA:
    """Whitening of rows that is learned by `fit` and applied by `transform`; rows keep their shape.

    Parameters
    ----------
    regularization : float >= 0, default 1e-05
        Added to the variances.
    copy : bool
        Not used: rows are never changed.

    Attributes
    ----------
    mean_ : array (features,)
    components_ : array (features, features)

    Notes
    -----
    The covariance is divided by n - 1; in 2015 by the number of features.
    """

    def __init__(self, regularization: float = 1e-5, copy: bool = False):
        self.regularization, self.copy = regularization, copy

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from rows (rows, ...) of at most 4096 features."""
        learned = Whiten(epsilon=self.regularization).fit([np.asarray(X)])
        self.mean_, self.components_ = learned["mean"], learned["W"]
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return rows (rows, ...) as new, whitened ones."""
        learned = {"mean": self.mean_, "W": self.components_}
        return np.asarray(Whiten(epsilon=self.regularization).apply(learned, np.asarray(X)), dtype=np.float32)
