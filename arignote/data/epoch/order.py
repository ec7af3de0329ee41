"""The order of the rows in an epoch, a pure function of seed and epoch.

Rows in memory are shuffled freely ("full"). Chunks of a file are read whole: the chunks are shuffled, and the rows
within blocks of several chunks ("chunks"), so that each chunk is read once per epoch. For a reader that can only read
forwards, rows are shuffled within blocks of consecutive chunks ("window").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from arignote.data.rows.selection import BLOCK_BYTES, Rows
from arignote.errors import ConfigError
from arignote.streams import stream

__all__ = ["Order", "order_of"]


@dataclass(frozen=True)
class Order:
    """The order of rows in every epoch.

    Attributes
    ----------
    kind : str
        "none", "full", "chunks" or "window": the words that files have.
    n_rows : int
        Number of rows.
    chunks : tuple of arrays of int64
        Row numbers of each chunk; empty if single rows can be read efficiently.
    chunks_per_block : int
        Chunks whose rows are shuffled together.
    classes : array (n_rows,) of int64, optional
        Class numbers, if classes are drawn equally often.
    """

    kind: str
    n_rows: int
    chunks: tuple[NDArray[np.int64], ...] = ()
    chunks_per_block: int = 1
    classes: NDArray[np.int64] | None = None

    def of_epoch(self, seed: int, epoch: int, bounds: Sequence[int] = ()) -> tuple[NDArray[np.int64] | None, list[int]]:
        """Return the order of an epoch.

        Parameters
        ----------
        seed, epoch : int
            The order depends on nothing else.
        bounds : sequence of int
            Positions at which runs of chunks of their own begin and end; rows are shuffled within their run.

        Returns
        -------
        positions : array (n_rows,) of int64, or None
            Row numbers in the order of the epoch; None if rows come as they are stored.
        ends : list of int
            Position at which each block ends; empty without chunks.
        """
        if not self.chunks and self.kind == "none":
            return None, []
        rng = stream(seed, "order", epoch)
        if not self.chunks:
            return (rng.permutation(self.n_rows) if self.classes is None else self._balanced(rng)), []
        # Chunks are drawn before blocks: another sequence of draws would change the order of every seed.
        numbers = rng.permutation(len(self.chunks)) if self.kind == "chunks" else np.arange(len(self.chunks))
        chunks = [self.chunks[number] for number in numbers]
        blocks = [
            np.concatenate(run[at : at + self.chunks_per_block])
            for run in (_runs(chunks, bounds) if len(bounds) else [chunks])
            for at in range(0, len(run), self.chunks_per_block)
        ]
        if self.kind != "none":
            blocks = [rng.permutation(block) for block in blocks]
        return np.concatenate(blocks), np.cumsum([len(block) for block in blocks]).tolist()

    def _balanced(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw every class equally often, and within a class every row, up to a difference of one."""
        assert self.classes is not None
        # One sort: looked for class by class, a million rows of 10,000 classes took 12 s an epoch.
        by_class = np.argsort(self.classes, kind="stable")
        of_class = np.split(by_class, np.flatnonzero(np.diff(self.classes[by_class])) + 1)
        # Differences of rounded bounds: they add up to n_rows, and differ by one at most.
        shares = np.diff(np.linspace(0, self.n_rows, len(of_class) + 1).round().astype(int))
        drawn = []
        for rows, share in zip(of_class, shares.tolist(), strict=True):
            n_whole, rest = divmod(share, len(rows))
            # Each row as often as the share allows, then some of them once more.
            drawn += [np.tile(rows, n_whole), rng.choice(rows, rest, replace=False)]
        return rng.permutation(np.concatenate(drawn))


def _runs(chunks: Sequence[NDArray[np.int64]], bounds: Sequence[int]) -> list[list[NDArray[np.int64]]]:
    """Return chunks cut at these positions, as the chunks of each run; rows beyond the last bound are the last run."""
    rows, edges = np.concatenate(chunks), np.cumsum([len(chunk) for chunk in chunks])
    runs = []
    for begin, end in pairwise([*bounds, len(rows)]):
        # A chunk that a bound cuts in two has a piece in both runs.
        pieces = np.split(rows[begin:end], edges[(edges > begin) & (edges < end)] - begin)
        runs.append([piece for piece in pieces if len(piece)])
    return runs


def order_of(rows: Rows, shuffle: bool | str, classes: NDArray[np.int64] | None = None) -> Order:
    """Return the order of the rows of a fit.

    Parameters
    ----------
    rows : Rows
        Rows whose reader defines the chunks.
    shuffle : bool, "full" or "chunks"
        True: "full" if the reader has no chunks, else "chunks".
    classes : array (rows,) of int64, optional
        Class numbers, to draw classes equally often.

    Returns
    -------
    Order

    Raises
    ------
    ConfigError
        If `classes` are given without shuffling or for data in chunks, or if shuffle="full" is set for a reader that
        can only read forwards.
    """
    chunk_rows = rows.reader.chunk_rows
    if classes is not None and (not shuffle or chunk_rows is not None):
        raise ConfigError(
            "balance_classes needs shuffle, and data of which single rows can be read efficiently; "
            'class_weight="balanced" needs neither'
        )
    if shuffle == "full" and rows.reader.is_sequential:
        raise ConfigError(f'shuffle="full" needs a reader with read(rows); {rows.reader.where} has iter_epoch only')
    kind = "none" if not shuffle else "full" if shuffle is True else str(shuffle)
    if chunk_rows is None or shuffle == "full":
        return Order("full" if kind == "chunks" else kind, len(rows), classes=classes)
    if shuffle:
        kind = "window" if rows.reader.is_sequential else "chunks"
    row_bytes = rows.reader.dtype.itemsize * int(np.prod(rows.reader.shape[1:]))
    chunks_per_block = max(BLOCK_BYTES // max(row_bytes * chunk_rows, 1), 1)
    numbers = np.arange(len(rows)) if rows.index is None else rows.index
    groups = numbers // chunk_rows
    # Stable: without shuffling, rows of a chunk come in the order of the index.
    by_chunk = np.argsort(groups, kind="stable")
    edges = np.flatnonzero(np.diff(groups[by_chunk])) + 1
    if not shuffle and (np.diff(groups) < 0).any():
        # Not shuffled: an index that goes back and forth is read in blocks of its own order.
        by_chunk, edges = np.arange(len(rows)), np.arange(chunk_rows, len(rows), chunk_rows)
    return Order(kind, len(rows), tuple(np.split(by_chunk, edges)), chunks_per_block)
