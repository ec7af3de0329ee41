"""Marks in the annotation of settings: which may change when a run is resumed, and which name files."""

from __future__ import annotations

from enum import Enum

from pydantic.fields import FieldInfo

__all__ = ["Mark", "PathForm", "decides_numbers", "is_of_machine"]


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


class PathForm(Enum):
    """Mark of a setting that names a file, and its form; see `arignote.spec.named_files`.

    Attributes
    ----------
    PATH
        A path or a URL.
    SOURCE
        Data: a path, and after a colon what is meant within the file.
    NOTICE
        A path after "file:"; other values name no file.
    """

    PATH = "path"
    SOURCE = "source"
    NOTICE = "notice"


def decides_numbers(field: FieldInfo) -> bool:
    """Return whether a setting decides the numbers of a run."""
    return not any(isinstance(one, Mark) for one in field.metadata)


def is_of_machine(field: FieldInfo) -> bool:
    """Return whether a setting names a resource of the machine."""
    return Mark.MACHINE in field.metadata
