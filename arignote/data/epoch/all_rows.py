"""The rows of all subsets of a fit as one, on which its final epochs train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.prepare.prepared import Prepared
from arignote.data.readers.base import Array, Reader, RowIndex
from arignote.data.rows.selection import Rows

__all__ = ["all_rows"]


def all_rows(data: Prepared) -> tuple[Rows, NDArray[Any] | None]:
    """Return the rows of all subsets, one after the other, and their encoded targets.

    Rows of one reader stay rows of this reader, so that those that are stored together are read together.
    """
    subsets = [rows for rows, _ in data.subsets.values()]
    targets = [y for _, y in data.subsets.values() if y is not None]
    y = np.concatenate(targets) if targets else None
    if all(_is_alike(subset, subsets[0]) for subset in subsets):
        numbers = [np.arange(len(subset)) if subset.index is None else subset.index for subset in subsets]
        return replace(subsets[0], index=np.concatenate(numbers), y=None), y
    reader = _StackedReader(subsets)
    # They are converted before they are stacked: subsets may differ in dtype, axes and alterations.
    stamp = tuple(subset.stamp for subset in subsets)
    return Rows(reader, what="X, valid and test", conversions={}, stamp=stamp), y


def _is_alike(subset: Rows, other: Rows) -> bool:
    """Return whether two subsets are rows of one reader that are converted alike, as all have one preprocessing."""

    def conversions(rows: Rows) -> dict[str, Any]:
        return {channel: replace(one, preprocess=None) for channel, one in rows.conversions.items()}

    return subset.reader is other.reader and subset.alter is other.alter and conversions(subset) == conversions(other)


class _StackedReader(Reader):
    """Rows of several subsets, one after the other, as the network sees them.

    Parameters
    ----------
    subsets : sequence of Rows
        Of equal shapes of an example.
    """

    def __init__(self, subsets: Sequence[Rows]):
        self._subsets = subsets
        self._ends = np.cumsum([len(subset) for subset in subsets])
        first, readers = subsets[0].features(slice(0, 1)), [subset.reader for subset in subsets]
        self.shape, self.dtype = (int(self._ends[-1]), *first.shape[1:]), first.dtype
        # Blocks of this size match the chunks of the first subset at most; those of others may be read twice.
        self.chunk_rows = next((one.chunk_rows for one in readers if one.chunk_rows is not None), None)
        self.is_sequential = any(one.is_sequential for one in readers)
        # Altered rows need not be the same each time.
        self.in_memory = all(subset.reader.in_memory and subset.alter is None for subset in subsets)
        self.where = ", ".join(one.where for one in readers if one.where)

    def read(self, rows: RowIndex) -> Array:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        # "right": the row whose number is the end of a subset is the first one of the next.
        of_subset = np.searchsorted(self._ends, rows, side="right")
        for number, subset in enumerate(self._subsets):
            at = of_subset == number
            if at.any():
                out[at] = subset.features(rows[at] - (self._ends[number] - len(subset)))
        return out

    def stamp(self) -> object:
        return tuple(subset.reader.stamp() for subset in self._subsets)
