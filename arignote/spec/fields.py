"""Types of settings, each with its check, its message and its JSON Schema."""

from __future__ import annotations

import re
import signal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from arignote.checkpoints.cadence import Cadence
from arignote.checkpoints.names import normal_stem
from arignote.registry import PathForm
from arignote.safe.limits import MOST_THREADS
from arignote.spec.observers import Observer, ObserversField

__all__ = ["CheckpointEvery", "Device", "Notices", "Observers", "Signals", "Stem", "Switch", "Threads"]


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
        # No process can handle SIGKILL and SIGSTOP (signal(7)).
        if not isinstance(name, str) or name not in signal.Signals.__members__ or name in ("SIGKILL", "SIGSTOP"):
            raise ValueError(f"must be names of signals, such as SIGTERM; got {name!r}")
    return tuple(names)


def _notices(value: Any) -> Any:
    if value is not None:
        # Imports the network modules of the standard library, which few runs need.
        from arignote.preemption.notices import notice_source

        notice_source(str(value))
    return value


_DEVICE = {"anyOf": [{"enum": ["auto", "cpu", "cuda"]}, {"type": "string", "pattern": r"^cuda:\d+$"}]}
_SIGNAL = {"type": "string", "pattern": "^SIG[A-Z0-9]+$", "examples": ["SIGTERM", "SIGINT", "SIGUSR1"]}
_TIME = {"type": "string", "pattern": r"^\d+(\.\d+)?s$"}
_SIGNALS = {"anyOf": [_SIGNAL, {"type": "array", "items": _SIGNAL}]}
_NOTICES = {"anyOf": [{"enum": ["aws", "gcp", "azure"]}, {"type": "string", "pattern": "^file:."}, {"type": "null"}]}

Observers = Annotated[tuple[Observer, ...], ObserversField()]
CheckpointEvery = Annotated[
    Cadence,
    BeforeValidator(Cadence.parse),
    PlainSerializer(lambda cadence: cadence.written),
    WithJsonSchema({"anyOf": [{"enum": ["auto", "epoch"]}, {"type": "integer", "minimum": 1}, _TIME]}),
]
Device = Annotated[str, AfterValidator(_device), WithJsonSchema(_DEVICE)]
Notices = Annotated[str | None, BeforeValidator(_notices), WithJsonSchema(_NOTICES), PathForm.NOTICE]
Signals = Annotated[tuple[str, ...], BeforeValidator(_signals), WithJsonSchema(_SIGNALS)]
Stem = Annotated[str | None, AfterValidator(_checkpoint), PathForm.PATH]
# As users of scikit-learn write it, 0 or 1 too.
Switch = Annotated[
    bool,
    BeforeValidator(
        lambda value: bool(value) if type(value) is int and value in (0, 1) else value,
        json_schema_input_type=bool | Literal[0, 1],
    ),
]
Threads = Annotated[int, Field(ge=1, le=MOST_THREADS)]
