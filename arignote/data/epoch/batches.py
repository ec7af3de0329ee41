"""Minibatches of an epoch, from any batch on, read and augmented in advance by threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from arignote.data.epoch.augmentation import Augmenter
from arignote.data.epoch.block_cache import BlockCache
from arignote.data.epoch.cuts import Cuts
from arignote.data.epoch.order import Order, order_of
from arignote.data.rows.selection import Rows
from arignote.errors import warn

__all__ = ["Batch", "Batches"]

T = TypeVar("T")
# The features of batches of row numbers alone, and of shards without rows.
_NONE = np.empty(0, np.float32)
ShardPosition = tuple[int, int]  # number of the batch in the epoch, and of the shard in the batch


@dataclass(frozen=True, slots=True)
class Batch:
    """One minibatch, or a shard of it.

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
        Row numbers of the epoch, of which `rows` are those from position `begin` on; None if it has no order, or if
        other batches, or shards, have another number of rows.
    begin : int
    shard : int
        Number of the shard, from 0.
    """

    index: int
    rows: slice | NDArray[np.int64]
    x: NDArray[Any]
    y: NDArray[Any] | None = None
    weights: NDArray[Any] | None = None
    order: NDArray[np.int64] | None = None
    begin: int = 0
    shard: int = 0

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.rows.stop - self.rows.start if isinstance(self.rows, slice) else len(self.rows)


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
    shards : int
        Shards that each batch is cut into; what is yielded then are these, also those without rows.
    own_shards : range, optional
        Those that are yielded; by default all.
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
        shards: int = 1,
        own_shards: range | None = None,
    ):
        self.only_rows, self.y_from_x = only_rows, y_from_x
        self.rows, self.y, self.weights, self.seed = rows, y, weights, seed
        self.batch_size, self.order = batch_size, order or order_of(rows, shuffle=False)
        self.augmentation, self.n_workers, self.prefetch = augmentation, n_workers, prefetch
        # Single rows are read as they come; of chunks, each shard has its own.
        is_dealt = shards > 1 and self.order.kind == "chunks"
        self.cuts = Cuts(len(rows), batch_size, drop_last, shards, is_dealt)
        self.shards = range(shards) if own_shards is None else own_shards
        self.n_batches = self.cuts.n_batches
        self._stamp = rows.stamp

    def epoch(self, epoch: int, start: int = 0, end: int | None = None) -> Generator[Batch, None, None]:
        """Yield the batches of an epoch in order.

        Parameters
        ----------
        epoch : int
            From 0.
        start, end : int
            First batch that is yielded, and the one after the last; the batches are those of the whole epoch.

        Yields
        ------
        Batch

        Warns
        -----
        ArignoteWarning
            If the source has changed since it was opened, or since the previous epoch.
        """
        self._warn_if_changed()
        positions, ends = self.order.of_epoch(self.seed, epoch, self.cuts.bounds)

        def take(place: ShardPosition) -> slice | NDArray[np.int64]:
            at = self.cuts.shard(*place)
            return at if positions is None else positions[at]

        def finish(place: ShardPosition, read: Callable[[], NDArray[Any]]) -> Batch:
            index, shard = place
            chosen = take(place)
            # A last batch may have fewer rows than there are shards.
            if not self.cuts.n_rows_of(*place):
                return Batch(index, chosen, _NONE, shard=shard)
            x = self.rows.seen(read())
            y = x.reshape(len(x), -1) if self.y_from_x else None if self.y is None else self.y[chosen]
            if self.augmentation is not None:
                assert y is not None
                # Augmentations may work in place, which must not change the data of the user.
                x, y = x if x.flags.owndata else x.copy(), y if y.flags.owndata else y.copy()
                x, y = self.augmentation(x, y, epoch, index, shard if self.cuts.n_shards > 1 else None)
            weights = None if self.weights is None else self.weights[chosen]
            return Batch(index, chosen, x, y, weights, shard=shard)

        def make(place: ShardPosition) -> Callable[[], Batch]:
            return lambda: finish(place, lambda: self.rows.raw(take(place)))

        numbers = range(start, self.n_batches if end is None else end)
        places = ((index, shard) for index in numbers for shard in self.shards)
        in_threads = self.n_workers > 0 and not (self.rows.reader.in_memory and self.augmentation is None)
        if self.only_rows:
            return (self._named(place, take(place), positions) for place in places)
        if not ends:
            if not in_threads:
                return (make(place)() for place in places)
            return self._ahead(make, places)
        return self._by_blocks(finish, places, positions, ends, in_threads)

    def updates(self, epoch: int, start: int, n_batches: int) -> Generator[tuple[range, list[Batch]], None, None]:
        """Yield the numbers of `n_batches` batches at a time, and these batches, or their shards, as of `epoch`.

        Parameters
        ----------
        epoch : int
            From 0.
        start : int
            First batch that is yielded.
        n_batches : int >= 1
            Batches of an update; the last one may have fewer.
        """
        # Closed when the caller stops early, so that the threads end then and not when the generator is collected.
        with closing(self.epoch(epoch, start)) as left:
            for first in range(start, self.n_batches, n_batches):
                numbers = range(first, min(first + n_batches, self.n_batches))
                yield numbers, list(islice(left, len(numbers) * len(self.shards)))

    def _named(
        self, place: ShardPosition, rows: slice | NDArray[np.int64], positions: NDArray[np.int64] | None
    ) -> Batch:
        """Return a batch of row numbers alone."""
        index, shard = place
        # Only what is as large as all others is cut from a block: a last, smaller batch, or an uneven shard, is not.
        is_even = self.cuts.n_rows_of(*place) * self.cuts.n_shards == self.batch_size
        order = positions if is_even else None
        return Batch(index, rows, _NONE, order=order, begin=self.cuts.shard(*place).start, shard=shard)

    def _by_blocks(
        self,
        finish: Callable[[ShardPosition, Callable[[], NDArray[Any]]], Batch],
        places: Iterable[ShardPosition],
        positions: NDArray[np.int64] | None,
        ends: list[int],
        in_threads: bool,
    ) -> Generator[Batch, None, None]:
        """Yield batches of rows of blocks; a thread reads the next block while a batch is copied from this one."""
        assert positions is not None
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(1, "arignote-read")) if in_threads else None
            blocks = BlockCache(self.rows.raw, positions, ends, self.cuts.bounds[1:] or [len(positions)], pool)

            def make(place: ShardPosition) -> Callable[[], Batch]:
                at = self.cuts.shard(*place)
                run = place[1] if self.cuts.is_dealt else 0
                copy_rows = blocks.row_copier(at.start, at.stop, run)
                return lambda: finish(place, copy_rows)

            if in_threads:
                yield from self._ahead(make, places)
            else:
                yield from (make(place)() for place in places)

    def _warn_if_changed(self) -> None:
        stamp = self.rows.reader.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            where = self.rows.reader.where or self.rows.what
            warn(f"{where}: changed during training; rows that were read earlier may differ")

    def _ahead(
        self, make: Callable[[ShardPosition], Callable[[], T]], places: Iterable[ShardPosition]
    ) -> Generator[T, None, None]:
        """Yield ``make(place)()`` in order, up to `prefetch` of them in advance; threads end with the iteration."""
        pool = ThreadPoolExecutor(self.n_workers, thread_name_prefix="arignote-augment")
        waiting: deque[Future[T]] = deque()
        try:
            for place in places:
                # `make` runs here, batch by batch, as it loads and releases blocks; what it returns runs in a thread.
                waiting.append(pool.submit(make(place)))
                if len(waiting) >= self.prefetch:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
