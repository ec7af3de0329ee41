"""The words of a run: the settings of `fit` and the sections of a config, each with its one default.

`FitSettings` is read by the constructor of the estimator, by `fit`, by the `fit:` section of a config and by
``--set fit.key=value``. A field marked `FREE` or `MACHINE` may change when a run goes on; all others decide its
numbers. A field marked `MACHINE` names or uses something of the machine (files, devices, signals, threads): it is never
taken from a checkpoint that is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from math import inf
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator
from pydantic.config import JsonDict

from arignote.errors import Complaint, ConfigError
from arignote.registry import Count, Positive, only_trusting, plain
from arignote.spec.fields import (
    MOST_THREADS,
    Augmentations,
    Cadence,
    Device,
    Functions,
    LossNames,
    Momentum,
    Notices,
    Preprocessing,
    Rate,
    Signals,
    Stem,
    StopWhen,
    Threads,
    TrainLoss,
    Update,
)

__all__ = [
    "FitSettings",
    "completed_settings",
    "decides",
    "fit_parameters",
    "is_of_the_machine",
]


FREE: JsonDict = {"decides": False}
MACHINE: JsonDict = FREE | {"machine": True}


class FitSettings(BaseModel):
    """Everything that `fit` can be told, apart from arrays."""

    kind: ClassVar[str] = "fit"
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        return {key: plain(value) for key, value in values.items()}

    shuffle: bool | Literal["full", "chunks"] = Field(
        True,
        description='Whether the order of each epoch is drawn anew: "full"; "chunks" of files and rows within '
        "them; True: full where single rows are read at no cost, else chunks.",
    )
    drop_last: bool = Field(False, description="Whether a last, smaller batch is left out of training.")
    allow_nonfinite: bool = Field(False, description="Whether NaN and infinity in the features pass.")
    axes: Literal["NCHW", "NHWC", "NHW"] | None = Field(None, description="Order of the axes of images.")
    preprocess: Preprocessing = Field(
        None, description="List of ``[Name, {params}]``, learned of the training rows and done to all rows."
    )
    partition: Literal["stratified", "contiguous"] = Field(
        "stratified", description="How fractions are held out: classes in proportion, or the last rows."
    )
    class_weight: dict[Any, float] | Literal["balanced"] | None = Field(
        None, description='How much the rows of each class count: by label, or "balanced".'
    )
    balance_classes: bool = Field(False, description="Whether every class is drawn equally often in an epoch.")
    augmentation: Augmentations = Field(
        None,
        validate_default=True,
        description="``[Name, {params}]`` or function ``(x, y, epoch=, rng=) -> (x, y)`` of a batch, or a list.",
    )
    n_workers: Annotated[int, Field(ge=0, le=MOST_THREADS)] = Field(
        1, description="Threads that augment; 0: in the loop.", json_schema_extra=MACHINE
    )
    prefetch: Count = Field(4, description="Largest number of batches made ahead.", json_schema_extra=MACHINE)
    n_epochs: Annotated[int, Field(ge=0)] = Field(50, description="Epochs in all.", json_schema_extra=FREE)
    batch_size: Count = Field(128, description="Rows of a batch.")
    sgd_type: Update = Field("adadelta", validate_default=True, description="Updater: a name or ``[name, {params}]``.")
    lr_rule: Rate = Field(None, description="Rule of the learning rate, or a number.")
    momentum_rule: Momentum = Field(None, description="Rule of the momentum, or a number.")
    stop_rule: StopWhen = Field(
        None, description='What may end training early, such as ``{"rule": "stalled", "interval": 10}``.'
    )
    accumulate: Count = Field(1, description="Batches of one update.")
    sgd_max_grad_norm: Positive | None = Field(None, description="Largest norm of all gradients together.")
    train_loss: TrainLoss = Field("nll", description="What is made small.")
    valid_loss: LossNames = Field(("nll", "error"), description="Losses of a validation; the first decides best.")
    test_loss: LossNames = Field(("error", "nll"), description="Losses of the test data, at each new best.")
    validation_frequency: Count | None = Field(None, description="Examples between validations; default one epoch.")
    validate_on_train: bool = Field(False, description="Whether the training data is scored at each validation too.")
    restore_best: bool = Field(True, description="Whether the best network is kept at the end.", json_schema_extra=FREE)
    checkpoint: Stem = Field(
        None, description="Stem of the files of the run, such as runs/digits.", json_schema_extra=MACHINE
    )
    resume: bool | Literal["fresh", "force"] = Field(
        True, description="True: go on; False: no file may exist; fresh: start over; force.", json_schema_extra=MACHINE
    )
    checkpoint_every: Cadence = Field(
        "auto", description='"auto", "epoch", batches, or a time as "30s".', json_schema_extra=FREE
    )
    keep_last: Annotated[int, Field(ge=2)] = Field(
        2, description="How many of the last checkpoints are kept.", json_schema_extra=FREE
    )
    checkpoint_all: bool = Field(False, description="Whether every epoch's is kept.", json_schema_extra=FREE)
    keep_epochs: Count | None = Field(
        None, description="How many of them (checkpoint_all) are kept; default all.", json_schema_extra=FREE
    )
    stop_signals: Signals = Field(
        ("SIGTERM", "SIGINT", "SIGUSR1"), description="Signals that stop, save and leave.", json_schema_extra=MACHINE
    )
    preemption: Notices = Field(
        None, description='Notices to heed: "aws", "gcp", "azure", "file:PATH".', json_schema_extra=MACHINE
    )
    extra_metadata: dict[str, Any] | None = Field(
        None, description="Plain data kept in each checkpoint.", json_schema_extra=FREE
    )
    device: Device = Field(
        "auto", description='"auto", "cpu", "cuda", or "cuda:1" and so on.', json_schema_extra=MACHINE
    )
    n_threads: Threads | None = Field(
        None,
        description="Threads of the engine; default those of the checkpoint, 1 for small steps, else its own.",
        json_schema_extra=MACHINE,
    )
    precision: Literal["float32", "bf16_matmul", "bf16", "fp16"] = Field(
        "float32",
        description="What layers compute in: float32, with products of matrices in bfloat16, all in bfloat16, or in "
        "float16 with a scaled loss. Parameters are float32 always.",
    )
    channels_last: bool | Literal["auto"] = Field(
        "auto",
        description="Whether images lie in memory with their channels last; default as in the checkpoint, else where "
        "there are convolutions.",
        json_schema_extra=FREE,
    )
    compile: bool = Field(
        False, description="torch.compile of what is not written out by hand; on a GPU of all.", json_schema_extra=FREE
    )
    verbose: bool = Field(False, description="Whether a line is printed at each validation.", json_schema_extra=FREE)
    observers: Functions = Field(
        None, validate_default=True, description="Functions called with each `Event`.", json_schema_extra=MACHINE
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Any:
        rule = self.momentum_rule
        if rule is not None and self.sgd_type.momentum_name is None:
            told = "this updater has no momentum. Leave the rule out, or use sgd_type 'momentum' or 'nag'"
            raise ConfigError(Complaint(("momentum_rule",), told))
        defaults = {"lr_rule": self.sgd_type.default_lr, "momentum_rule": self.sgd_type.default_momentum}
        for name, default in defaults.items():
            given = getattr(self, name)
            told = given and given.in_vain(given.start(default).value)
            if told:
                raise ConfigError(Complaint((name,), told))
        if rule is None:
            return self
        highest = rule.highest(rule.start(self.sgd_type.default_momentum).value)
        if highest >= 1:
            told = "without end" if highest == inf else f"to {highest:g}"
            raise ConfigError(Complaint(("momentum_rule",), f"rises {told}: give a final_value < 1"))
        return self


def decides(name: str) -> bool:
    """Whether a setting decides the numbers of a run (and so may not change when it goes on)."""
    return _mark(name, "decides", True)


def is_of_the_machine(name: str) -> bool:
    """Whether a setting names or uses something of the machine, and so is never taken from a file that is loaded."""
    return _mark(name, "machine", False)


def _mark(name: str, mark: str, default: bool) -> bool:
    extra = FitSettings.model_fields[name].json_schema_extra
    return bool(extra.get(mark, default)) if isinstance(extra, dict) else default


@cache
def _alone(name: str) -> type[BaseModel]:
    """Return a model of one setting, which is checked on its own."""
    field = FitSettings.model_fields[name]
    fields: Any = {name: (field.annotation, field)}
    return create_model("Setting", __config__=ConfigDict(arbitrary_types_allowed=True), **fields)


def completed_settings(fit: Mapping[str, Any]) -> dict[str, Any]:
    """Return the known settings of a file with the defaults of all that it lacks, within its parts too.

    A value that cannot be built in this process, such as the name of a function, stays as it is; nothing is imported.
    """
    found = FitSettings.model_validate({}).model_dump(mode="json")
    for name in found.keys() & fit.keys():
        found[name] = fit[name]
        with only_trusting("", ()), suppress(ValidationError):
            found |= _alone(name)(**{name: fit[name]}).model_dump(mode="json")
    return found


def fit_parameters(indent: str = "    ") -> str:
    """Return the numpydoc entries of all settings."""
    return "\n".join(
        f"{indent}{name} : default {field.default!r}\n{indent}    {field.description}"
        for name, field in FitSettings.model_fields.items()
    )
