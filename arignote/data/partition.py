"""Fractions of the data held out, the classes in proportion."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import DataError
from arignote.streams import stream

__all__ = ["partition"]


def partition(labels: NDArray[Any], fractions: dict[str, float], seed: int) -> dict[str, NDArray[np.int64]]:
    """Draw disjoint rows, each class in proportion.

    Parameters
    ----------
    labels : array (rows,)
        Labels of all rows.
    fractions : dict of str to float in [0, 1)
        Fraction of all rows for each name.
    seed : int
        Seed of the run.

    Returns
    -------
    dict of str to array of int64
        Row numbers in rising order for each name, and for "train" what remains.
    """
    for name, fraction in fractions.items():
        if not 0 <= fraction < 1:
            raise DataError(f"{name} must be a fraction in [0, 1), or data; got {fraction!r}")
    if sum(fractions.values()) >= 1:
        raise DataError(f"the fractions {fractions} leave no row to train on")
    n_rows = len(labels)
    # Rows sorted by class, each class shuffled; spread evenly, every stretch of them holds the classes in proportion.
    shuffled = stream(seed, "partition").permutation(n_rows)
    by_class = shuffled[np.argsort(np.unique(labels, return_inverse=True)[1][shuffled], kind="stable")]
    taken = np.zeros(n_rows, dtype=bool)
    found: dict[str, NDArray[np.int64]] = {}
    for name, fraction in fractions.items():
        n_wanted = round(fraction * n_rows)
        free = by_class[~taken[by_class]]
        if fraction > 0 and not 0 < n_wanted < len(free):
            raise DataError(f"{name}={fraction} of {n_rows} rows leaves no row for it, or none to train on")
        chosen = free[((np.arange(n_wanted) + 0.5) * len(free) / max(n_wanted, 1)).astype(np.int64)]
        taken[chosen] = True
        found[name] = np.sort(chosen)
    found["train"] = np.flatnonzero(~taken)
    return found
