"""`Data`: features and labels in one object, accepted by `fit` in place of (X, y)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.values.frames import is_table, names_of_table
from arignote.errors import DataError, listed

__all__ = ["Alter", "Data", "DataWithHoldoutPartitions", "checked_alter", "columns_in_order", "feature_names"]

# A function of the features, or of the labels, of a batch.
Alter = Callable[[NDArray[Any]], NDArray[Any]]


class Data:
    """Features and labels, with functions applied to each batch.

    Parameters
    ----------
    features : array (rows, ...), Reader, str, or dict of these
        Numbers, or the source that they are read from; see `arignote.data.get_reader`.
    labels : array (rows,), Reader, or str, optional
        Labels, or their source.
    batch_size : int, optional
        Rows of a batch, unless `fit` sets `batch_size`.
    alter_features, alter_labels : callable, optional
        Functions of an array (rows, ...) that return as many rows: `alter_features` is applied to each batch,
        `alter_labels` once to all labels.
    start, stop : int, optional
        Range of the rows that are used, as of a slice.
    allow_partial_batch : bool
        Whether a last, smaller batch is used for training.
    axes : str, or dict of str to str, optional
        Order of the axes of images, of several inputs by channel: "NCHW" (channels first, the default), "NHWC" or
        "NHW".

    Raises
    ------
    DataError
        If `axes` is none of these.
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
        axes: str | Mapping[str, str] | None = None,
    ):
        for one in axes.values() if isinstance(axes, Mapping) else [axes]:
            if one not in (None, "NCHW", "NHWC", "NHW"):
                raise DataError(f"axes of Data must be NCHW, NHWC or NHW; got {one!r}")
        self.features, self.labels = features, labels
        self.batch_size = batch_size
        self.alter_features, self.alter_labels = alter_features, alter_labels
        self.start, self.stop = start, stop
        self.allow_partial_batch, self.axes = allow_partial_batch, axes


class DataWithHoldoutPartitions(Data):
    """`Data` of which fractions are held out for validation and test.

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


def checked_alter(alter: Alter | None, what: str) -> Alter | None:
    """Wrap a user's function of a batch, so that its errors are DataErrors that name it.

    Parameters
    ----------
    alter : callable or None
        Function of an array (rows, ...).
    what : str
        Name of the function in errors.

    Returns
    -------
    callable or None
        Raises DataError if `alter` raises, or returns another number of rows.
    """
    if alter is None:
        return None
    function = alter

    def altered(batch: NDArray[Any]) -> NDArray[Any]:
        try:
            result = np.asarray(function(batch))
        except Exception as error:
            raise DataError(f"{what}: {type(error).__name__}: {error}") from error
        if result.shape[:1] != batch.shape[:1]:
            raise DataError(f"{what} must return {len(batch)} rows, as many as it receives; got shape {result.shape}")
        return result

    return altered


def feature_names(x: Any) -> list[str]:
    """Return the names of the columns of a DataFrame, or of a table of pyarrow.

    Parameters
    ----------
    x : object
        Features, (x, y) or `Data`.

    Returns
    -------
    list of str
        Empty if the columns have no names, or names that are not strings.
    """
    x = x.features if isinstance(x, Data) else x[0] if isinstance(x, tuple) and len(x) == 2 else x
    names = names_of_table(x) if is_table(x) else []
    if not all(isinstance(name, str) for name in names):
        return []
    return [str(name) for name in names]


def columns_in_order(x: Any, learned: Sequence[str | int], what: str) -> Any:
    """Select the columns of a DataFrame that a network was trained on, in their order.

    Parameters
    ----------
    x : object
        Features, (x, y) or `Data`. Other columns of a DataFrame are left out.
    learned : sequence of str
        Names of the columns. With positions (of a table without header), or without names, `x` is not changed.
    what : str
        Name of the data in errors.

    Returns
    -------
    object
        `x` with these columns; `x` itself if it holds no DataFrame.

    Raises
    ------
    DataError
        If a column is missing, or several columns have its name.
    """
    names, wanted = feature_names(x), [name for name in learned if isinstance(name, str)]
    if not names or not wanted or names == wanted:
        return x
    if isinstance(x, Data):
        # A shallow copy: the `Data` of the user keeps its features.
        data = copy(x)
        data.features = columns_in_order(x.features, learned, what)
        return data
    if isinstance(x, tuple):
        return columns_in_order(x[0], learned, what), x[1]
    missing = [repr(name) for name in wanted if name not in names]
    if missing:
        columns = "column" if len(missing) == 1 else "columns"
        raise DataError(
            f"{what} lacks the {columns} {', '.join(missing[:5])}, which the network was trained on. "
            f"There are: {listed(names)}"
        )
    repeated = [name for name in wanted if names.count(name) > 1]
    if repeated:
        raise DataError(f"{what} has several columns {repeated[0]!r}; the network was trained on one of that name")
    # pyarrow has `select`; pandas and polars take a list of names.
    return x.select(wanted) if hasattr(x, "column_names") else x[wanted]
