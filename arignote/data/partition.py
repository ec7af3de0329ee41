"""Parts of the data held out: in proportion of the classes, from the end, or by groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import DataError
from arignote.streams import stream

__all__ = ["partition"]

RowNumbers = NDArray[np.int64]


def partition(
    labels: NDArray[Any],
    fractions: Mapping[str, float],
    seed: int,
    *,
    how: str = "stratified",
    groups: NDArray[Any] | None = None,
    chosen: Mapping[str, RowNumbers] | None = None,
) -> dict[str, RowNumbers]:
    """Draw disjoint rows; nothing but the labels is needed.

    Parameters
    ----------
    labels : array (rows,)
        Labels of all rows.
    fractions : dict of str to float in [0, 1)
        Fraction of all rows for each name.
    seed : int
        Seed of the run.
    how : "stratified" or "contiguous"
        Each class in proportion; or the last rows, in the order of the names.
    groups : array (rows,), optional
        Rows of one group stay together; the fractions are met as nearly as the groups allow.
    chosen : dict of str to array of int64, optional
        Rows of further names, which were chosen already.

    Returns
    -------
    dict of str to array of int64
        Row numbers in rising order for each name, and for "train" what remains.
    """
    for name, fraction in fractions.items():
        if not 0 <= fraction < 1:
            raise DataError(f"{name} must be a fraction in [0, 1), or data; got {fraction!r}")
    if sum(fractions.values()) >= 1:
        raise DataError(f"the fractions {dict(fractions)} leave no row to train on")
    n_rows = len(labels)
    found = {name: np.sort(rows) for name, rows in (chosen or {}).items()}
    taken = np.zeros(n_rows, dtype=bool)
    for name, rows in found.items():
        if taken[rows].any():
            raise DataError(f"{name}: row {int(rows[taken[rows]][0])} belongs to another part already")
        taken[rows] = True
    # "contiguous": train comes first, then the parts as they are named.
    for name in reversed(list(fractions)) if how == "contiguous" else fractions:
        n_wanted = round(fractions[name] * n_rows)
        if not fractions[name]:
            found[name] = np.zeros(0, dtype=np.int64)
            continue
        if not 0 < n_wanted < np.count_nonzero(~taken):
            raise DataError(f"{name}={fractions[name]} of {n_rows} rows leaves no row for it, or none to train on")
        if groups is not None:
            drawn = _whole_groups(groups, np.flatnonzero(~taken), n_wanted, seed, name)
        elif how == "contiguous":
            drawn = np.flatnonzero(~taken)[-n_wanted:]
        else:
            drawn = _in_proportion(labels, taken, n_wanted, seed)
        taken[drawn] = True
        found[name] = np.sort(drawn)
    if taken.all():
        raise DataError("no row is left to train on")
    return found | {"train": np.flatnonzero(~taken)}


def _in_proportion(labels: NDArray[Any], taken: NDArray[np.bool_], n_wanted: int, seed: int) -> RowNumbers:
    # Rows sorted by class, each class shuffled; spread evenly, every stretch of them holds the classes in proportion.
    shuffled = stream(seed, "partition").permutation(len(labels))
    by_class = shuffled[np.argsort(np.unique(labels, return_inverse=True)[1][shuffled], kind="stable")]
    free = by_class[~taken[by_class]]
    drawn: RowNumbers = free[((np.arange(n_wanted) + 0.5) * len(free) / max(n_wanted, 1)).astype(np.int64)]
    return drawn


def _whole_groups(groups: NDArray[Any], free: RowNumbers, n_wanted: int, seed: int, name: str) -> RowNumbers:
    """Draw groups, in an order of their own, until the number of rows is as near as it gets."""
    known, numbers, counts = np.unique(groups[free], return_inverse=True, return_counts=True)
    order = stream(seed, "partition", name).permutation(len(known))
    if len(known) < 2:
        raise DataError(f"{name}: {len(known)} group is too few for it and for training")
    n_taken = np.cumsum(counts[order])[:-1]
    n_groups = int(np.argmin(np.abs(n_taken - n_wanted))) + 1
    drawn: RowNumbers = free[np.isin(numbers, order[:n_groups])]
    return drawn
