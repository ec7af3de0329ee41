"""Data: features and labels in one, as they may be given to `fit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import DataError, listed

__all__ = ["Alter", "Data", "DataWithHoldoutPartitions", "columns_in_order", "feature_names", "told"]

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
    features, labels : array, Reader, or str
        As in `Data`.
    valid_frac, test_frac : float in [0, 1)
        Fractions of all rows.
    **more : object
        Other parameters of `Data`.
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


def columns_in_order(x: Any, learned: Sequence[str | int], what: str) -> Any:
    """Return a DataFrame with the columns that a network was trained on, in their order; other data as it is.

    Parameters
    ----------
    x : object
        Features, (x, y) or `Data`. What else a DataFrame has is left out, as of a file.
    learned : sequence of str
        Names of the columns; positions (of a table without header) and none leave all as it is.
    what : str
        How the data is named in errors.

    Raises
    ------
    DataError
        Where a column is missing, or there are several of its name.
    """
    names, wanted = feature_names(x), [name for name in learned if isinstance(name, str)]
    if not names or not wanted or names == wanted:
        return x
    if isinstance(x, Data):
        found = copy(x)
        found.features = columns_in_order(x.features, learned, what)
        return found
    if isinstance(x, tuple):
        return columns_in_order(x[0], learned, what), x[1]
    missing = [repr(name) for name in wanted if name not in names]
    if missing:
        columns = "column" if len(missing) == 1 else "columns"
        raise DataError(
            f"{what} lacks the {columns} {', '.join(missing[:5])}, which the network was trained on. "
            f"There are: {listed(names)}"
        )
    twice = [name for name in wanted if names.count(name) > 1]
    if twice:
        raise DataError(f"{what} has several columns {twice[0]!r}; the network was trained on one of that name")
    return x[wanted]
