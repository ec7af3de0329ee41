"""The `data:` section of a config: where features and labels are, and how text tables are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from arignote.errors import Complaint, ConfigError
from arignote.registry import Pair, complaints_of

__all__ = ["CSVFormat", "DataSpec", "Section", "Source", "table_format"]


def _one_character(value: Any) -> Any:
    value = "\t" if value in ("\\t", "tab") else value
    if not isinstance(value, str) or len(value) > 1 or value in ('"', "\n", "\r"):
        raise ValueError(f"must be one character, not a quote; got {value!r}")
    return value


def _delimiter(value: Any) -> Any:
    if value == "":
        raise ValueError("must be one character; got ''. Leave it out to have it found")
    return None if value is None else _one_character(value)


def _comment(value: Any) -> Any:
    return None if value is None else _one_character(value)


def _words(value: Any) -> Any:
    """Return a word or a number, or a list of these, as a list of words."""
    items = value if isinstance(value, list | tuple) else [value]
    if value is None or not all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in items):
        return value
    return [str(item).strip() for item in items]


class Section(BaseModel):
    """Base class of the mappings of a `data:` section: frozen, unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CSVFormat(Section):
    """How a text table is written; what is left out is found from its first lines.

    Attributes
    ----------
    header : bool, optional
        Whether the first row holds the names of the columns.
    delimiter : str, optional
        One character; " " stands for any run of spaces and tabs.
    comment : str, optional
        First character of the lines that are skipped; "" if there are none.
    decimal : "." or ",", optional
        Decimal mark of the numbers.
    missing : list of str, optional
        Fields that stand for a missing value, in place of "NA", "NaN", "null", "?" and the others of
        `arignote.data.missing.MARKERS`; an empty field always does. Numbers are taken as they are written.
    """

    header: bool | None = None
    delimiter: Annotated[str | None, BeforeValidator(_delimiter)] = None
    comment: Annotated[str | None, BeforeValidator(_comment)] = None
    decimal: Literal[".", ","] | None = None
    missing: Annotated[list[str] | None, BeforeValidator(_words)] = None

    @model_validator(mode="after")
    def _differ(self) -> Any:
        marks = [mark for mark in (self.delimiter, self.comment, self.decimal) if mark]
        if len(set(marks)) < len(marks):
            raise ConfigError(Complaint((), f"delimiter, comment and decimal must differ; got {' and '.join(marks)}"))
        return self


class Source(Section):
    """Where features and labels lie; see `arignote.data.get_reader`."""

    kind: ClassVar[str] = "source"
    features: str
    labels: str | None = None
    columns: str | int | list[str | int] | None = None
    csv: CSVFormat | None = None
    axes: Literal["NCHW", "NHWC", "NHW"] | None = None
    color: int | str | None = None
    size: Pair | None = None
    mode: Literal["L", "RGB"] | None = None


def table_format(csv: Any) -> CSVFormat:
    """Return `csv`, a mapping of what is known of a text table, checked; ConfigError with all that is wrong."""
    if csv is None or isinstance(csv, CSVFormat):
        return csv or CSVFormat()
    if not isinstance(csv, Mapping):
        raise ConfigError(f"csv must be a mapping ({', '.join(CSVFormat.model_fields)}); got {csv!r:.100}")
    try:
        return CSVFormat.model_validate(csv)
    except ValidationError as fault:
        raise ConfigError(complaints_of(fault, CSVFormat)).under("csv") from None


Fraction = Annotated[float, Field(ge=0, lt=1)]


class DataSpec(Section):
    """The `data:` section of a config.

    Attributes
    ----------
    train : Source
    valid, test : Source or float, optional
        Data of their own, or fractions of the training rows that are held out.
    groups, sample_weight : str, optional
        Sources with one value for each training row, as of `fit`.
    """

    kind: ClassVar[str] = "data"
    train: Source
    valid: Source | Fraction | None = None
    test: Source | Fraction | None = None
    groups: str | None = None
    sample_weight: str | None = None

    def others(self) -> dict[str, str]:
        """Return the sources that are named beside the features of the training rows, by what they are."""
        found = {"groups": self.groups, "sample_weight": self.sample_weight}
        for name, part in (("valid", self.valid), ("test", self.test)):
            found[f"labels of {name}"] = part.labels if isinstance(part, Source) else None
        return {role: source for role, source in found.items() if source is not None}
