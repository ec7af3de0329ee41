"""Blocks of an epoch, of which those are in memory that batches take rows of."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BlockCache"]


class BlockCache:
    """The blocks of an epoch, each of which is read once; with a thread, the next one is read in advance.

    Parameters
    ----------
    read : callable
        Returns the stored features of rows by their numbers.
    positions : array (rows,) of int64
        Row numbers in the order of the epoch.
    ends : list of int
        Where in `positions` each block ends.
    run_ends : list of int
        Where each run of positions ends whose blocks are read in order, beside those of other runs.
    pool : ThreadPoolExecutor, optional
        The thread that reads; without it, blocks are read when they are needed.
    """

    def __init__(
        self,
        read: Callable[[NDArray[np.int64]], NDArray[Any]],
        positions: NDArray[np.int64],
        ends: list[int],
        run_ends: list[int],
        pool: ThreadPoolExecutor | None,
    ):
        self._read, self._positions, self._ends, self._pool = read, positions, ends, pool
        self._last_blocks = [bisect_left(ends, end) for end in run_ends]
        # Blocks that each run needs now.
        self._needed: dict[int, range] = {}
        self._loaded: dict[int, Callable[[], NDArray[Any]]] = {}

    def _start(self, block: int) -> int:
        return self._ends[block - 1] if block else 0

    def _load(self, block: int) -> None:
        if block in self._loaded or block >= len(self._ends):
            return
        rows = self._positions[self._start(block) : self._ends[block]]
        if self._pool is None:
            array = self._read(rows)
            self._loaded[block] = lambda: array
        else:
            self._loaded[block] = self._pool.submit(self._read, rows).result

    def row_copier(self, first: int, last: int, run: int) -> Callable[[], NDArray[Any]]:
        """Load the blocks of positions `first` to `last`, release those before, and return what copies the rows.

        Parameters
        ----------
        first, last : int
            Positions in the order of the epoch; `last` is exclusive.
        run : int
            Number of the run, from 0, in which they lie.

        Returns
        -------
        callable
            Returns the rows (last - first, ...) when it is called, perhaps by another thread.
        """
        # `first` at the end of a block is in the next one; `last` is exclusive, and at an end needs no further block.
        low, high = bisect_right(self._ends, first), bisect_left(self._ends, last)
        # With a thread one block more, which is read ahead, but none of the next run: another shard reads that.
        self._needed[run] = range(low, min(high + (self._pool is not None), self._last_blocks[run]) + 1)
        for block in [block for block in self._loaded if not any(block in needed for needed in self._needed.values())]:
            del self._loaded[block]
        for block in self._needed[run]:
            self._load(block)
        # Copies that are still to be made in threads hold their blocks by this list when `_loaded` releases them.
        blocks = [(self._loaded[n], self._start(n), self._ends[n]) for n in range(low, high + 1)]

        def copy_rows() -> NDArray[Any]:
            arrays = [array()[max(first - start, 0) : min(last, end) - start] for array, start, end in blocks]
            # A view of the block: `Batches` copies it before an augmentation changes it in place.
            return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

        return copy_rows
