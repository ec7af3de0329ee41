"""What the values of features and labels are: tables, rows of numbers or images; classes, flags or numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from arignote.data.readers.base import Array, Reader
from arignote.errors import ConfigError, DataError

__all__ = ["Features", "Labels", "facts_of_features", "facts_of_labels"]

# Images that are looked at; of other rows all, as any may be the one that lacks a value.
_MOST_IMAGES = 10_000
# Whole numbers are classes if they have at most so many values, each of so many rows on average.
_MOST_CLASSES, _ROWS_OF_CLASS = 30, 5
_MANY_CATEGORIES = 50


@dataclass
class Features:
    """Kind, size and range of features.

    Attributes
    ----------
    kind : "table", "rows" or "images"
        Columns with names or positions; numbers; (rows, channels, height, width).
    n_rows : int
    image : tuple of int
        Channels, height and width.
    axes : "NCHW", "NHWC" or "NHW"
        Order of the axes of images.
    low, high : float
        Smallest and largest number of arrays.
    has_numbers, has_text : bool
        Which kinds of columns a table has.
    lacks_numbers, lacks_text : bool
        Whether values are missing in columns of these kinds.
    left_out : list of str
        Columns that are no features: they name the row, or hold no value.
    description : str
    notes : list of str
        What was decided without being certain.
    """

    kind: Literal["table", "rows", "images"]
    n_rows: int
    image: tuple[int, int, int] = (1, 1, 1)
    axes: Literal["NCHW", "NHWC", "NHW"] = "NCHW"
    low: float = 0.0
    high: float = 1.0
    has_numbers: bool = True
    has_text: bool = False
    lacks_numbers: bool = False
    lacks_text: bool = False
    left_out: list[str] = field(default_factory=list)
    description: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Labels:
    """Kind of labels, and the values that they take.

    Attributes
    ----------
    kind : "classes", "flags" or "numbers"
        One class per row; several or none of them; one or several numbers.
    description : str
    notes : tuple of str
        What was decided without being certain.
    """

    kind: Literal["classes", "flags", "numbers"]
    description: str
    notes: tuple[str, ...] = ()


def facts_of_features(reader: Reader) -> Features:
    """Return what the rows of a reader are.

    Raises
    ------
    ConfigError
        If they are numbers without an axis of features, or have more than four axes.
    DataError
        If they are no numbers, or none of them is finite.
    """
    if reader.columns:
        return _of_table(reader)
    if not 2 <= len(reader.shape) <= 4:
        raise ConfigError(f"{reader.where}: has the shape {reader.shape}; features must be rows of numbers, or images")
    if reader.dtype.kind not in "buif":
        raise DataError(f"{reader.where}: must be numbers; got {reader.dtype}")
    features = Features("rows", len(reader), low=np.inf, high=-np.inf)
    for rows in _blocks(reader, _MOST_IMAGES if len(reader.shape) > 2 else len(reader)):
        numbers = rows[np.isfinite(rows)]
        features.lacks_numbers = features.lacks_numbers or bool(np.isnan(rows).any())
        if numbers.size:
            features.low, features.high = (
                min(features.low, float(numbers.min())),
                max(features.high, float(numbers.max())),
            )
    if features.low > features.high:
        raise DataError(f"{reader.where}: holds no number that is finite")
    if len(reader.shape) > 2 and features.lacks_numbers:
        raise DataError(f"{reader.where}: some pixels are missing (NaN); replace them first")
    if len(reader.shape) > 2:
        features.kind = "images"
        features.axes, features.image = _image(reader.shape[1:])
        features.description = f"images of {features.image[0]} x {features.image[1]} x {features.image[2]}"
        if features.axes == "NHW" and reader.dtype != np.uint8:
            features.notes.append(
                "rows of two axes are taken for grey images; if they are series, see docs/networks.md"
            )
    else:
        features.description = f"{reader.shape[1]} numbers"
        side = round(reader.shape[1] ** 0.5)
        # The ranges of bytes, of scaled images, and of the digits of scikit-learn (0 to 16, 8 x 8).
        if side >= 8 and side**2 == reader.shape[1] and (features.low, features.high) in ((0, 255), (0, 1), (0, 16)):
            features.notes.append(
                f"rows of {side**2} numbers may be images of {side} x {side}: with [InputImageLayer, {{n_pixels: "
                f"{side}}}] as the first layer, convolutions can follow"
            )
    return features


def _image(shape: tuple[int, ...]) -> tuple[Literal["NCHW", "NHWC", "NHW"], tuple[int, int, int]]:
    """Return the order of the axes of images, and channels, height and width."""
    if len(shape) == 2:
        return "NHW", (1, shape[0], shape[1])
    # Grey, RGB and RGBA; if both ends could be channels, they come first, as in PyTorch.
    if shape[2] in (1, 3, 4) and shape[0] not in (1, 3, 4):
        return "NHWC", (shape[2], shape[0], shape[1])
    return "NCHW", (shape[0], shape[1], shape[2])


@dataclass
class _Column:
    name: str
    is_text: bool
    lacks: bool = False
    is_empty: bool = True
    # Of text, and of what is named as an identifier; other numbers may be millions.
    distinct: set[Any] | None = None

    @property
    def n_distinct(self) -> int:
        return 0 if self.distinct is None else len(self.distinct)

    def add(self, values: Array) -> None:
        """Note what some of its values are."""
        missing = np.array([value is None for value in values]) if self.is_text else np.isnan(values.astype(np.float64))
        self.lacks = self.lacks or bool(missing.any())
        self.is_empty = self.is_empty and bool(missing.all())
        if self.distinct is not None:
            self.distinct.update(values[~missing].tolist())

    def names_the_row(self, n_rows: int) -> bool:
        """Return whether its values are those of an identifier, or free text."""
        # A few texts of an identifier or of remarks may repeat, the numbers of an identifier do not.
        return 2 * self.n_distinct > n_rows if self.is_text else self.n_distinct == n_rows


def _of_table(reader: Reader) -> Features:
    """Return the kinds of the columns of a table, where values are missing, and which columns are no features."""
    columns = [_Column(str(name), place in reader.text) for place, name in enumerate(reader.columns)]
    for column in columns:
        if column.is_text or re.split(r"[ _.-]", column.name.lower())[-1] in ("id", "index", "key"):
            column.distinct = set()
    for rows in _blocks(reader, len(reader)):
        for place, column in enumerate(columns):
            column.add(rows[:, place])
    reasons = {
        column.name: "holds no value" if column.is_empty else "names the row"
        for column in columns
        if column.is_empty or column.names_the_row(len(reader))
    }
    kept = [column for column in columns if column.name not in reasons]
    if not kept:
        raise DataError(f"{reader.where}: no column is left as a feature, as each names the row or holds no value")
    words, numbers = [one for one in kept if one.is_text], [one for one in kept if not one.is_text]
    counted = ((numbers, "numbers"), (words, "text"))
    features = Features("table", len(reader), has_numbers=bool(numbers), has_text=bool(words))
    features.lacks_numbers, features.lacks_text = any(one.lacks for one in numbers), any(one.lacks for one in words)
    features.left_out = list(reasons)
    features.description = " and ".join(
        f"{len(some)} column{'s' * (len(some) > 1)} of {kind}" for some, kind in counted if some
    )
    features.notes = [
        f"the column {name!r} {reason}, and is left out: columns of data.train" for name, reason in reasons.items()
    ]
    features.notes += [
        f"the column {one.name!r} has {one.n_distinct} categories, of which each is a number for the network"
        for one in words
        if one.n_distinct > _MANY_CATEGORIES
    ]
    return features


def _blocks(reader: Reader, n_rows: int) -> Iterator[Array]:
    """Yield the first rows of a reader, piece by piece."""
    step, n_rows = reader.chunk_rows or 4096, min(n_rows, len(reader))
    for at in range(0, n_rows, step):
        yield reader.read(slice(at, min(at + step, n_rows)))


def facts_of_labels(reader: Reader) -> Labels:
    """Return what the labels are.

    Raises
    ------
    ConfigError
        If each row has another text.
    DataError
        If all are the same, or one is missing.
    """
    y = reader.read(slice(0, len(reader)))
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    # NaN is not equal to itself; readers of files return it for missing text too.
    missing = np.flatnonzero((y != y).any(axis=tuple(range(1, y.ndim))))
    if len(missing):
        hint = "; if NA or ? is the name of a class, give it another name" if y.dtype.kind == "O" else ""
        raise DataError(
            f"{reader.where}: {len(missing)} of {len(y)} rows have no label, the first is row {missing[0]}. Remove "
            f"these rows from the file, or name other labels with --labels{hint}"
        )
    if y.ndim > 1:
        return _of_columns(y)
    values = np.unique(y.astype(str) if y.dtype.kind == "O" else y)
    if len(values) < 2:
        raise DataError(f"{reader.where}: the labels are all the same, {values.tolist()}: nothing can be learned")
    shown = ", ".join(f"{value!s:.30}" for value in values[:3].tolist()) + (", ..." if len(values) > 3 else "")
    classes = f"{len(values)} classes ({shown})"
    if y.dtype.kind not in "iuf":
        if len(values) == len(y):
            raise ConfigError(f"{reader.where}: each row has another label ({shown}); --labels names another column")
        return Labels("classes", classes)
    is_whole = bool((values == np.round(values)).all())
    if is_whole and len(values) <= _MOST_CLASSES and len(y) >= _ROWS_OF_CLASS * len(values):
        # 0 to n - 1 or 1 to n is how classes are numbered; other whole numbers may be quantities.
        is_count = values.tolist() in (list(range(len(values))), list(range(1, len(values) + 1)))
        note = f"the labels are whole numbers, {shown}, and taken for classes; for numbers see RegressionOutputLayer"
        return Labels("classes", classes, () if is_count and y.dtype.kind != "f" else (note,))
    note = f"the labels are whole numbers of {len(values)} values, and taken for numbers; for classes see "
    notes = (note + "ClassificationOutputLayer",) if is_whole and y.dtype.kind != "f" else ()
    return Labels("numbers", f"numbers from {values[0]:g} to {values[-1]:g}", notes)


def _of_columns(y: Array) -> Labels:
    """Return what labels of several columns are."""
    n_columns = y.shape[1]
    if not np.isin(y, (0, 1)).all():
        return Labels("numbers", f"{n_columns} numbers per row")
    if (y.sum(1) == 1).all():
        return Labels("classes", f"{n_columns} classes, in a column each")
    return Labels("flags", f"{n_columns} labels, of which a row may have several")
