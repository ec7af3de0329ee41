"""Readers of a user's own: `UserReader` adapts them, `check_reader` checks that they work as `fit` expects."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from arignote.data.readers.base import Array, ArrayReader, Reader, RowIndex
from arignote.errors import ArignoteError, DataError

__all__ = ["UserReader", "check_reader", "reader_of"]


class UserReader(Reader):
    """Adapter of a user's own reader, which has at least `iter_epoch`.

    Parameters
    ----------
    own : object
        Object with `iter_epoch`; `shape`, `__len__` and ``read(rows)`` are used if it has them.

    Raises
    ------
    DataError
        If it yields nothing, or ignores `start`.
    """

    is_sequential = True
    # Rows asked for at a time; those of a reader with `read` are shuffled by such chunks as well.
    chunk_rows = 256

    def __init__(self, own: Any):
        self._own = own
        # A user's reader may keep one position, while validation and training read at the same time.
        self._lock = threading.RLock()
        self.where = type(own).__name__
        first = self._first()
        shape = getattr(own, "shape", None)
        n_rows = len(own) if hasattr(own, "__len__") else shape[0] if shape else self._count()
        self.shape, self.dtype = (int(n_rows), *first.shape[1:]), first.dtype
        if hasattr(own, "read"):
            self.is_sequential = False
        else:
            self._check_start()

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Raise errors of the user's reader as DataErrors with its name."""
        try:
            yield
        except ArignoteError:
            raise
        except Exception as error:
            raise DataError(f"{self.where}: {type(error).__name__}: {error}") from error

    def _first(self) -> Array:
        with self._reporting():
            for batch in self._own.iter_epoch(1, allow_partial=True):
                if isinstance(batch, tuple | Mapping):
                    raise DataError(
                        f"{self.where}: iter_epoch must yield arrays of features alone, (rows, ...); got a "
                        f"{type(batch).__name__} of {len(batch)}. Pass the labels separately: fit(reader, y)"
                    )
                return np.asarray(batch)
        raise DataError(f"{self.where}: iter_epoch yields no batch")

    def _count(self) -> int:
        with self._reporting():
            return sum(len(batch) for batch in self._own.iter_epoch(1024, allow_partial=True))

    def _check_start(self) -> None:
        half = min(len(self) // 2, 8)
        whole, tail = self.read(slice(0, 2 * half)), self.read(slice(half, 2 * half))
        # Only a reader that begins at `start` can be entered at any batch, as a resumed run does.
        if not np.array_equal(whole[half:], tail, equal_nan=self.dtype.kind == "f"):
            raise DataError(f"{self.where}: iter_epoch(..., start={half}) does not begin with row {half}")

    def read(self, rows: RowIndex) -> Array:
        with self._lock, self._reporting():
            if hasattr(self._own, "read"):
                return self._checked(np.asarray(self._own.read(rows)), 0)
            if isinstance(rows, slice):
                return self._range(*rows.indices(len(self))[:2])
            # `iter_epoch` reads forwards only: all rows between the first and the last, of which some are kept.
            low, high = (int(rows.min()), int(rows.max()) + 1) if len(rows) else (0, 0)
            return self._range(low, high)[rows - low]

    def _range(self, start: int, stop: int) -> Array:
        """Return the rows from `start` to `stop`, joined from the batches of `iter_epoch`."""
        yielded = self._own.iter_epoch(
            self.chunk_rows, start=start, stop=stop, start_on_batch=False, allow_partial=True
        )
        batches = [self._checked(np.asarray(batch), start // self.chunk_rows + n) for n, batch in enumerate(yielded)]
        whole = np.concatenate(batches) if batches else np.empty((0, *self.shape[1:]), self.dtype)
        if len(whole) != stop - start:
            raise DataError(
                f"{self.where}: rows {start} to {stop} were requested, but {len(whole)} rows were returned; "
                "iter_epoch must respect start and stop"
            )
        return whole

    def _checked(self, batch: Array, number: int) -> Array:
        if batch.shape[1:] != self.shape[1:]:
            raise DataError(
                f"{self.where}: batch {number} has rows of shape {batch.shape[1:]}; the first batch {self.shape[1:]}"
            )
        return batch


def reader_of(source: Any) -> Reader:
    """Return a source as a `Reader`.

    Parameters
    ----------
    source : Reader, object with `iter_epoch`, or array (rows, ...)

    Returns
    -------
    Reader
    """
    if isinstance(source, Reader):
        return source
    return UserReader(source) if hasattr(source, "iter_epoch") else ArrayReader(source)


def check_reader(reader: Any) -> None:
    """Check that a reader works as `fit` expects.

    Parameters
    ----------
    reader : Reader, or object with `iter_epoch`
        With at least two rows.

    Raises
    ------
    DataError
        Names the first requirement that is not met.
    """

    def rows(batch_size: int, **more: Any) -> Array:
        batches = [np.asarray(batch) for batch in reader.iter_epoch(batch_size, **more)]
        for number, batch in enumerate(batches):
            if batch.shape[1:] != ours.shape[1:]:
                raise DataError(
                    f"{where}: batch {number} has rows of shape {batch.shape[1:]}; its shape is {ours.shape[1:]}"
                )
        return np.concatenate(batches) if batches else np.empty((0, *ours.shape[1:]), ours.dtype)

    ours = reader_of(reader)
    where = ours.where or type(reader).__name__
    n = len(ours)
    whole = rows(3, allow_partial=True)
    third = max(n // 3, 1)
    expected = {
        "the same rows each time": (rows(2, allow_partial=True), whole),
        "as many rows as its length": (np.array(len(whole)), np.array(n)),
        "whole batches only if allow_partial is False": (rows(3), whole[: n // 3 * 3]),
        "the rows from `start` on": (rows(2, start=third, start_on_batch=False, allow_partial=True), whole[third:]),
        "the rows before `stop`": (rows(2, stop=third, allow_partial=True), whole[:third]),
        "the batch of `start` if start_on_batch is True": (rows(2, start=1, allow_partial=True), whole),
        "the same slice from read": (ours.read(slice(third, n)), whole[third:]),
        "the same rows from read, in the requested order": (ours.read(np.array([n - 1, 0])), whole[[n - 1, 0]]),
    }
    for requirement, (got, wanted) in expected.items():
        if whole.dtype.hasobject:
            # NaN among objects is equal to nothing.
            got, wanted = np.array(repr(got.tolist())), np.array(repr(wanted.tolist()))
        if not np.array_equal(got, wanted, equal_nan=whole.dtype.kind == "f"):
            raise DataError(f"{where}: a reader must return {requirement}")
