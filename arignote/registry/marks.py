"""Marks in the annotation of settings: which may change when a run is resumed, and which name files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic.fields import FieldInfo

from arignote.registry.plain_values import plain

__all__ = ["ADDED", "Added", "Mark", "PathForm", "decides_numbers", "is_of_machine", "leaves_stems"]


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


@dataclass(frozen=True)
class Added:
    """Mark of a setting or parameter that was added after stems in folders were first made.

    With its default, or another value, it leaves a stem as it was, so that a run that began before is found again.

    Attributes
    ----------
    value : object, default the default of the field
    """

    value: Any = ...


ADDED = Added()


def leaves_stems(field: FieldInfo, value: Any) -> bool:
    """Return whether a setting or parameter with this value, as plain data, was added without changing stems."""
    added = next((one for one in field.metadata if isinstance(one, Added)), None)
    return added is not None and bool(value == plain(field.default if added.value is ... else added.value))


def decides_numbers(field: FieldInfo) -> bool:
    """Return whether a setting decides the numbers of a run."""
    return not any(isinstance(one, Mark) for one in field.metadata)


def is_of_machine(field: FieldInfo) -> bool:
    """Return whether a setting names a resource of the machine."""
    return Mark.MACHINE in field.metadata
