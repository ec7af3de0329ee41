"""The rows of all parts of a fit as one, on which its final epochs train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.prepared import Prepared
from arignote.data.readers.base import Array, Reader, RowIndex
from arignote.data.rows import Rows
from arignote.errors import ConfigError

__all__ = ["all_rows", "check_held_out"]


def all_rows(data: Prepared) -> tuple[Rows, NDArray[Any] | None]:
    """Return the rows of all parts, one part behind the other, and their encoded targets.

    Rows of one reader stay rows of this reader, so that those that are stored together are read together.
    """
    parts = [rows for rows, _ in data.parts.values()]
    targets = [y for _, y in data.parts.values() if y is not None]
    y = np.concatenate(targets) if targets else None
    if all(_is_alike(part, parts[0]) for part in parts):
        numbers = [np.arange(len(part)) if part.index is None else part.index for part in parts]
        return replace(parts[0], index=np.concatenate(numbers), y=None), y
    reader = _StackedReader(parts)
    # They are converted before they are stacked: parts may differ in dtype, axes and alterations.
    stamp = tuple(part.stamp for part in parts)
    return Rows(reader, what="X, valid and test", conversions={}, stamp=stamp), y


def check_held_out(final_epochs: int, *, has_any: bool, has_weights: bool) -> None:
    """Raise ConfigError if there are final epochs, but no rows that are held out, or no weights of these."""
    if final_epochs and not has_any:
        raise ConfigError(
            "final_epochs must be 0 without validation or test data, on which the final epochs train too; got "
            f"{final_epochs}. Give valid=0.1 or test=0.1, or leave it out"
        )
    if final_epochs and not has_weights:
        raise ConfigError(
            "final_epochs must be 0 with sample_weight and validation or test data of their own, whose rows have no "
            f"weight; got {final_epochs}. Hold rows of X out, such as valid=0.1, or leave it out"
        )


def _is_alike(part: Rows, other: Rows) -> bool:
    """Return whether two parts are rows of one reader that are converted alike, as all have one preprocessing."""

    def conversions(rows: Rows) -> dict[str, Any]:
        return {channel: replace(one, preprocess=None) for channel, one in rows.conversions.items()}

    return part.reader is other.reader and part.alter is other.alter and conversions(part) == conversions(other)


class _StackedReader(Reader):
    """Rows of several parts, one part behind the other, as the network sees them.

    Parameters
    ----------
    parts : sequence of Rows
        Of equal shapes of an example.
    """

    def __init__(self, parts: Sequence[Rows]):
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])
        first, readers = parts[0].features(slice(0, 1)), [part.reader for part in parts]
        self.shape, self.dtype = (int(self._ends[-1]), *first.shape[1:]), first.dtype
        self.chunk_rows = next((one.chunk_rows for one in readers if one.chunk_rows is not None), None)
        self.is_sequential = any(one.is_sequential for one in readers)
        # Altered rows need not be the same each time.
        self.in_memory = all(part.reader.in_memory and part.alter is None for part in parts)
        self.where = ", ".join(one.where for one in readers if one.where)

    def read(self, rows: RowIndex) -> Array:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        of_part = np.searchsorted(self._ends, rows, side="right")
        for number, part in enumerate(self._parts):
            at = of_part == number
            if at.any():
                found[at] = part.features(rows[at] - (self._ends[number] - len(part)))
        return found

    def stamp(self) -> object:
        return tuple(part.reader.stamp() for part in self._parts)
