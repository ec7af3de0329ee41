"""What observers receive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Event"]


@dataclass(frozen=True)
class Event:
    """What happened, for observers.

    Attributes
    ----------
    kind : str
        "start", "batch" or "validation".
    epoch : int
        Epoch at work, from 1.
    n_epochs : int
        Epochs in all.
    batch, n_batches : int
        Batches done in this epoch, and how many it has.
    record : dict
        The new row of the history ("validation"), else empty.
    is_best : bool
        Whether this validation is the best so far.
    text : str
        Of a start: where the run goes on.
    """

    kind: str
    epoch: int
    n_epochs: int
    batch: int
    n_batches: int
    record: Mapping[str, Any]
    is_best: bool = False
    text: str = ""
