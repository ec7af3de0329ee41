"""`FitSettings`: the one signature of the estimator, of `fit`, of ``fit:`` in a config and of ``--set fit.key=value``.

A setting marked `Mark.FREE` or `Mark.MACHINE` may change when a run is resumed; all others decide its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from arignote.data.settings import DataSettings
from arignote.errors import ConfigError
from arignote.optim.settings import LearningSettings
from arignote.registry import (
    ADDED,
    Count,
    Mark,
    PathForm,
    complaints_of,
    decides_numbers,
    is_of_machine,
    only_trusting,
    plain,
)
from arignote.spec.fields import CheckpointEvery, Device, Notices, Observers, Signals, Stem, Switch, Threads

__all__ = ["FitSettings", "checked_settings", "completed_settings", "decides", "is_of_the_machine"]


# A validator is built with the first settings: these classes, which `FitSettings` joins, need none.
_DEFERRED = ConfigDict(defer_build=True)


class _KeepingSettings(BaseModel):
    model_config = _DEFERRED

    checkpoint: Annotated[Stem, Mark.MACHINE] = Field(
        None, description="Stem of the files of the run, such as runs/digits."
    )
    resume: Annotated[bool | Literal["fresh", "force"], Mark.MACHINE] = Field(
        True,
        description='True: resume the run of the checkpoint; False: no file may exist; "fresh": start over; "force": '
        "resume in spite of changes.",
    )
    checkpoint_every: Annotated[CheckpointEvery, Mark.FREE] = Field(
        "auto", validate_default=True, description='"auto", "epoch", a number of batches, or a time such as "30s".'
    )
    keep_last: Annotated[int, Field(ge=2), Mark.FREE] = Field(
        2, description="Number of last checkpoints that are kept."
    )
    checkpoint_all: Annotated[bool, Mark.FREE] = Field(
        False, description="Whether the checkpoint of every epoch is kept."
    )
    keep_epochs: Annotated[Count | None, Mark.FREE] = Field(
        None, description="Number of checkpoints of epochs (checkpoint_all) that are kept; default all."
    )
    stop_signals: Annotated[Signals, Mark.MACHINE] = Field(
        ("SIGTERM", "SIGINT", "SIGUSR1"), description="Signals that stop and save the run."
    )
    preemption: Annotated[Notices, Mark.MACHINE] = Field(
        None, description='Notices of preemption to watch: "aws", "gcp", "azure", "file:PATH".'
    )
    extra_metadata: Annotated[dict[str, Any] | None, Mark.FREE] = Field(
        None, description="Plain data kept in each checkpoint."
    )


class _EngineSettings(BaseModel):
    model_config = _DEFERRED

    device: Annotated[Device, Mark.MACHINE] = Field("auto", description='"auto", "cpu", "cuda", "cuda:1" and so on.')
    n_threads: Annotated[Threads | None, Mark.MACHINE] = Field(
        None,
        description="Threads of the engine; default those of the checkpoint, 1 for small steps, else the engine's own.",
    )
    shards: Annotated[Count | Literal["ranks"] | None, ADDED] = Field(
        None,
        description="Number of shards of each batch, whose gradients are computed one by one and added in a fixed "
        'order, so that any number of processes may share them with the same result; "ranks": as many as there are '
        "processes, which decides the bits then. Default that of the checkpoint, else 1; under torchrun 4.",
    )
    precision: Literal["float32", "bf16_matmul", "bf16", "fp16"] = Field(
        "float32",
        description="What layers compute in: float32, with products of matrices in bfloat16, all in bfloat16, or in "
        "float16 with a scaled loss. Parameters are always float32.",
    )
    channels_last: Annotated[bool | Literal["auto"], Mark.FREE] = Field(
        "auto",
        description="Whether images and series are in memory with their channels last; default as in the checkpoint, "
        "else if there are convolutions.",
    )
    compile: Annotated[bool, Mark.MACHINE] = Field(
        False,
        description="Whether torch.compile is used for layers that autograd computes; on a GPU for all.",
    )


class _ReportingSettings(BaseModel):
    model_config = _DEFERRED

    verbose: Annotated[Switch, Mark.FREE] = Field(
        False, description="Whether a line is printed at each validation; 0 and 1 are the same."
    )
    profile: Annotated[bool | str, Mark.MACHINE, PathForm.PATH] = Field(
        False,
        description="Whether the time of each operation of a few steps is printed at the end; a path: written there.",
    )
    report: Annotated[bool, Mark.MACHINE] = Field(
        False,
        description="Whether the page of the run is written at its end, beside its files: RUN_report.html.",
    )
    log: Annotated[str | None, Mark.MACHINE, PathForm.PATH] = Field(
        None, description='File with a JSON object in a line for each validation, as of the observer "JSONLinesLog".'
    )
    observers: Annotated[Observers, Mark.MACHINE] = Field(
        None,
        validate_default=True,
        description='Functions, or objects with `on_event`, called with each `Event`, or parts, such as ["CSVLog", '
        '{"path": "runs/digits.csv"}]; in a config one of your own is "module:Name".',
    )


# Fields are in the reverse order of the method resolution: those of data first.
class FitSettings(_ReportingSettings, _EngineSettings, _KeepingSettings, LearningSettings, DataSettings):
    """Every setting of `fit`: all arguments except for arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        return {key: plain(value) for key, value in values.items()}


def checked_settings(values: dict[str, Any]) -> FitSettings:
    """Return validated settings; ConfigError with everything that is wrong in them."""
    try:
        return FitSettings(**values)
    except ValidationError as error:
        raise ConfigError(complaints_of(error, FitSettings)).under("fit") from None


def decides(name: str) -> bool:
    """Return whether a setting decides the numbers of a run, so that it may not change on resume."""
    return decides_numbers(FitSettings.model_fields[name])


def is_of_the_machine(name: str) -> bool:
    """Return whether a setting uses something of the machine, so that it is never taken from a loaded file."""
    return is_of_machine(FitSettings.model_fields[name])


@cache
def _model_of(name: str) -> type[BaseModel]:
    """Return a model with one setting, to validate it on its own."""
    field = FitSettings.model_fields[name]
    # A model of its own, as validators of `FitSettings` compare several settings.
    fields: Any = {name: (field.annotation, field)}
    return create_model("Setting", __config__=ConfigDict(arbitrary_types_allowed=True), **fields)


@cache
def _defaults() -> dict[str, Any]:
    return FitSettings.model_validate({}).model_dump(mode="json")


def completed_settings(fit: Mapping[str, Any]) -> dict[str, Any]:
    """Return the known settings of a file, with defaults for those that are missing, within its parts too.

    A value that cannot be built in this process, such as the name of a function, is kept as it is; nothing is imported.
    """
    completed = dict(_defaults())
    for name in completed.keys() & fit.keys():
        if fit[name] == completed[name]:
            # Most are, and none of their parts needs to be built.
            continue
        completed[name] = fit[name]
        with only_trusting("", ()), suppress(ValidationError):
            completed |= _model_of(name)(**{name: fit[name]}).model_dump(mode="json")
    return completed
