"""Types of settings, each with its check, its message and its JSON Schema."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from arignote.checkpoints.cadence import Cadence
from arignote.checkpoints.names import normal_stem
from arignote.registry import function_name, several
from arignote.safe.limits import MOST_THREADS

__all__ = ["CheckpointEvery", "Device", "Notices", "Observers", "Signals", "Stem", "Switch", "Threads"]


def _functions(value: Any) -> tuple[Any, ...]:
    functions = several(value)
    for function in functions:
        if not callable(function):
            raise ValueError(f"must be a function of an Event, or a list of them; got {function!r}")
    return functions


def _checkpoint(value: str | None) -> str | None:
    # One that ends in a slash is a folder.
    if value is not None and not value.endswith("/"):
        normal_stem(value)
    return value


def _device(name: str) -> str:
    # `check_device` checks whether the machine has it, when a fit begins.
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise ValueError(f'must be one of "auto", "cpu", "cuda", "cuda:1" and so on; got {name!r}')
    return name


def _signals(value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise ValueError(f"must be a list of names, such as [SIGTERM]; got {value!r}")
    for name in names:
        if not isinstance(name, str) or name not in signal.Signals.__members__ or name in ("SIGKILL", "SIGSTOP"):
            raise ValueError(f"must be names of signals, such as SIGTERM; got {name!r}")
    return tuple(names)


def _notices(value: Any) -> Any:
    if value is not None:
        # Imports the network modules of the standard library, which few runs need.
        from arignote.preemption.notices import notice_source

        notice_source(str(value))
    return value


_NAME = {"type": "string"}
_TIME = {"type": "string", "pattern": r"^\d+(\.\d+)?s$"}
_NAMES = {"anyOf": [_NAME, {"type": "array", "items": _NAME}]}

Observers = Annotated[
    tuple[Callable[..., Any], ...],
    BeforeValidator(_functions),
    PlainSerializer(lambda functions: [function_name(function) for function in functions]),
    WithJsonSchema({"type": "null", "description": "Functions can be given in Python only."}),
]
CheckpointEvery = Annotated[
    Cadence,
    BeforeValidator(Cadence.parse),
    PlainSerializer(lambda cadence: cadence.written),
    WithJsonSchema({"anyOf": [{"enum": ["auto", "epoch"]}, {"type": "integer", "minimum": 1}, _TIME]}),
]
Device = Annotated[str, AfterValidator(_device)]
Notices = Annotated[str | None, BeforeValidator(_notices)]
Signals = Annotated[tuple[str, ...], BeforeValidator(_signals), WithJsonSchema(_NAMES)]
Stem = Annotated[str | None, AfterValidator(_checkpoint)]
# As users of scikit-learn write it, 0 or 1 too.
Switch = Annotated[
    bool, BeforeValidator(lambda value: bool(value) if type(value) is int and value in (0, 1) else value)
]
Threads = Annotated[int, Field(ge=1, le=MOST_THREADS)]
