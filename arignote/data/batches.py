"""Minibatches of an epoch, from any batch on: order drawn by position, augmented ahead in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Rows
from arignote.data.augment import Augmentation
from arignote.streams import stream

__all__ = ["Batch", "Batches"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Batch:
    """One minibatch: its number in the epoch (from 0), features (rows, ...) float32, class numbers (rows,) int64."""

    index: int
    x: NDArray[Any]
    y: NDArray[Any]


class Batches:
    """Cuts rows into minibatches.

    Parameters
    ----------
    rows : Rows
        Features.
    y : array (rows,) of int64
        Class numbers.
    seed : int
        Seed of the run.
    batch_size : int >= 1
        Rows of a batch.
    shuffle : bool
        Whether the order of each epoch is drawn anew; else it is that of the rows.
    drop_last : bool
        Whether a last, smaller batch is left out.
    augmentation : Augmentation, optional
        What is done to each batch.
    n_workers, prefetch : int
        Threads that make batches ahead (0: in the loop), and how many at most.
    """

    def __init__(
        self,
        rows: Rows,
        y: NDArray[np.int64],
        *,
        seed: int,
        batch_size: int,
        shuffle: bool = True,
        drop_last: bool = False,
        augmentation: Augmentation | None = None,
        n_workers: int = 0,
        prefetch: int = 4,
    ):
        self.rows, self.y, self.seed = rows, y, seed
        self.batch_size, self.shuffle = batch_size, shuffle
        self.augmentation, self.n_workers, self.prefetch = augmentation, n_workers, prefetch
        n_rows = len(rows)
        self.n_batches = n_rows // batch_size if drop_last else -(-n_rows // batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Generator[Batch, None, None]:
        """Yield the batches of an epoch (from 0) in order, from batch `start` on."""
        n_rows = len(self.rows)
        order = stream(self.seed, "order", epoch).permutation(n_rows) if self.shuffle else np.arange(n_rows)

        def make(index: int) -> Batch:
            chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
            x, y = self.rows.features(chosen), self.y[chosen]
            if self.augmentation is not None:
                x, y = self.augmentation(x, y, epoch, index)
            return Batch(index, x, y)

        numbers = range(start, self.n_batches)
        if self.augmentation is None or self.n_workers == 0:
            return (make(number) for number in numbers)
        return _ahead(make, numbers, self.n_workers, self.prefetch)


def _ahead(make: Callable[[int], T], numbers: range, n_workers: int, prefetch: int) -> Generator[T, None, None]:
    """Yield ``make(n)`` in order, up to `prefetch` of them made ahead; no thread outlives the iteration."""
    pool = ThreadPoolExecutor(n_workers, thread_name_prefix="arignote-augment")
    waiting: deque[Future[T]] = deque()
    try:
        for number in numbers:
            waiting.append(pool.submit(make, number))
            if len(waiting) >= prefetch:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
