"""Where a run is, the best of it so far, and what its validations found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.tensors import tensors_sha256

__all__ = ["Best", "History", "Progress"]


@dataclass
class Progress:
    """Where a run is; positions point at what comes next.

    Attributes
    ----------
    epoch, batch : int
        Complete epochs, and complete batches of the unfinished one.
    examples_seen, n_updates, n_validations : int
        Counts since the beginning.
    epoch_examples : int
        Examples of the unfinished epoch.
    validation_due : bool
        Whether the validation of the last batch is still to be done.
    ended : bool
        Whether a stop rule ended training before its last epoch.
    stopped_by : str or None
        What ended the process that wrote this, if not the last epoch.
    """

    epoch: int = 0
    batch: int = 0
    examples_seen: int = 0
    n_updates: int = 0
    n_validations: int = 0
    epoch_examples: int = 0
    validation_due: bool = False
    ended: bool = False
    stopped_by: str | None = None


@dataclass
class Best:
    """The best validation so far: its loss, where it was, and the digest of the file that holds its network."""

    value: float
    epoch: int
    examples_seen: int
    n_rows: int
    digest: str = ""
    network: dict[str, Any] = field(default_factory=dict, repr=False)


class History:
    """Columns of numbers, one row per validation; it only grows."""

    def __init__(self, columns: Mapping[str, list[float]] | None = None, n_rows: int | None = None):
        self.columns = dict(columns or {})
        self._n_rows = n_rows

    def __len__(self) -> int:
        return self._n_rows if self._n_rows is not None else len(next(iter(self.columns.values()), []))

    def append(self, row: Mapping[str, float]) -> None:
        """Add a row; what only some rows have is NaN in the others."""
        n_rows = len(self)
        for name in dict.fromkeys((*self.columns, *row)):
            column = self.columns.setdefault(name, [nan] * n_rows)
            column.append(float(row.get(name, nan)))

    def head(self, n_rows: int) -> History:
        """Return the first rows, without a copy."""
        return History(self.columns, n_rows)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return each column as float64 (n_rows,)."""
        return {name: np.asarray(column[: len(self)], dtype=np.float64) for name, column in self.columns.items()}

    def record(self, row: int) -> dict[str, Any]:
        """Return one row as a dict; counts are integers."""
        whole = ("epoch", "examples_seen")
        return {name: int(column[row]) if name in whole else column[row] for name, column in self.columns.items()}

    def records(self) -> list[dict[str, Any]]:
        """Return all rows as dicts."""
        return [self.record(row) for row in range(len(self))]

    def sha256(self) -> str:
        """Return the digest of all columns but those of the clock."""
        return tensors_sha256({name: a for name, a in self.arrays().items() if name != "seconds"})
