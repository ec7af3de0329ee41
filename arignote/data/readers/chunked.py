"""A table in a file, read chunk by chunk: base class of CSVReader and ParquetReader."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from arignote.data.readers.base import Array, Reader, RowIndex
from arignote.errors import DataError, available_names, listed

__all__ = ["CHUNK_ROWS", "ChunkedReader"]

# Rows of a chunk, where the file has no chunks of its own.
CHUNK_ROWS = 4096


class ChunkedReader(Reader):
    """Base class of readers of files that are read in chunks; the chunk that was read last is kept.

    Parameters
    ----------
    path : str or Path
        The file.
    columns : str, sequence of str or None
        One column, several, or all.

    Attributes
    ----------
    is_single_column : bool
        Whether a single column was requested by its name.
    starts : array (n_chunks,) of int64
        First row of each chunk; a reader sets it.
    """

    def __init__(self, path: str | Path, columns: str | Sequence[str] | None):
        # The working directory may become another.
        self.path, self.where = Path(path).absolute(), str(path)
        self.is_single_column = isinstance(columns, str)
        self._wanted = [columns] if isinstance(columns, str) else columns
        self.starts = np.zeros(0, np.int64)
        self._last: tuple[int, Array] | None = None
        if not self.path.is_file():
            raise DataError(f"{self.where}: there is no such file")

    @abstractmethod
    def read_chunk(self, number: int) -> Array:
        """Return all rows of a chunk, from row `starts[number]` on."""

    def read(self, rows: RowIndex) -> Array:
        """Return rows (n, ...): those of a slice of step 1, or of row numbers in any order."""
        rows = np.arange(*rows.indices(len(self))[:2]) if isinstance(rows, slice) else np.asarray(rows, np.int64)
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        if not len(rows):
            return out
        if rows.min() < 0 or rows.max() >= len(self):
            raise IndexError(f"{self.where}: rows {rows.min()} to {rows.max()} were asked for, of {len(self)}")
        chunks = np.searchsorted(self.starts, rows, side="right") - 1
        # Grouped by chunk, so that one call reads each chunk once, in whatever order its rows are.
        order = np.argsort(chunks, kind="stable")
        numbers, firsts = np.unique(chunks[order], return_index=True)
        for number, places in zip(numbers.tolist(), np.split(order, firsts[1:]), strict=True):
            last = self._last
            if last is None or last[0] != number:
                # One assignment, so that threads see a whole pair.
                self._last = last = (number, self.read_chunk(number))
            out[places] = last[1][rows[places] - self.starts[number]]
        return out

    def stamp(self) -> tuple[int, int]:
        """Return size and time of the file."""
        with self.raising_data_errors():
            status = self.path.stat()
        return status.st_size, status.st_mtime_ns

    def select_columns(self, available: list[str]) -> list[str]:
        """Return the requested columns; DataError if one is not available, or if several have its name."""
        wanted = list(available if self._wanted is None else self._wanted)
        counts = Counter(available)
        twice = next((name for name in wanted if counts[name] > 1), None)
        if twice is not None:
            places = " and ".join(str(place) for place, name in enumerate(available) if name == twice)
            raise DataError(
                f"{self.where}: has {counts[twice]} columns named {twice!r} ({places}). Rename one of them, or leave "
                f'them out, as in columns: "!{twice}"'
            )
        for name in wanted:
            if name not in available:
                raise DataError(f"{self.where}: has no column {name!r}. {available_names(name, available)}")
        if not wanted:
            raise DataError(f"{self.where}: no columns to read. There are: {listed(available)}")
        return wanted

    @contextmanager
    def raising_data_errors(self) -> Iterator[None]:
        """Raise errors of other libraries as DataError with the name of the file."""
        try:
            yield
        except DataError:
            raise
        except (OSError, ValueError, TypeError, NotImplementedError, KeyError) as error:
            raise DataError(f"{self.where}: cannot be read, is broken or truncated: {error}") from None
