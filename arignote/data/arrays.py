"""Data: features and labels in one, as they may be given to `fit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import DataError

__all__ = ["Alter", "Data", "DataWithHoldoutPartitions", "check_feature_names", "feature_names", "told"]

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
        if axes not in (None, "NCHW", "NHWC", "NHW"):
            raise DataError(f"axes of Data must be NCHW, NHWC or NHW; got {axes!r}")
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


def told(alter: Alter | None, what: str) -> Alter | None:
    """Return a function of a batch that tells what a user's own raises, or that it gives other rows."""
    if alter is None:
        return None
    own = alter

    def altered(batch: NDArray[Any]) -> NDArray[Any]:
        try:
            found = np.asarray(own(batch))
        except Exception as fault:
            raise DataError(f"{what}: {type(fault).__name__}: {fault}") from fault
        if found.shape[:1] != batch.shape[:1]:
            raise DataError(f"{what} must return as many rows as it is given, {len(batch)}; got shape {found.shape}")
        return found

    return altered


def feature_names(x: Any) -> list[str]:
    """Return the names of the columns of a DataFrame; none of what has no names, or others than strings."""
    x = x.features if isinstance(x, Data) else x[0] if isinstance(x, tuple) and len(x) == 2 else x
    columns = getattr(x, "columns", ()) if hasattr(x, "__array__") else ()
    names = list(columns)
    if not all(isinstance(name, str) for name in names):
        return []
    return [str(name) for name in names]


def check_feature_names(learned: Sequence[str], x: Any, what: str) -> None:
    """Tell columns that are not those learned from, or come in another order; what has no names passes."""
    names, learned = feature_names(x), list(learned)
    if not names or not learned or names == learned:
        return
    unknown = [name for name in names if name not in learned]
    missing = [name for name in learned if name not in names]
    told = [f"{word}: {', '.join(some[:5])}" for word, some in (("unknown", unknown), ("missing", missing)) if some]
    raise DataError(
        f"columns of {what} must be those that fit was given, in their order; got "
        f"{'; '.join(told) or 'them in another order'}. Give {what}[list(classifier.feature_names_in_)]"
    )
