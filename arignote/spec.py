"""The words of a run: the settings of `fit` and the sections of a config, each with its one default.

`FitSettings` is read by the constructor of the estimator, by `fit`, by the `fit:` section of a config and by
``--set fit.key=value``. A field marked `FREE` may change when a run goes on; all others decide its numbers.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from math import inf
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator
from pydantic.config import JsonDict

from arignote.errors import Complaint, ConfigError
from arignote.registry import Count, Pair, Part, Positive, build, dump, part_of, plain

__all__ = ["FILE_OF_A_RUN", "FitSettings", "RunSpec", "cadence", "decides", "fit_parameters", "normal_stem"]

FREE: JsonDict = {"decides": False}

# How the name of one file of a run ends, after the stem.
FILE_OF_A_RUN = re.compile(r"_(last|best)(\.(\d+))?\.ckpt$|_epoch(\d+)\.ckpt$")


def _losses(value: Any) -> Any:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list | tuple):
        raise ValueError(f"must be the name of a loss, or a list of them; got {value!r}")
    for word in words:
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
        raise ValueError(f"must be [Name, {{params}}], or a list of them; got {value!r}")
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


def cadence(value: Any) -> Any:
    """Check `checkpoint_every`: "auto", "epoch", a number of batches, or seconds as "30s"."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if is_count or value in ("auto", "epoch") or (isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?s", value)):
        return value
    raise ValueError(f'must be "auto", "epoch", a number of batches >= 1, or a time such as "30s"; got {value!r}')


def normal_stem(stem: str) -> str:
    """Return a stem without a final .ckpt, .pkl, .pkl.gz; the name of one file of a run is refused."""
    text = str(stem)
    found = FILE_OF_A_RUN.search(text)
    if found:
        raise ConfigError(f"checkpoint {text!r} is one file of a run; did you mean {text[: found.start()]!r}?")
    for ending in (".pkl.gz", ".pkl", ".ckpt"):
        text = text.removesuffix(ending)
    if text.rpartition("/")[2] in ("", ".", ".."):
        raise ConfigError(f"checkpoint must be a path without its ending, such as runs/digits; got {stem!r}")
    return text


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


def _stop_rule(value: Any) -> Any:
    if isinstance(value, dict) and "rule" in value:
        return [value["rule"], {key: item for key, item in value.items() if key != "rule"}]
    return value


def _signals(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise ValueError(f"must be a list of names, such as [SIGTERM]; got {value!r}")
    for name in names:
        if name not in signal.Signals.__members__ or name in ("SIGKILL", "SIGSTOP"):
            raise ValueError(f"must be names of signals, such as SIGTERM; got {name!r}")
    return tuple(names)


def _notices(value: Any) -> Any:
    if value is not None:
        from arignote.notices import asker

        asker(str(value))
    return value


LossNames = Annotated[tuple[str, ...], BeforeValidator(_losses)]
Functions = Annotated[
    Any, BeforeValidator(_functions), PlainSerializer(lambda functions: [_function_name(f) for f in functions])
]
Augmentations = Annotated[
    Any, BeforeValidator(_augmentation), PlainSerializer(lambda items: [_written(item) for item in items])
]


class FitSettings(BaseModel):
    """Everything that `fit` can be told, apart from arrays."""

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
    preprocess: _parts("preprocess") = Field(  # type: ignore[valid-type]
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
    n_workers: Annotated[int, Field(ge=0)] = Field(
        1, description="Threads that augment; 0: in the loop.", json_schema_extra=FREE
    )
    prefetch: Count = Field(4, description="Largest number of batches made ahead.", json_schema_extra=FREE)
    n_epochs: Annotated[int, Field(ge=0)] = Field(50, description="Epochs in all.", json_schema_extra=FREE)
    batch_size: Count = Field(128, description="Rows of a batch.")
    sgd_type: part_of("updater", needed=True) = Field(  # type: ignore[valid-type]
        "adadelta", validate_default=True, description="Updater: a name or ``[name, {params}]``."
    )
    lr_rule: _rule() = Field(None, description="Rule of the learning rate, or a number.")  # type: ignore[valid-type]
    momentum_rule: _rule(below=1) = Field(None, description="Rule of the momentum, or a number.")  # type: ignore[valid-type]
    stop_rule: part_of("stop_rule", _stop_rule) = Field(  # type: ignore[valid-type]
        None, description='What may end training early, such as ``{"rule": "stalled", "interval": 10}``.'
    )
    accumulate: Count = Field(1, description="Batches of one update.")
    sgd_max_grad_norm: Positive | None = Field(None, description="Largest norm of all gradients together.")
    train_loss: Annotated[str, AfterValidator(_trainable)] = Field("nll", description="What is made small.")
    valid_loss: LossNames = Field(("nll", "error"), description="Losses of a validation; the first decides best.")
    test_loss: LossNames = Field(("error", "nll"), description="Losses of the test data, at each new best.")
    validation_frequency: Count | None = Field(None, description="Examples between validations; default one epoch.")
    validate_on_train: bool = Field(False, description="Whether the training data is scored at each validation too.")
    restore_best: bool = Field(True, description="Whether the best network is kept at the end.", json_schema_extra=FREE)
    checkpoint: Annotated[str | None, AfterValidator(_checkpoint)] = Field(
        None, description="Stem of the files of the run, such as runs/digits.", json_schema_extra=FREE
    )
    resume: bool | Literal["fresh", "force"] = Field(
        True, description="True: go on; False: no file may exist; fresh: start over; force.", json_schema_extra=FREE
    )
    checkpoint_every: Annotated[Any, BeforeValidator(cadence)] = Field(
        "auto", description='"auto", "epoch", batches, or a time as "30s".', json_schema_extra=FREE
    )
    keep_last: Annotated[int, Field(ge=2)] = Field(
        2, description="How many of the last checkpoints are kept.", json_schema_extra=FREE
    )
    checkpoint_all: bool = Field(False, description="Whether every epoch's is kept.", json_schema_extra=FREE)
    keep_epochs: Count | None = Field(
        None, description="How many of them (checkpoint_all) are kept; default all.", json_schema_extra=FREE
    )
    stop_signals: Annotated[tuple[str, ...], BeforeValidator(_signals)] = Field(
        ("SIGTERM", "SIGINT", "SIGUSR1"), description="Signals that stop, save and leave.", json_schema_extra=FREE
    )
    preemption: Annotated[str | None, BeforeValidator(_notices)] = Field(
        None, description='Notices to heed: "aws", "gcp", "azure", "file:PATH".', json_schema_extra=FREE
    )
    extra_metadata: dict[str, Any] | None = Field(
        None, description="Plain data kept in each checkpoint.", json_schema_extra=FREE
    )
    device: Annotated[str, AfterValidator(_device)] = Field(
        "auto", description='"auto", "cpu", "cuda", or "cuda:1" and so on.', json_schema_extra=FREE
    )
    n_threads: Count | None = Field(
        None,
        description="Threads of the engine; default those of the checkpoint, 1 for small steps, else its own.",
        json_schema_extra=FREE,
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
        None, validate_default=True, description="Functions called with each `Event`.", json_schema_extra=FREE
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Any:
        if self.momentum_rule is not None and self.sgd_type.momentum_name is None:
            told = "this updater has no momentum. Leave the rule out, or use sgd_type 'momentum' or 'nag'"
            raise ConfigError(Complaint(("momentum_rule",), told))
        return self


def decides(name: str) -> bool:
    """Whether a setting decides the numbers of a run (and so may not change when it goes on)."""
    return FitSettings.model_fields[name].json_schema_extra != FREE


def fit_parameters(indent: str = "    ") -> str:
    """Return the numpydoc entries of all settings."""
    return "\n".join(
        f"{indent}{name} : default {field.default!r}\n{indent}    {field.description}"
        for name, field in FitSettings.model_fields.items()
    )


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Source(_Section):
    """Where features and labels lie; see `arignote.data.get_reader`."""

    features: str
    labels: str | None = None
    axes: Literal["NCHW", "NHWC", "NHW"] | None = None
    color: int | str | None = None
    size: Pair | None = None
    mode: Literal["L", "RGB"] | None = None


Fraction = Annotated[float, Field(ge=0, lt=1)]


class DataSpec(_Section):
    """The `data:` section of a config."""

    train: Source
    valid: Source | Fraction | None = None
    test: Source | Fraction | None = None


class RunSpec(_Section):
    """A config, as data."""

    name: str | None = None
    rng: int | None = None
    data: DataSpec | None = None
    layer_defaults: dict[str, Any] = {}
    layers: list[Any] | str
    fit: dict[str, Any] = {}

    @model_validator(mode="after")
    def _settings(self) -> Any:
        misplaced = [name for name in ("valid", "test") if name in self.fit]
        if misplaced:
            raise ConfigError(Complaint(("fit", name), f"belongs to data: write data.{name}") for name in misplaced)
        return self
