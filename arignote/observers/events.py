"""The records that observers receive, and what they may answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import nan
from typing import Any, Final, Literal

__all__ = ["STOP", "Answer", "Event"]


class Answer(Enum):
    """Values that an observer may return."""

    STOP = "stop"


# Stops the run after the current batch, and saves it, so that it can be resumed.
STOP: Final[Literal[Answer.STOP]] = Answer.STOP


@dataclass(frozen=True)
class Event:
    """A record of what happened in a fit.

    Attributes
    ----------
    kind : str
        "start", "batch", "validation", "save" or "end".
    epoch : int
        The current epoch, from 1.
    n_epochs : int
        Number of epochs in all.
    batch, n_batches : int
        Number of batches that are done in this epoch, and of all its batches.
    record : dict
        The new row of the history if the kind is "validation"; its last row so far if it is "start"; else empty.
    is_best : bool
        Whether this validation is the best so far.
    text : str
        How the fit started, if the kind is "start": "starts", or where the run was resumed. If it is "end", what
        stopped the run before its last epoch, such as "SIGTERM" or "stop_rule", else empty.
    n_updates, examples_seen : int
        Updates, and examples trained on, since the run began; a resumed run continues to count.
    files : tuple of str
        Paths of the files that were written, if the kind is "save".
    """

    kind: str
    epoch: int
    n_epochs: int
    batch: int
    n_batches: int
    record: Mapping[str, Any]
    is_best: bool = False
    text: str = ""
    n_updates: int = 0
    examples_seen: int = 0
    files: tuple[str, ...] = ()
    # On the device of the network: reading it waits for the device.
    _loss: Any = field(default=nan, repr=False)

    @property
    def loss(self) -> float:
        """Mean training loss of a batch; of a validation the loss that decides "best"; else NaN."""
        return float(self._loss)
