"""Marks in the annotation of settings that may change when a run is resumed."""

from __future__ import annotations

from enum import Enum

from pydantic.fields import FieldInfo

__all__ = ["Mark", "decides_numbers", "is_of_machine"]


class Mark(Enum):
    """Mark of a setting that does not decide the numbers of a run, and so may change on resume.

    Settings without a mark decide them.

    Attributes
    ----------
    FREE
        Decides how long the run lasts, or what is stored or printed.
    MACHINE
        Names or uses a resource of the machine (files, devices, signals, threads, a compiler); never taken from a
        loaded file.
    """

    FREE = "free"
    MACHINE = "machine"


def decides_numbers(field: FieldInfo) -> bool:
    """Return whether a setting decides the numbers of a run."""
    return not any(isinstance(one, Mark) for one in field.metadata)


def is_of_machine(field: FieldInfo) -> bool:
    """Return whether a setting names a resource of the machine."""
    return Mark.MACHINE in field.metadata
