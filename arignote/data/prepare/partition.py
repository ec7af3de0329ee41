"""Splitting rows into train, validation and test: stratified, contiguous, or by groups."""

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
    unused: RowNumbers | None = None,
    gap: int = 0,
) -> dict[str, RowNumbers]:
    """Split rows into disjoint subsets.

    Parameters
    ----------
    labels : array (rows,)
        Labels of all rows.
    fractions : dict of str to float in [0, 1)
        Fraction of all rows for each subset.
    seed : int
        Seed of the run.
    how : "stratified" or "contiguous"
        "stratified" draws from each class in proportion; "contiguous" takes the last rows, in the order of the names.
    groups : array (rows,), optional
        Group of each row. Rows of one group stay in one subset, so the fractions are met approximately.
    chosen : dict of str to array of int64, optional
        Row numbers of subsets that the user has chosen.
    unused : array of int64, optional
        Row numbers that belong to no subset unless they are chosen.
    gap : int >= 0
        Number of rows on both sides of a subset that is held out which belong to no other subset.

    Returns
    -------
    dict of str to array of int64
        Row numbers of each subset in rising order; "train" holds the remaining rows.

    Raises
    ------
    DataError
        If a fraction is outside [0, 1), subsets overlap, or a subset or "train" would be empty.
    """
    _check_fractions(fractions)
    n_rows = len(labels)
    subsets = {name: np.sort(rows) for name, rows in (chosen or {}).items()}
    taken = np.zeros(n_rows, dtype=bool)
    for name, rows in subsets.items():
        if taken[rows].any():
            raise DataError(f"{name}: row {int(rows[taken[rows]][0])} already belongs to another subset")
        taken[_with_neighbours(rows, gap, n_rows)] = True
    if unused is not None:
        taken[unused] = True
    # "contiguous": train is first, then the subsets in the order of their names, so the last subset is cut off first.
    for name in reversed(list(fractions)) if how == "contiguous" else fractions:
        n_wanted = round(fractions[name] * n_rows)
        if not fractions[name]:
            subsets[name] = np.zeros(0, dtype=np.int64)
            continue
        if not 0 < n_wanted < np.count_nonzero(~taken):
            raise DataError(f"{name}={fractions[name]} of {n_rows} rows leaves no row for it, or none to train on")
        if groups is not None:
            drawn = _whole_groups(groups, np.flatnonzero(~taken), n_wanted, seed, name)
        elif how == "contiguous":
            drawn = np.flatnonzero(~taken)[-n_wanted:]
        else:
            drawn = _in_proportion(labels, taken, n_wanted, seed)
        taken[_with_neighbours(drawn, gap, n_rows)] = True
        subsets[name] = np.sort(drawn)
    if taken.all():
        raise DataError("no row is left to train on")
    return subsets | {"train": np.flatnonzero(~taken)}


def _with_neighbours(rows: RowNumbers, gap: int, n_rows: int) -> RowNumbers:
    """Return rows, and up to `gap` rows on both sides of each."""
    near = np.zeros(n_rows, dtype=bool)
    for distance in range(-gap, gap + 1):
        near[np.clip(rows + distance, 0, n_rows - 1)] = True
    return np.flatnonzero(near)


def _check_fractions(fractions: Mapping[str, float]) -> None:
    for name, fraction in fractions.items():
        if not 0 <= fraction < 1:
            raise DataError(f"{name} must be a fraction in [0, 1), or data; got {fraction!r}")
    if sum(fractions.values()) >= 1:
        raise DataError(f"the fractions {dict(fractions)} leave no row to train on")


def _in_proportion(labels: NDArray[Any], taken: NDArray[np.bool_], n_wanted: int, seed: int) -> RowNumbers:
    """Draw `n_wanted` free rows, each class in proportion."""
    # Rows are sorted by class, each class shuffled: evenly spaced picks contain every class in proportion.
    # One stream for all subsets: what is taken is left out below.
    shuffled = stream(seed, "partition").permutation(len(labels))
    by_class = shuffled[np.argsort(np.unique(labels, return_inverse=True)[1][shuffled], kind="stable")]
    free = by_class[~taken[by_class]]
    # + 0.5: the middle of each of n_wanted equal parts.
    drawn: RowNumbers = free[((np.arange(n_wanted) + 0.5) * len(free) / max(n_wanted, 1)).astype(np.int64)]
    return drawn


def _whole_groups(groups: NDArray[Any], free: RowNumbers, n_wanted: int, seed: int, name: str) -> RowNumbers:
    """Draw whole groups in random order until their rows are as close to `n_wanted` as possible."""
    known, numbers, counts = np.unique(groups[free], return_inverse=True, return_counts=True)
    order = stream(seed, "partition", name).permutation(len(known))
    if len(known) < 2:
        raise DataError(f"{name}: only one group is left, and training needs a group, too")
    # Without the last, so that one group is left to train on.
    n_taken = np.cumsum(counts[order])[:-1]
    n_groups = int(np.argmin(np.abs(n_taken - n_wanted))) + 1
    drawn: RowNumbers = free[np.isin(numbers, order[:n_groups])]
    return drawn
