"""The records that observers receive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Event"]


@dataclass(frozen=True)
class Event:
    """A record of what happened in a fit.

    Attributes
    ----------
    kind : str
        "start", "batch" or "validation".
    epoch : int
        The current epoch, from 1.
    n_epochs : int
        Number of epochs in all.
    batch, n_batches : int
        Number of batches that are done in this epoch, and of all its batches.
    record : dict
        The new row of the history if the kind is "validation", else empty.
    is_best : bool
        Whether this validation is the best so far.
    text : str
        How the fit started, if the kind is "start": "starts", or where the run was resumed.
    """

    kind: str
    epoch: int
    n_epochs: int
    batch: int
    n_batches: int
    record: Mapping[str, Any]
    is_best: bool = False
    text: str = ""
