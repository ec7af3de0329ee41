"""``arignote.util.misc`` of 2015: row numbers of a stratified hold-out and of a stratified shuffle."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arignote.data.prepare.partition import partition
from arignote.errors import ConfigError
from arignote.estimators.constructor import seed_of
from arignote.streams import draw_seed, stream

__all__ = ["stratified_holdout", "stratified_shuffle"]

RowNumbers = NDArray[np.int64]


def stratified_holdout(
    labels: Any, frac: float, extra_frac: float | Literal[False] = False, rng: Any = None
) -> RowNumbers | tuple[RowNumbers, RowNumbers]:
    """Draw a fraction of the rows of each class, as ``fit(valid=frac, test=extra_frac)`` does.

    Parameters
    ----------
    labels : array (rows,)
    frac, extra_frac : float in [0, 1)
        Fractions of all rows; a second part, with no row of the first, is drawn if `extra_frac` is a number.
    rng : int, RandomState or Generator, optional
        Seed, or what one is drawn from.

    Returns
    -------
    array of int64, or two of these
        Row numbers in rising order.

    Raises
    ------
    DataError
        If a part, or the rest, would be empty.

    Examples
    --------
    >>> labels = np.repeat([0, 1], 50)
    >>> np.bincount(labels[stratified_holdout(labels, 0.2, rng=42)]).tolist()
    [10, 10]
    """
    fractions = {"holdout": frac} if extra_frac is False else {"holdout": frac, "extra": extra_frac}
    parts = partition(np.asarray(labels), fractions, _seed(rng))
    return parts["holdout"] if extra_frac is False else (parts["holdout"], parts["extra"])


def stratified_shuffle(labels: Any, batch_size: int, balance_classes: bool = False, rng: Any = None) -> RowNumbers:
    """Return row numbers in an order in which each class is spread evenly over the batches.

    Parameters
    ----------
    labels : array (rows,)
    batch_size : int >= 1
        Rows of a batch; within it they are in random order.
    balance_classes : bool
        Whether rows of smaller classes are repeated, until each class has as many as the largest.
    rng : int, RandomState or Generator, optional
        Seed, or what one is drawn from.

    Returns
    -------
    array of int64
        All rows, each once unless classes are balanced; a last batch may be smaller.

    Raises
    ------
    ConfigError
        If `batch_size` is not positive.

    Examples
    --------
    >>> labels = np.array([0, 1, 1, 1] * 5)
    >>> np.bincount(labels[stratified_shuffle(labels, batch_size=8, rng=42)[:8]]).tolist()
    [2, 6]
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size must be an integer >= 1; got {batch_size!r}")
    random = stream(_seed(rng), "order")
    _, classes = np.unique(np.asarray(labels), return_inverse=True)
    of_class = [random.permutation(np.flatnonzero(classes == c)) for c in range(classes.max(initial=-1) + 1)]
    if balance_classes:
        # np.resize repeats the rows in turn.
        of_class = [np.resize(rows, max(map(len, of_class))) for rows in of_class]
    # The i-th of n rows of a class stands at (i + u) / n of the way, u random: evenly spread, whatever n is.
    places = [(np.arange(len(rows)) + random.random()) / len(rows) for rows in of_class]
    drawn = np.concatenate([np.zeros(0, np.int64), *of_class])[np.argsort(np.concatenate([[], *places]), kind="stable")]
    batches = [random.permutation(drawn[at : at + batch_size]) for at in range(0, len(drawn), batch_size)]
    return np.concatenate([np.zeros(0, np.int64), *batches])


def _seed(rng: Any) -> int:
    seed = seed_of(rng)
    return draw_seed() if seed is None else seed
