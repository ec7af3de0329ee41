"""Settings of `fit` about data: order, batches, weights, preprocessing, augmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from arignote.data.inputs import Axes
from arignote.data.preprocess import Preprocess
from arignote.data.readers.windows import Windows
from arignote.data.transforms import Transform
from arignote.registry import (
    ADDED,
    ByNameField,
    Count,
    Mark,
    Part,
    PartField,
    PartsField,
    build,
    dump,
    function_name,
    several,
    spec_schema,
    specs_schema,
)
from arignote.safe.limits import MOST_THREADS

__all__ = ["DataSettings"]


def _augmentation(value: Any) -> tuple[Any, ...]:
    return tuple(item if callable(item) else build("augmentation", item) for item in several(value))


def _written(functions: tuple[Any, ...]) -> list[Any]:
    return [dump(one) if isinstance(one, Part) else function_name(one) for one in functions]


Augmentations = Annotated[
    tuple[Transform | Callable[..., Any], ...],
    BeforeValidator(_augmentation),
    PlainSerializer(_written),
    WithJsonSchema({"anyOf": [*specs_schema([spec_schema("augmentation")]), {"type": "null"}]}),
]


class DataSettings(BaseModel):
    """Settings of `fit` about data; see the description of each field."""

    kind: ClassVar[str] = "fit"
    # Only that of `FitSettings`, which joins the settings, is validated.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True, defer_build=True)

    shuffle: bool | Literal["full", "chunks"] = Field(
        True,
        description='Whether each epoch has an order of its own: "full"; "chunks" of files and rows within '
        "them; True: full if single rows can be read efficiently, else chunks.",
    )
    drop_last: bool = Field(False, description="Whether a last, smaller batch is left out of training.")
    allow_nonfinite: bool = Field(False, description="Whether NaN and infinity are allowed in the features.")
    axes: Axes | dict[str, Axes] | None = Field(
        None, description="Order of the axes of images, of several inputs by channel."
    )
    preprocess: Annotated[
        tuple[Preprocess, ...] | dict[str, tuple[Preprocess, ...]] | None, ByNameField(PartsField("preprocess"))
    ] = Field(
        None,
        description="Fitted to the training rows and applied to all rows; of several inputs by channel.",
    )
    # ADDED: at its default it changes no stem of a run in a folder; see `arignote.registry.marks`.
    windows: Annotated[Windows | None, PartField("windows", is_alone=True), ADDED] = Field(
        None, description="Windows of one long series as examples: ``{length, step}``, in steps. Subsets never overlap."
    )
    partition: Literal["stratified", "contiguous"] = Field(
        "stratified", description="How fractions are held out: classes in proportion, or the last rows."
    )
    # Keys are labels: numbers or text.
    class_weight: dict[Any, float] | Literal["balanced"] | None = Field(
        None, description='How much the rows of each class count: by label, or "balanced".'
    )
    weighted_validation: Annotated[bool, ADDED] = Field(
        False, description="Whether rows count in the losses of validation and test as in training: by their weights."
    )
    scale_target: Annotated[bool, ADDED] = Field(
        True, description="Whether numbers are learned in units of their standard deviation, from their mean."
    )
    missing_targets: Annotated[bool, ADDED] = Field(
        False, description="Whether numbers of y may be missing (NaN); their rows do not count for their column."
    )
    balance_classes: bool = Field(False, description="Whether every class is drawn equally often in an epoch.")
    augmentation: Augmentations = Field(
        None,
        validate_default=True,
        description="``[Name, {params}]`` or function ``(x, y, epoch=, rng=) -> (x, y)`` of a batch, or a list.",
    )
    # MACHINE: it decides no number of the run, and is never taken from a loaded file.
    n_workers: Annotated[int, Field(ge=0, le=MOST_THREADS), Mark.MACHINE] = Field(
        1, description="Threads that augment batches; 0: the training loop does it."
    )
    prefetch: Annotated[Count, Mark.MACHINE] = Field(4, description="Largest number of batches made ahead.")
    batch_size: Count | Literal[-1] = Field(128, description="Rows of a batch; -1: all training rows.")
