"""The position of a run, its best validation, and the history of its validations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.checkpoints.tensors import tensors_sha256

__all__ = ["OBSERVER", "STOP_RULE", "Best", "History", "Progress", "is_loss", "subset_of"]

# The value of `Progress.stopped_by` after a stop rule, or the rule of a number, ended the run.
STOP_RULE = "stop_rule"
# Its value after an observer stopped the run.
OBSERVER = "observer"

# Prefixes of the columns of losses; "scored_train" are those of the training rows as validation computes them.
_SUBSETS = ("scored_train", "train", "valid", "test")


@dataclass
class Progress:
    """The position of a run: that of the next batch to train on.

    Attributes
    ----------
    epoch, batch : int
        Number of complete epochs, and of complete batches of the unfinished epoch.
    examples_seen, n_updates, n_validations : int
        Counts since the run began.
    epoch_examples : int
        Examples of the unfinished epoch.
    slots_since : int
        Number of updates after which the slots of the updater were last set to 0.
    validation_due : bool
        Whether the validation after the last batch has not been done yet.
    ended : bool
        Whether a rule ended training before its last epoch.
    stopped_by : str or None
        What ended training before its last epoch: a signal, a notice, "observer" (`OBSERVER`), or the setting of a
        rule, such as "stop_rule" (`STOP_RULE`).
    final_since : int or None
        Number of complete epochs when the final epochs began; None before.
    final_after : str or None
        What ended the epochs before these, as in `stopped_by`; None if all were complete.
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
    final_since: int | None = None
    final_after: str | None = None
    slots_since: int = 0

    @property
    def current_epoch(self) -> int:
        """Epoch of the last update, from 1; before the first one it is 1."""
        return max(self.epoch + (self.batch > 0), 1)

    @property
    def is_final(self) -> bool:
        """Whether the final epochs have begun."""
        return self.final_since is not None

    @property
    def interrupted(self) -> bool:
        """Whether a signal, a notice or an observer stopped the run, so that it can be resumed."""
        return self.stopped_by is not None and not self.ended

    def count_update(self, next_batch: int, n_rows: int) -> None:
        """Count an update from `n_rows` examples, after which `next_batch` is the next batch of the epoch."""
        self.batch = next_batch
        self.n_updates += 1
        self.examples_seen += n_rows
        self.epoch_examples += n_rows


@dataclass
class Best:
    """The best validation so far.

    Attributes
    ----------
    value : float
        Its loss.
    epoch : int
        The epoch in which it was done, from 1.
    examples_seen, n_rows : int
        Examples trained on, and rows of the history, up to and including it.
    digest : str
        Digest of the file that holds its network; empty before that file is written.
    network : dict of str to array
        Its network, if it is kept in memory.
    """

    value: float
    epoch: int
    examples_seen: int
    n_rows: int
    digest: str = ""
    network: dict[str, Any] = field(default_factory=dict, repr=False)


class History:
    """Columns of numbers with one row per validation; rows are only appended.

    Columns are allocated with spare rows, so that the cost of an append does not grow with their length. The result of
    `head` shares memory with the history but has no spare rows, so that neither sees rows appended to the other.
    """

    def __init__(self, columns: Mapping[str, Sequence[float] | NDArray[np.float64]] | None = None):
        self._columns = {name: np.asarray(column, dtype=np.float64) for name, column in (columns or {}).items()}
        self._n_rows = min(map(len, self._columns.values()), default=0)

    def __len__(self) -> int:
        return self._n_rows

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self._columns)

    def append(self, row: Mapping[str, float]) -> None:
        """Append a row; columns that it lacks become NaN."""
        for name in dict.fromkeys((*self._columns, *row)):
            column = self._columns.get(name)
            if column is None or len(column) == self._n_rows:
                # A column that begins later has NaN in the rows before it.
                longer = np.full(2 * self._n_rows + 16, nan)
                if column is not None:
                    longer[: self._n_rows] = column
                column = self._columns[name] = longer
            column[self._n_rows] = row.get(name, nan)
        self._n_rows += 1

    def head(self, n_rows: int) -> History:
        """Return the first rows as a history, without a copy."""
        return History({name: column[:n_rows] for name, column in self.arrays().items()})

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return each column as float64 (n_rows,), without a copy."""
        return {name: column[: self._n_rows] for name, column in self._columns.items()}

    def record(self, row: int) -> dict[str, Any]:
        """Return one row as a dict; counts are integers."""
        return _record({name: float(column[row]) for name, column in self.arrays().items()})

    def records(self) -> list[dict[str, Any]]:
        """Return all rows as dicts, as `record` does."""
        columns = [column.tolist() for column in self.arrays().values()]
        return [_record(dict(zip(self._columns, row, strict=True))) for row in zip(*columns, strict=True)]

    def sha256(self) -> str:
        """Return the digest of all columns except "seconds", which differs between equal runs."""
        return tensors_sha256({name: a for name, a in self.arrays().items() if name != "seconds"})


def _record(row: dict[str, Any]) -> dict[str, Any]:
    # Columns are float64 in the file, in which counts are exact up to 2^53.
    return row | {name: int(row[name]) for name in ("epoch", "examples_seen") if name in row}


def subset_of(column: str) -> str | None:
    """Return the subset of the data whose loss a column of a history has, None if it has none.

    Names with a dot are those of layers: "test_a.norm" is of a layer "test_a".
    """
    return None if "." in column else next((one for one in _SUBSETS if column.startswith(f"{one}_")), None)


def is_loss(column: str) -> bool:
    """Return whether a column of a history is a loss of the training, validation or test rows."""
    return subset_of(column) in ("train", "valid", "test")
