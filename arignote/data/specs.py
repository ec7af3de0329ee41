"""The `data:` section of a config: sources of features and labels, and the format of text tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from arignote.data.inputs import Axes
from arignote.data.values.fields import ALONE
from arignote.errors import Complaint, ConfigError
from arignote.registry import Pair, PathForm, complaints_of

__all__ = ["CSVFormat", "DataSpec", "Section", "Source", "check_held_out", "labels_by_role", "table_format"]


def _one_character(value: Any) -> Any:
    # A tab cannot be seen in YAML, and is written as a word.
    value = "\t" if value in ("\\t", "tab") else value
    if not isinstance(value, str) or len(value) > 1 or value in ('"', "\n", "\r"):
        raise ValueError(f"must be one character, not a quote; got {value!r}")
    return value


def _delimiter(value: Any) -> Any:
    if value == "":
        raise ValueError("must be one character; got ''. Leave it out to have it detected")
    return None if value is None else _one_character(value)


def _comment(value: Any) -> Any:
    return None if value is None else _one_character(value)


def _character_schema(times: str) -> WithJsonSchema:
    # The rule of `_one_character`, for an editor that validates a config by its schema.
    return WithJsonSchema({"type": ["string", "null"], "pattern": rf'^([^"\n\r]{times}|\\t|tab)$'})


def _words(value: Any) -> Any:
    """Return a word or a number, or a list of these, as a list of words; other values as they are."""
    items = value if isinstance(value, list | tuple) else [value]
    # A bool is an int: true is refused, and not the word "True".
    if value is None or not all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in items):
        return value
    return [str(item).strip() for item in items]


_Word = str | int | float
_Words = BeforeValidator(_words, json_schema_input_type=list[_Word] | _Word | None)


class Section(BaseModel):
    """Base class of the mappings of a `data:` section: frozen, unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class CSVFormat(Section):
    """Format of a text table; what is left out is detected from the first lines.

    Attributes
    ----------
    header : bool, optional
        Whether the first row holds the names of the columns.
    delimiter : str, optional
        One character; " " means any run of spaces and tabs.
    comment : str, optional
        First character of the lines that are skipped; "" if there are none.
    decimal : "." or ",", optional
        Decimal mark of the numbers.
    missing : list of str, optional
        Fields that mark a missing value, in place of "NA", "NaN", "null", "?" and the others of
        `arignote.data.values.missing_values.MISSING_MARKERS`; an empty field is always missing.
    text : list of str, optional
        Columns whose fields are text even where they look like numbers, such as postal codes, for the preprocessing
        `OneHot`; by default those without any number. Positions, in a table without header.
    """

    header: bool | None = None
    delimiter: Annotated[str | None, BeforeValidator(_delimiter), _character_schema("")] = None
    comment: Annotated[str | None, BeforeValidator(_comment), _character_schema("?")] = None
    decimal: Literal[".", ","] | None = None
    missing: Annotated[list[str] | None, _Words] = None
    text: Annotated[list[str] | None, _Words] = None

    @model_validator(mode="after")
    def _differ(self) -> Self:
        marks = [mark for mark in (self.delimiter, self.comment, self.decimal) if mark]
        if len(set(marks)) < len(marks):
            raise ConfigError(Complaint((), f"delimiter, comment and decimal must differ; got {' and '.join(marks)}"))
        return self


class Source(Section):
    """Source of features and labels; see `arignote.data.get_reader`.

    Attributes
    ----------
    features : str or dict of str to str
        Path, with a table or columns after a colon; of several inputs a source for each channel.
    labels : str or dict of str to str, optional
        As `features`; by default, the labels in the file of the features. Of several outputs a source for each, by the
        name of the output layer.
    columns : str, int or list of these, optional
        Columns of a table, in place of those after the colon.
    csv : CSVFormat, optional
        Format of a text table.
    axes : "NCHW", "NHWC" or "NHW", or dict of these, optional
        Order of the axes of images; of several inputs by channel.
    color : int or str, optional
        The colour of images in HDF5 that is read.
    size : (int, int), optional
        Height and width to which images of a folder are resized.
    mode : "L" or "RGB", optional
        Whether images of a folder are read as grey or as colour images.
    """

    kind: ClassVar[str] = "source"
    features: Annotated[str | dict[str, str], PathForm.SOURCE]
    labels: Annotated[str | dict[str, str] | None, PathForm.SOURCE] = None
    columns: str | int | list[str | int] | None = None
    csv: CSVFormat | None = None
    axes: Axes | dict[str, Axes] | None = None
    color: int | str | None = None
    size: Pair | None = None
    mode: Literal["L", "RGB"] | None = None

    @model_validator(mode="after")
    def _fits_several(self) -> Self:
        """Refuse what is for one source of features if there are several."""
        if isinstance(self.features, dict):
            if not self.features:
                raise ConfigError(Complaint(("features",), "features must name a source for each channel; got {}"))
            for name in ("columns", "color", "size", "mode"):
                if getattr(self, name) is not None:
                    message = f"{name} is for one source of features, and there are several"
                    raise ConfigError(Complaint((name,), message))
        return self

    @property
    def channels(self) -> dict[str, str]:
        """The source of each channel; of the only one under the name `ALONE`."""
        return self.features if isinstance(self.features, dict) else {ALONE: self.features}


def labels_by_role(role: str, labels: Any) -> dict[str, Any]:
    """Return labels by role, which messages show: `role`, or of several outputs "labels 'digit'", "labels 'ink'" ..."""
    return {f"{role} {name!r}": one for name, one in labels.items()} if isinstance(labels, Mapping) else {role: labels}


def table_format(csv: Any) -> CSVFormat:
    """Validate the format of a text table.

    Parameters
    ----------
    csv : mapping, CSVFormat or None
        The settings that are known.

    Returns
    -------
    CSVFormat

    Raises
    ------
    ConfigError
        With every wrong setting.
    """
    if csv is None or isinstance(csv, CSVFormat):
        return csv or CSVFormat()
    if not isinstance(csv, Mapping):
        raise ConfigError(f"csv must be a mapping ({', '.join(CSVFormat.model_fields)}); got {csv!r:.100}")
    try:
        return CSVFormat.model_validate(csv)
    except ValidationError as error:
        raise ConfigError(complaints_of(error, CSVFormat)).under("csv") from None


Fraction = Annotated[float, Field(ge=0, lt=1)]


class DataSpec(Section):
    """The `data:` section of a config.

    Attributes
    ----------
    train : Source
        Training data.
    valid, test : Source or float, optional
        Data of their own, or fractions of the training rows that are held out.
    groups, sample_weight : str, optional
        Sources with one value for each training row; see `fit`.
    """

    kind: ClassVar[str] = "data"
    train: Source
    valid: Source | Fraction | None = None
    test: Source | Fraction | None = None
    groups: Annotated[str | None, PathForm.SOURCE] = None
    sample_weight: Annotated[str | None, PathForm.SOURCE] = None

    def others(self) -> dict[str, str]:
        """Return the sources other than features, by role: "groups", "sample_weight", "labels of valid" ..."""
        sources = {"groups": self.groups, "sample_weight": self.sample_weight}
        for name, source in (("valid", self.valid), ("test", self.test)):
            if isinstance(source, Source):
                sources |= labels_by_role(f"labels of {name}", source.labels)
        return {role: source for role, source in sources.items() if source is not None}


def check_held_out(final_epochs: int, *, has_any: bool, has_weights: bool) -> None:
    """Raise ConfigError if there are final epochs, but no rows that are held out, or no weights of these.

    Parameters
    ----------
    final_epochs : int
    has_any : bool
        Whether there are rows of validation or test.
    has_weights : bool
        Whether these have weights, or the training rows have none.
    """
    if final_epochs and not has_any:
        raise ConfigError(
            "final_epochs must be 0 without validation or test data, on which the final epochs train too; got "
            f"{final_epochs}. Give valid=0.1 or test=0.1, or leave it out"
        )
    if final_epochs and not has_weights:
        raise ConfigError(
            "final_epochs must be 0 with sample_weight and validation or test data of their own, whose rows have no "
            f"weight; got {final_epochs}. Hold rows of X out, such as valid=0.1, or leave it out"
        )
