"""How often a checkpoint is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["AUTO", "Cadence"]

_SECONDS = re.compile(r"(\d+(\.\d+)?)s")


@dataclass(frozen=True)
class Cadence:
    """The setting `checkpoint_every`, parsed.

    Attributes
    ----------
    written : str or int
        The value as the user wrote it: "auto", "epoch", a number of batches, or a time such as "30s".
    n_batches : int or None
        Batches between saves.
    seconds : float or None
        Time between saves.
    """

    written: str | int
    n_batches: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, value: Any) -> Cadence:
        """Return the cadence of a value of the setting.

        Raises
        ------
        ValueError
            If the value is not one of these forms.
        """
        if isinstance(value, Cadence):
            return value
        if value in ("auto", "epoch"):
            return cls(value)
        # A bool is an int: True would mean every batch.
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return cls(value, n_batches=value)
        if isinstance(value, str) and (match := _SECONDS.fullmatch(value)):
            return cls(value, seconds=float(match[1]))
        raise ValueError(f'must be "auto", "epoch", a number of batches >= 1, or a time such as "30s"; got {value!r}')


AUTO = Cadence("auto")
