"""Labels of a text table: integers, numbers or text, as all of them are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from arignote.data.readers.base import Array
from arignote.data.values.missing_values import is_missing_marker

__all__ = ["LabelValues"]

# At most 18 digits: all of them fit into int64 (9.2e18).
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
# Integers of more digits are text: as floats, several of them would be equal.
_FLOAT = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d*)?([eE][-+]?\d+)?")


@dataclass
class LabelValues:
    """Content of a column of labels, as far as it is read.

    Attributes
    ----------
    markers : list of str, optional
        Markers of missing labels, in place of those of `is_missing_marker`.
    are_integers, are_numbers, has_missing : bool
        Whether all labels so far are integers without leading zeros, or numbers; and whether one is missing.
    """

    markers: list[str] | None = None
    are_integers: bool = True
    are_numbers: bool = True
    has_missing: bool = False

    def inspect(self, column: Any, decimal: str) -> None:
        """Take further labels into account."""
        if not self.are_numbers:
            return
        for word in column.unique():
            if self._is_missing(word):
                self.has_missing = True
                continue
            self.are_integers &= bool(_INTEGER.fullmatch(word))
            self.are_numbers &= bool(_FLOAT.fullmatch(word.replace(decimal, ".")))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the labels so far: int64, float64 or object."""
        if self.are_integers and not self.has_missing:
            return np.dtype(np.int64)
        # int64 has no NaN.
        return np.dtype(float) if self.are_integers or self.are_numbers else np.dtype(object)

    def numbers(self, column: Any, decimal: str) -> Array:
        """Return labels as numbers, NaN for missing ones."""
        if self.dtype.kind == "i":
            return np.array([int(word) for word in column], np.int64)
        return np.array([np.nan if self._is_missing(word) else float(word.replace(decimal, ".")) for word in column])

    def words(self, column: Array) -> Array:
        """Return labels as text, NaN for missing ones."""
        return np.array([np.nan if self._is_missing(word, exact=True) else word for word in column], object)

    def _is_missing(self, word: Any, *, exact: bool = False) -> bool:
        return not isinstance(word, str) or is_missing_marker(word, self.markers, exact=exact)
