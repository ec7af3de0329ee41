"""Validation rows that a cross-validation splitter of scikit-learn chooses: those of its first split."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.joined import JoinedReader
from arignote.data.readers.sparse import SparseReader
from arignote.data.rows.selection import Rows
from arignote.data.targets import Targets
from arignote.errors import DataError
from arignote.streams import stream_seed

__all__ = ["first_split", "is_splitter"]

RowNumbers = NDArray[np.int64]


def is_splitter(value: Any) -> bool:
    """Return whether `valid` of a fit is a splitter, such as ``StratifiedKFold(5)``."""
    return not isinstance(value, type) and all(callable(getattr(value, one, None)) for one in ("split", "get_n_splits"))


def first_split(
    splitter: Any, rows: Rows, targets: Targets, groups: NDArray[Any] | None, seed: int
) -> tuple[RowNumbers, RowNumbers]:
    """Return the validation rows of the first split, and those that it leaves out.

    Parameters
    ----------
    splitter : object
        With ``split(X, y, groups)``, as those of scikit-learn. One that is not seeded follows from the seed of the run;
        it is left as it is.
    rows : Rows
        All rows, with labels. A sparse matrix is given as it is; of features that are not in memory, or of several
        channels of which one is sparse, it learns no more than their number.
    targets : Targets
        What the labels are; of several outputs it is given those of the main one.
    groups : array (rows,), optional
    seed : int
        Seed of the run.

    Returns
    -------
    valid, unused : array of int64
        Row numbers; `unused` are neither training nor validation rows.

    Raises
    ------
    DataError
        If it cannot split these rows, or gives other rows each time, so that no run could be resumed.
    """
    x = _features(rows)
    y = None if rows.y is None else targets.values(rows.y, targets.main)
    first, second = (_split(splitter, x, y, groups, seed) for _ in range(2))
    if not all(np.array_equal(one, other) for one, other in zip(first, second, strict=True)):
        raise DataError(
            f"valid: {type(splitter).__name__} gives other rows each time, so that no run could be resumed. Give it "
            "a fixed random_state, or give the row numbers that it has chosen"
        )
    train, valid = first
    where = f"valid: the first split of {type(splitter).__name__}"
    if not len(train) or not len(valid):
        raise DataError(f"{where} leaves no row for it, or none to train on")
    if min(train.min(), valid.min()) < 0 or max(train.max(), valid.max()) >= len(rows):
        raise DataError(f"{where} must hold row numbers in [0, {len(rows)})")
    if both := sorted(set(train.tolist()) & set(valid.tolist())):
        raise DataError(f"{where} must not have rows in both subsets; row {both[0]} is")
    return valid, np.setdiff1d(np.arange(len(rows)), np.concatenate(first))


def _features(rows: Rows) -> Any:
    reader = rows.reader
    if isinstance(reader, SparseReader):
        return reader.matrix
    channels = reader.sources.values() if isinstance(reader, JoinedReader) else ()
    if not reader.in_memory or any(isinstance(one, SparseReader) for one in channels):
        return np.zeros((len(rows), 1))
    return rows.raw(slice(0, len(rows)))


def _split(splitter: Any, x: Any, y: Any, groups: Any, seed: int) -> tuple[RowNumbers, RowNumbers]:
    """Return the training and the validation rows of the first split."""
    # A generator that the splitter holds is drawn from in a copy.
    splitter = deepcopy(splitter)
    # 0 stands for a splitter without the attribute; None for one that is not seeded.
    if getattr(splitter, "random_state", 0) is None:
        # Seeds of scikit-learn have 32 bits.
        splitter.random_state = stream_seed(seed, "partition", "splitter") % 2**32
    try:
        train, valid = next(iter(splitter.split(x, y, groups)))
    except (ValueError, StopIteration) as error:
        raise DataError(f"valid: {type(splitter).__name__} cannot split these rows: {error}") from None
    # An empty list would be an array of floats.
    if any(np.asarray(rows).dtype.kind not in "iu" for rows in (train, valid) if len(rows)):
        raise DataError(f"valid: {type(splitter).__name__} must give row numbers, (train, valid)")
    return np.asarray(train, np.int64), np.asarray(valid, np.int64)
