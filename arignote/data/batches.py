"""Minibatches of an epoch, from any batch on: order drawn by position, read and augmented ahead in threads."""

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

from arignote.data.augmentation import Augmentation
from arignote.data.order import Order, order_of
from arignote.data.readers.base import ArrayReader
from arignote.data.rows import Rows
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
        Its number in the epoch, from 0.
    rows : slice or array (rows,) of int64
        Which rows of the data these are.
    x : array (rows, ...) of float32
    y : array (rows,) of int64, or None
        Class numbers; or (rows, n_classes) of float32, shares of the classes. None where there are no labels.
    weights : array (rows,) of float32, optional
        How much each row counts.
    """

    index: int
    rows: slice | NDArray[np.int64]
    x: NDArray[Any]
    y: NDArray[Any] | None = None
    weights: NDArray[Any] | None = None


class Batches:
    """Cuts rows into minibatches.

    Parameters
    ----------
    rows : Rows
        Features.
    y : array (rows,) of int64, or None
        Class numbers; not needed to predict.
    seed : int
        Seed of the run.
    batch_size : int >= 1
        Rows of a batch.
    order : Order, optional
        Of each epoch; by default that of the rows.
    drop_last : bool
        Whether a last, smaller batch is left out.
    weights : array (rows,) of float32, optional
        How much each row counts.
    augmentation : Augmentation, optional
        What is done to each batch.
    n_workers, prefetch : int
        Threads that make batches ahead (0: in the loop), and how many at most.
    only_rows : bool
        Whether batches say which rows they are, without their features.
    """

    def __init__(
        self,
        rows: Rows,
        y: NDArray[np.int64] | None,
        *,
        seed: int,
        batch_size: int,
        order: Order | None = None,
        drop_last: bool = False,
        weights: NDArray[np.float32] | None = None,
        augmentation: Augmentation | None = None,
        n_workers: int = 0,
        prefetch: int = 4,
        only_rows: bool = False,
    ):
        self.only_rows = only_rows
        self.rows, self.y, self.weights, self.seed = rows, y, weights, seed
        self.batch_size, self.order = batch_size, order or order_of(rows, shuffle=False)
        self.augmentation, self.n_workers, self.prefetch = augmentation, n_workers, prefetch
        n_rows = len(rows)
        self.n_batches = n_rows // batch_size if drop_last else -(-n_rows // batch_size)
        self._stamp = rows.stamp

    def epoch(self, epoch: int, start: int = 0) -> Generator[Batch, None, None]:
        """Yield the batches of an epoch (from 0) in order, from batch `start` on."""
        self._see_whether_it_changed()
        positions, ends = self.order.of_epoch(self.seed, epoch)
        n_rows = len(self.rows)

        def take(index: int) -> slice | NDArray[np.int64]:
            window = slice(index * self.batch_size, min((index + 1) * self.batch_size, n_rows))
            return window if positions is None else positions[window]

        def finish(index: int, raw: NDArray[Any]) -> Batch:
            chosen = take(index)
            x, y = self.rows.seen(raw), None if self.y is None else self.y[chosen]
            if self.augmentation is not None:
                assert y is not None
                # A function may work in place: not on the data.
                x, y = x if x.flags.owndata else x.copy(), y if y.flags.owndata else y.copy()
                x, y = self.augmentation(x, y, epoch, index)
            return Batch(index, chosen, x, y, None if self.weights is None else self.weights[chosen])

        def make(index: int) -> Callable[[], Batch]:
            return lambda: finish(index, self.rows.raw(take(index)))

        numbers = range(start, self.n_batches)
        in_memory = isinstance(self.rows.reader, ArrayReader)
        in_threads = self.n_workers > 0 and not (in_memory and self.augmentation is None)
        if self.only_rows:
            return (Batch(number, take(number), _NONE) for number in numbers)
        if not ends:
            if not in_threads:
                return (make(number)() for number in numbers)
            return self._ahead(make, numbers)
        return self._by_windows(finish, numbers, positions, ends, in_threads)

    def _by_windows(
        self,
        finish: Callable[[int, NDArray[Any]], Batch],
        numbers: range,
        positions: NDArray[np.int64] | None,
        ends: list[int],
        in_threads: bool,
    ) -> Generator[Batch, None, None]:
        """Yield batches cut out of windows; a thread reads the next window while one is cut."""
        assert positions is not None
        with ExitStack() as stack:
            reader = stack.enter_context(ThreadPoolExecutor(1, "arignote-read")) if in_threads else None
            held: dict[int, Callable[[], NDArray[Any]]] = {}

            def ask(window: int) -> None:
                if window in held or window >= len(ends):
                    return
                first = ends[window - 1] if window else 0
                chosen = positions[first : ends[window]]
                if reader is None:
                    array = self.rows.raw(chosen)
                    held[window] = lambda: array
                else:
                    held[window] = reader.submit(self.rows.raw, chosen).result

            def make(index: int) -> Callable[[], Batch]:
                first = index * self.batch_size
                last = min(first + self.batch_size, len(positions))
                low, high = bisect_right(ends, first), bisect_left(ends, last)
                for gone in [window for window in held if window < low]:
                    del held[gone]
                for window in range(low, high + 1 + (reader is not None)):
                    ask(window)
                parts = [(held[n], ends[n - 1] if n else 0, ends[n]) for n in range(low, high + 1)]

                def cut() -> Batch:
                    found = [of()[max(first - a, 0) : min(last, b) - a] for of, a, b in parts]
                    return finish(index, found[0] if len(found) == 1 else np.concatenate(found))

                return cut

            if in_threads:
                yield from self._ahead(make, numbers)
            else:
                yield from (make(number)() for number in numbers)

    def _see_whether_it_changed(self) -> None:
        stamp = self.rows.reader.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            where = self.rows.reader.where or self.rows.what
            text = f"{where}: has changed while it was trained on; what was read before is gone"
            # Of this line, so that Python tells it once, though several parts be in one file.
            warn(text)

    def _ahead(self, make: Callable[[int], Callable[[], T]], numbers: range) -> Generator[T, None, None]:
        """Yield ``make(n)()`` in order, up to `prefetch` of them made ahead; no thread outlives the iteration."""
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
