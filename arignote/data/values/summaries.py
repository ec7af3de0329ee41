"""Summaries of columns: mean, median or most frequent value, computed chunk by chunk."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

__all__ = ["SUMMARIES", "Counts", "Mean", "Median"]


class Mean:
    """The mean of a column, added chunk by chunk."""

    n_bytes = 0

    def __init__(self) -> None:
        self.n_values, self._total = 0, 0.0

    def add(self, values: list[Any]) -> None:
        """Take further values into account."""
        # np.sum adds in pairs, and loses fewer digits than adding one by one.
        self.n_values, self._total = self.n_values + len(values), self._total + float(np.sum(values))

    def value(self) -> Any:
        """Return the mean."""
        return self._total / self.n_values


class Counts:
    """The values of a column with their numbers of rows."""

    def __init__(self) -> None:
        self._counts: Counter[Any] = Counter()

    @property
    def n_values(self) -> int:
        """Number of different values."""
        return len(self._counts)

    @property
    def n_bytes(self) -> int:
        """Memory of about 100 bytes for each different value."""
        return 100 * len(self._counts)

    def add(self, values: list[Any]) -> None:
        """Take further values into account."""
        self._counts.update(values)

    def value(self) -> Any:
        """Return the most frequent value; of equally frequent ones the smallest."""
        most = max(self._counts.values())
        # As SimpleImputer of scikit-learn chooses.
        return min(value for value, count in self._counts.items() if count == most)


class Median(Counts):
    """The median of a column: the mean of both values in the middle of an even number."""

    def value(self) -> Any:
        """Return the median."""
        values = np.array(sorted(self._counts))
        ends = np.cumsum([self._counts[value] for value in values.tolist()])
        # An end is the number of rows up to a value: the sorted row `at` has the first value whose end is above it.
        middle = [values[np.searchsorted(ends, at, side="right")] for at in ((ends[-1] - 1) // 2, ends[-1] // 2)]
        return float(np.mean(middle))


SUMMARIES: dict[str, type[Mean] | type[Counts]] = {"mean": Mean, "median": Median, "most_frequent": Counts}
