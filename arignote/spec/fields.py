"""What a setting may be: the field types of `FitSettings`, each with its one check and its message."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from math import inf
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from arignote.checkpoints.names import normal_stem
from arignote.errors import Complaint, ConfigError
from arignote.hints.mistakes import way_out
from arignote.registry import Part, build, dump, part_of
from arignote.safe.limits import MOST_THREADS

__all__ = [
    "Augmentations",
    "Cadence",
    "Device",
    "Functions",
    "LossNames",
    "Momentum",
    "Notices",
    "Preprocessing",
    "Rate",
    "Signals",
    "Stem",
    "StopWhen",
    "Threads",
    "TrainLoss",
    "Update",
]


def _losses(value: Any) -> Any:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list | tuple):
        raise ValueError(f"must be the name of a loss, or a list of them; got {value!r}")
    for word in words:
        if word == "accuracy":
            # The smaller loss is the better one, for best networks and for all rules.
            raise ValueError("'accuracy' is a metric of evaluate, not a loss: use 'error', which is 1 - accuracy")
        build("loss", word)
    if not words:
        raise ValueError("at least one loss must be named")
    return tuple(words)


def _trainable(word: str) -> str:
    if not build("loss", word).differentiable:
        raise ValueError(f"{word!r} cannot be trained on: it has no gradient. Use 'nll'")
    return word


def _functions(value: Any) -> Any:
    functions = _several(value)
    for function in functions:
        if not callable(function):
            raise ValueError(f"must be a function of an Event, or a list of them; got {function!r}")
    return functions


def _several(value: Any) -> tuple[Any, ...]:
    """Take one spec, or function, or a list of them."""
    is_pair = isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], str)
    if isinstance(value, str) or callable(value) or (is_pair and isinstance(value[1], dict)):
        return (value,)
    if value is not None and not isinstance(value, list | tuple):
        raise ValueError(f"must be [Name, {{parameters}}], or a list of them; got {value!r}")
    return tuple(value or ())


def _augmentation(value: Any) -> Any:
    return tuple(item if callable(item) else build("augmentation", item) for item in _several(value))


def _written(function: Any) -> Any:
    return dump(function) if isinstance(function, Part) else _function_name(function)


def _parts(kind: str) -> Any:
    """Return the field type "a list of parts of this kind", or None."""

    def parts(value: Any) -> Any:
        return None if value is None else tuple(build(kind, item) for item in _several(value))

    return Annotated[Any, BeforeValidator(parts), PlainSerializer(lambda v: v and [dump(part) for part in v])]


def _function_name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}:{getattr(function, '__qualname__', type(function).__qualname__)}"


def _cadence(value: Any) -> Any:
    """Check `checkpoint_every`: "auto", "epoch", a number of batches, or seconds as "30s"."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if is_count or value in ("auto", "epoch") or (isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?s", value)):
        return value
    raise ValueError(f'must be "auto", "epoch", a number of batches >= 1, or a time such as "30s"; got {value!r}')


def _checkpoint(value: str | None) -> str | None:
    # One that ends in a slash is a folder.
    if value is not None and not value.endswith("/"):
        normal_stem(value)
    return value


def _device(name: str) -> str:
    # Whether the machine has it is seen when a fit begins.
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise ValueError(f'must be one of "auto", "cpu", "cuda", "cuda:1" and so on; got {name!r}')
    return name


def _rule(below: float = inf) -> Any:
    """Return the field type "a rule, or a number": where it starts and ends lies in [0, below)."""
    wanted = "must be a finite number >= 0" if below == inf else f"must be a number >= 0 and < {below}"

    def spec(value: Any) -> Any:
        if isinstance(value, str) and (hint := way_out("a number", value)):
            raise ValueError(f"must be a number, or a rule; got {value!r}{hint}")
        if type(value) not in (int, float):
            return value
        if not 0 <= value < below:
            raise ValueError(f"{wanted}; got {value}")
        return ["const", {"initial_value": float(value)}]

    def bounded(rule: Any) -> Any:
        values = {name: getattr(rule, name, None) for name in ("initial_value", "final_value")}
        wrong = {name: value for name, value in values.items() if value is not None and not 0 <= value < below}
        if wrong:
            raise ConfigError(Complaint((name,), f"{name} {wanted}; got {value}") for name, value in wrong.items())
        return rule

    return Annotated[part_of("rule", spec), AfterValidator(bounded)]


def _signals(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise ValueError(f"must be a list of names, such as [SIGTERM]; got {value!r}")
    for name in names:
        if not isinstance(name, str) or name not in signal.Signals.__members__ or name in ("SIGKILL", "SIGSTOP"):
            raise ValueError(f"must be names of signals, such as SIGTERM; got {name!r}")
    return tuple(names)


def _notices(value: Any) -> Any:
    if value is not None:
        from arignote.preemption.notices import asker

        asker(str(value))
    return value


LossNames = Annotated[tuple[str, ...], BeforeValidator(_losses)]
Functions = Annotated[
    Any, BeforeValidator(_functions), PlainSerializer(lambda functions: [_function_name(f) for f in functions])
]
Augmentations = Annotated[
    Any, BeforeValidator(_augmentation), PlainSerializer(lambda items: [_written(item) for item in items])
]
Cadence = Annotated[Any, BeforeValidator(_cadence)]
Device = Annotated[str, AfterValidator(_device)]
Momentum = _rule(below=1)
Notices = Annotated[str | None, BeforeValidator(_notices)]
Preprocessing = _parts("preprocess")
Rate = _rule()
Signals = Annotated[tuple[str, ...], BeforeValidator(_signals)]
Stem = Annotated[str | None, AfterValidator(_checkpoint)]
StopWhen = part_of("stop_rule")
Threads = Annotated[int, Field(ge=1, le=MOST_THREADS)]
TrainLoss = Annotated[str, AfterValidator(_trainable)]
Update = part_of("updater", needed=True)
