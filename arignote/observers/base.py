"""The base class of observers that are parts, and where the rows that they wrote end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from arignote.observers.events import Event
from arignote.registry import Part

__all__ = ["NamedObserver", "kept"]


class NamedObserver(Part):
    """Base class of observers that are declared by name, ``["CSVLog", {"path": "runs/digits.csv"}]``."""

    kind: ClassVar[str] = "observer"

    @abstractmethod
    def opened(self) -> Callable[[Event], None]:
        """Return the function that is called with each event of one fit; nothing is written before the first.

        Raises
        ------
        ConfigError
            If it cannot write where it should.
        """


def kept(start: Event, kind: str, examples_seen: int) -> bool:
    """Return whether the state that a run is resumed from has what was written at an event.

    What a killed process wrote after that state happens again.

    Parameters
    ----------
    start : Event
        The start of the resumed run.
    kind : str
        "batch" or "validation".
    examples_seen : int
        Examples trained on up to the event.
    """
    # A state may lie between a step and its validation.
    last = start.examples_seen if kind == "batch" else start.record.get("examples_seen", 0)
    return examples_seen <= int(last)
