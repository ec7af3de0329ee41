"""Minibatches of an epoch, from any batch on, read and augmented in advance by threads."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from arignote.data.epoch.augmentation import Augmenter
from arignote.data.epoch.order import Order, order_of
from arignote.data.rows.selection import Rows
from arignote.errors import warn

__all__ = ["Batch", "Batches"]

T = TypeVar("T")
_NONE = np.empty(0, np.float32)
Read = Callable[[int, int], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Batch:
    """One minibatch.

    Attributes
    ----------
    index : int
        Number of the batch in the epoch, from 0.
    rows : slice or array (rows,) of int64
        Row numbers in the data.
    x : array (rows, ...) of float32
        Features; of several channels a structured array.
    y : array (rows,) of int64, (rows, n_outputs) of float32, or None
        Encoded targets, such as class numbers; None to predict.
    weights : array (rows,) of float32, optional
        Weight of each row in the loss.
    order : array (rows of the epoch,) of int64, optional
        Row numbers of the epoch, of which `rows` are those from position `begin` on; None if it has no order.
    begin : int
    """

    index: int
    rows: slice | NDArray[np.int64]
    x: NDArray[Any]
    y: NDArray[Any] | None = None
    weights: NDArray[Any] | None = None
    order: NDArray[np.int64] | None = None
    begin: int = 0


class Batches:
    """Cut rows into minibatches.

    Parameters
    ----------
    rows : Rows
        Features.
    y : array (rows, ...) or None
        Encoded targets; not needed to predict.
    seed : int
        Seed of the run.
    batch_size : int >= 1
        Rows of a batch.
    order : Order, optional
        Order of the rows in each epoch; by default, rows are not shuffled.
    drop_last : bool
        Whether a last, smaller batch is left out.
    weights : array (rows,) of float32, optional
        Weight of each row in the loss.
    augmentation : Augmenter, optional
        Applied to each batch.
    n_workers, prefetch : int
        Number of threads that make batches in advance (0: batches are made by the caller's thread), and the largest
        number of such batches.
    only_rows : bool
        Whether batches hold row numbers only, without features, targets and weights.
    y_from_x : bool
        Whether the targets of a batch are its features, flattened, as they are before augmentation.
    """

    def __init__(
        self,
        rows: Rows,
        y: NDArray[Any] | None,
        *,
        seed: int,
        batch_size: int,
        order: Order | None = None,
        drop_last: bool = False,
        weights: NDArray[np.float32] | None = None,
        augmentation: Augmenter | None = None,
        n_workers: int = 0,
        prefetch: int = 4,
        only_rows: bool = False,
        y_from_x: bool = False,
    ):
        self.only_rows, self.y_from_x = only_rows, y_from_x
        self.rows, self.y, self.weights, self.seed = rows, y, weights, seed
        self.batch_size, self.order = batch_size, order or order_of(rows, shuffle=False)
        self.augmentation, self.n_workers, self.prefetch = augmentation, n_workers, prefetch
        n_rows = len(rows)
        self.n_batches = n_rows // batch_size if drop_last else -(-n_rows // batch_size)
        self._stamp = rows.stamp

    def epoch(self, epoch: int, start: int = 0) -> Generator[Batch, None, None]:
        """Yield the batches of an epoch in order.

        Parameters
        ----------
        epoch : int
            From 0.
        start : int
            First batch that is yielded; the batches are those of the whole epoch.

        Yields
        ------
        Batch

        Warns
        -----
        ArignoteWarning
            If the source has changed since it was opened, or since the previous epoch.
        """
        self._warn_if_changed()
        positions, ends = self.order.of_epoch(self.seed, epoch)
        n_rows = len(self.rows)

        def take(index: int) -> slice | NDArray[np.int64]:
            batch = slice(index * self.batch_size, min((index + 1) * self.batch_size, n_rows))
            return batch if positions is None else positions[batch]

        def finish(index: int, raw: NDArray[Any]) -> Batch:
            chosen = take(index)
            x = self.rows.seen(raw)
            y = x.reshape(len(x), -1) if self.y_from_x else None if self.y is None else self.y[chosen]
            if self.augmentation is not None:
                assert y is not None
                # Augmentations may work in place, which must not change the data of the user.
                x, y = x if x.flags.owndata else x.copy(), y if y.flags.owndata else y.copy()
                x, y = self.augmentation(x, y, epoch, index)
            return Batch(index, chosen, x, y, None if self.weights is None else self.weights[chosen])

        def make(index: int) -> Callable[[], Batch]:
            return lambda: finish(index, self.rows.raw(take(index)))

        numbers = range(start, self.n_batches)
        in_threads = self.n_workers > 0 and not (self.rows.reader.in_memory and self.augmentation is None)
        if self.only_rows:
            size = self.batch_size
            return (Batch(n, take(n), _NONE, order=positions, begin=n * size) for n in numbers)
        if not ends:
            if not in_threads:
                return (make(number)() for number in numbers)
            return self._ahead(make, numbers)
        return self._by_blocks(finish, numbers, positions, ends, in_threads)

    def _by_blocks(
        self,
        finish: Callable[[int, NDArray[Any]], Batch],
        numbers: range,
        positions: NDArray[np.int64] | None,
        ends: list[int],
        in_threads: bool,
    ) -> Generator[Batch, None, None]:
        """Yield batches of rows of blocks; a thread reads the next block while a batch is copied from this one."""
        assert positions is not None
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(1, "arignote-read")) if in_threads else None
            blocks = _BlockCache(self.rows.raw, positions, ends, pool)

            def make(index: int) -> Callable[[], Batch]:
                first = index * self.batch_size
                copy_rows = blocks.row_copier(first, min(first + self.batch_size, len(positions)))
                return lambda: finish(index, copy_rows())

            if in_threads:
                yield from self._ahead(make, numbers)
            else:
                yield from (make(number)() for number in numbers)

    def _warn_if_changed(self) -> None:
        stamp = self.rows.reader.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            where = self.rows.reader.where or self.rows.what
            warn(f"{where}: changed during training; rows that were read earlier may differ")

    def _ahead(self, make: Callable[[int], Callable[[], T]], numbers: range) -> Generator[T, None, None]:
        """Yield ``make(n)()`` in order, up to `prefetch` of them in advance; threads end with the iteration."""
        pool = ThreadPoolExecutor(self.n_workers, thread_name_prefix="arignote-augment")
        waiting: deque[Future[T]] = deque()
        try:
            for number in numbers:
                waiting.append(pool.submit(make(number)))
                if len(waiting) >= self.prefetch:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _BlockCache:
    """The blocks of an epoch, each of which is read once; with a thread, the next one is read in advance.

    Parameters
    ----------
    read : callable
        Returns the stored features of rows by their numbers.
    positions : array (rows,) of int64
        Row numbers in the order of the epoch.
    ends : list of int
        Where in `positions` each block ends.
    pool : ThreadPoolExecutor, optional
        The thread that reads; without it, blocks are read when they are needed.
    """

    def __init__(
        self,
        read: Callable[[NDArray[np.int64]], NDArray[Any]],
        positions: NDArray[np.int64],
        ends: list[int],
        pool: ThreadPoolExecutor | None,
    ):
        self._read, self._positions, self._ends, self._pool = read, positions, ends, pool
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

    def row_copier(self, first: int, last: int) -> Callable[[], NDArray[Any]]:
        """Load the blocks of positions `first` to `last`, release those before, and return what copies the rows."""
        low, high = bisect_right(self._ends, first), bisect_left(self._ends, last)
        for block in [block for block in self._loaded if block < low]:
            del self._loaded[block]
        for block in range(low, high + 1 + (self._pool is not None)):
            self._load(block)
        blocks = [(self._loaded[n], self._start(n), self._ends[n]) for n in range(low, high + 1)]

        def copy_rows() -> NDArray[Any]:
            arrays = [array()[max(first - start, 0) : min(last, end) - start] for array, start, end in blocks]
            return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

        return copy_rows
