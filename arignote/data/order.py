"""The order of an epoch: which row comes when, a pure function of seed and epoch.

Rows that cost nothing to reach are shuffled freely ("full"). Chunks of a file are read whole: they are shuffled, and
within a window of them the rows ("chunks"), so that each is read once in an epoch. A reader that goes forward only has
its rows shuffled within such windows ("window").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arignote.data.rows import BLOCK_BYTES, Rows
from arignote.errors import ConfigError
from arignote.streams import stream

__all__ = ["Order", "order_of"]


@dataclass(frozen=True)
class Order:
    """How rows are ordered.

    Attributes
    ----------
    kind : str
        "none", "full", "chunks" or "window".
    n_rows : int
        Rows in all.
    chunks : tuple of arrays of int64
        The rows of each chunk; empty where single rows are read at no cost.
    n_window : int
        Chunks of a window.
    classes : array (n_rows,) of int64, optional
        Classes that are drawn equally often.
    """

    kind: str
    n_rows: int
    chunks: tuple[NDArray[np.int64], ...] = ()
    n_window: int = 1
    classes: NDArray[np.int64] | None = None

    def of_epoch(self, seed: int, epoch: int) -> tuple[NDArray[np.int64] | None, list[int]]:
        """Return the rows in their order (None: as they lie), and where its windows end; without chunks there are none.

        Parameters
        ----------
        seed, epoch : int
            The order depends on nothing else.
        """
        if not self.chunks and self.kind == "none":
            return None, []
        rng = stream(seed, "order", epoch)
        if not self.chunks:
            return (rng.permutation(self.n_rows) if self.classes is None else self._balanced(rng)), []
        numbers = rng.permutation(len(self.chunks)) if self.kind == "chunks" else np.arange(len(self.chunks))
        windows = [
            np.concatenate([self.chunks[number] for number in numbers[at : at + self.n_window]])
            for at in range(0, len(numbers), self.n_window)
        ]
        if self.kind != "none":
            windows = [rng.permutation(window) for window in windows]
        return np.concatenate(windows), np.cumsum([len(window) for window in windows]).tolist()

    def _balanced(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw every class equally often; the rows of one come equally often too, as nearly as can be."""
        assert self.classes is not None
        by_class = np.argsort(self.classes, kind="stable")
        of_class = np.split(by_class, np.flatnonzero(np.diff(self.classes[by_class])) + 1)
        shares = np.diff(np.linspace(0, self.n_rows, len(of_class) + 1).round().astype(int))
        drawn = []
        for rows, share in zip(of_class, shares.tolist(), strict=True):
            n_whole, rest = divmod(share, len(rows))
            drawn += [np.tile(rows, n_whole), rng.choice(rows, rest, replace=False)]
        return rng.permutation(np.concatenate(drawn))


def order_of(rows: Rows, shuffle: bool | str, classes: NDArray[np.int64] | None = None) -> Order:
    """Return how the rows of a fit are ordered.

    Parameters
    ----------
    rows : Rows
        Their reader says what lies together.
    shuffle : bool, "full" or "chunks"
        True: "full" where single rows are read at no cost, else "chunks".
    classes : array (n,) of int64, optional
        Classes that are to be drawn equally often.
    """
    chunk_rows = rows.reader.chunk_rows
    if classes is not None and (not shuffle or chunk_rows is not None):
        raise ConfigError(
            "balance_classes needs shuffle, and data whose single rows are read at no cost; "
            'class_weight="balanced" does without'
        )
    if shuffle == "full" and rows.reader.is_sequential:
        raise ConfigError(f'shuffle="full" needs a reader with read(rows); {rows.reader.where} has iter_epoch only')
    kind = "none" if not shuffle else "full" if shuffle is True else str(shuffle)
    if chunk_rows is None or shuffle == "full":
        return Order("full" if kind == "chunks" else kind, len(rows), classes=classes)
    if shuffle:
        kind = "window" if rows.reader.is_sequential else "chunks"
    row_bytes = rows.reader.dtype.itemsize * int(np.prod(rows.reader.shape[1:]))
    n_window = max(BLOCK_BYTES // max(row_bytes * chunk_rows, 1), 1)
    numbers = np.arange(len(rows)) if rows.index is None else rows.index
    groups = numbers // chunk_rows
    by_chunk = np.argsort(groups, kind="stable")
    edges = np.flatnonzero(np.diff(groups[by_chunk])) + 1
    if not shuffle and (np.diff(groups) < 0).any():
        # As they lie: the rows of an index that goes back and forth are read in stretches.
        by_chunk, edges = np.arange(len(rows)), np.arange(chunk_rows, len(rows), chunk_rows)
    return Order(kind, len(rows), tuple(np.split(by_chunk, edges)), n_window)
