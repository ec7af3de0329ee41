"""The data of a fit: checked, split into parts, its classes numbered, its preprocessing learned."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Data, DataWithHoldoutPartitions, feature_names
from arignote.data.partition import partition
from arignote.data.per_row import groups_of, weights_of
from arignote.data.preprocess import Pipeline
from arignote.data.readers.columns import Names
from arignote.data.readers.sources import is_source
from arignote.data.rows import Rows, rows_of
from arignote.data.specs import CSVFormat
from arignote.data.targets import check_classes, encode_labels, find_classes, like_classes, weights_of_classes
from arignote.errors import ArignoteWarning, DataError, axes_hint
from arignote.spec.settings import FitSettings

__all__ = ["Given", "Prepared", "are_row_numbers", "other_sources", "prepare", "split_of"]


@dataclass(frozen=True)
class Given:
    """Data as it was given to `fit`.

    Attributes
    ----------
    x, y : object
        What `rows_of` takes.
    valid, test : float, array of row numbers, or data; optional
    sample_weight, groups : array (rows,) or source, optional
        Of the rows of `x`: how much each counts, and which of them may not be parted.
    n_classes : int, optional
        As the output layer has it.
    channel : str, optional
        As the input layer has it.
    image : tuple of int, optional
        (channels, height, width) of an input layer of images.
    n_in : tuple of int, optional
        Shape of an example, where it is given.
    csv : dict or CSVFormat, optional
        Format of text tables that `x`, `y`, `valid` and `test` name as strings, where it is not found by looking.
    """

    x: Any
    y: Any = None
    valid: Any = None
    test: Any = None
    sample_weight: Any = None
    groups: Any = None
    n_classes: int | None = None
    channel: str | None = None
    image: tuple[int, int, int] | None = None
    n_in: tuple[int, ...] | None = None
    csv: Mapping[str, Any] | CSVFormat | None = None


@dataclass(frozen=True)
class Prepared:
    """The data of a fit.

    Attributes
    ----------
    parts : dict of str to (Rows, array of int64)
        Rows and class numbers of "train", and of "valid" and "test" where there are.
    classes : array (n_classes,)
        Labels in the order of the network's outputs.
    weights : array (rows,) of float32, or None
        How much each training row counts; their mean is 1.
    preprocess : dict of str to array
        What the preprocessing has learned.
    feature_names : list of str
        Of the columns of a DataFrame, or of a table of a file.
    columns : list of int
        Positions of the columns of a table without header.
    csv : dict
        What was given of the format of a text table.
    """

    parts: dict[str, tuple[Rows, NDArray[np.int64]]]
    classes: NDArray[Any]
    weights: NDArray[np.float32] | None = None
    preprocess: dict[str, NDArray[Any]] = field(default_factory=dict)
    feature_names: list[str] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    csv: dict[str, Any] = field(default_factory=dict)

    def fingerprint(self) -> dict[str, Any]:
        """Return the fingerprints of all parts, and of the weights where there are, and the names of columns."""
        of_readers: dict[int, str] = {}
        found: dict[str, Any] = {name: rows.fingerprint(of_readers) for name, (rows, _) in self.parts.items()}
        if self.weights is not None:
            found["weights"] = hashlib.sha256(self.weights.tobytes()).hexdigest()
        told = {"feature_names": self.feature_names, "columns": self.columns, "csv": self.csv}
        return found | {name: value for name, value in told.items() if value}


def prepare(
    given: Given,
    settings: FitSettings,
    seed: int,
    learned: Mapping[str, NDArray[Any]] | None = None,
    known: NDArray[Any] | None = None,
) -> tuple[Prepared, FitSettings]:
    """Check the data, split it, number the classes, learn the preprocessing.

    Parameters
    ----------
    given : Given
        What `fit` was given.
    settings : FitSettings
        Those that the data brings are taken over.
    seed : int
        Seed of the run.
    learned : dict of str to array, optional
        What the preprocessing has learned already.
    known : array (n_classes,), optional
        Classes of the run that is resumed. Where they are text, whole numbers are labels as text: version 0.1
        read those of a text table so.
    """
    settings = _as_data_says(given.x, settings)
    rows, fractions, numbers = _rows_of_parts(given, settings)
    if known is not None:
        rows = {name: replace(part, y=like_classes(np.asarray(part.y), known)) for name, part in rows.items()}
    rows = {name: part.as_images(given.image) for name, part in rows.items()}
    if given.n_in is not None:
        _check_n_in(given.n_in, rows["train"].n_in)
    labels = rows["train"].y
    assert labels is not None
    if known is None:
        check_classes(labels, given.n_classes, rows["train"].labels_where)
    classes = find_classes(labels, given.n_classes)
    groups = None if given.groups is None else groups_of(given.groups, len(labels))
    if fractions or numbers:
        numbers = partition(labels, fractions, seed, how=settings.partition, groups=groups, chosen=numbers)
        rows |= {name: rows["train"].take(at) for name, at in numbers.items()}
    parts = {}
    for name, part in rows.items():
        if part.reader.shape[1:] != rows["train"].reader.shape[1:] and part.n_in != rows["train"].n_in:
            told = f"an example of {name} has shape {part.n_in}, one of X {rows['train'].n_in}"
            raise DataError(told + axes_hint(part.n_in, rows["train"].n_in))
        assert part.y is not None
        parts[name] = (part, encode_labels(part.y, classes, name))
    # One that goes on was told when it began, and whoever is refused may have several files.
    is_new = learned is None
    learned = _preprocess(parts, settings, learned)
    weights = _weights(given, settings, parts["train"][1], classes, len(labels), numbers.get("train"))
    n_train = len(rows["train"])
    if settings.batch_size > n_train:
        text = f"batch_size {settings.batch_size} is larger than the data ({n_train} rows): used as one batch"
        if is_new:
            warnings.warn(text, ArignoteWarning, stacklevel=6)
        settings = settings.model_copy(update={"batch_size": n_train})
    reader = rows["train"].reader
    names = feature_names(given.x) or [name for name in reader.columns if isinstance(name, str)]
    places = [place for place in reader.columns if isinstance(place, int)]
    csv = dict(reader.origin.csv) if reader.origin is not None else {}
    return Prepared(parts, classes, weights, dict(learned), names, places, csv), settings


def _check_n_in(given: tuple[int, ...], found: tuple[int, ...]) -> None:
    """Check the shape of an example against that which was given: the same, or as many numbers."""
    if given not in (found, (prod(found),)):
        told = f"n_in is {given}, but an example of X has the shape {found}"
        raise DataError(told + axes_hint(found, given))


def other_sources(given: Given) -> dict[str, Any]:
    """Return the sources that the data names beside the features, by what they are."""
    found = {"labels": _parted(given.x, given.y)[1], "groups": given.groups, "sample_weight": given.sample_weight}
    for name, part in (("valid", given.valid), ("test", given.test)):
        found[f"labels of {name}"] = _parted(part)[1]
    return {role: source for role, source in found.items() if is_source(source)}


def _parted(x: Any, y: Any = None) -> tuple[Any, Any]:
    """Return features and labels of (x, y) or `Data`."""
    if isinstance(x, Data):
        return x.features, x.labels if y is None else y
    return x if isinstance(x, tuple) and len(x) == 2 and y is None else (x, y)


def _as_data_says(x: Any, settings: FitSettings) -> FitSettings:
    """Return settings with those that a `Data` brings."""
    if not isinstance(x, Data):
        return settings
    batch_size = x.batch_size if "batch_size" not in settings.model_fields_set else None
    if batch_size is not None and not (isinstance(batch_size, int | np.integer) and batch_size >= 1):
        raise DataError(f"batch_size of Data must be an integer >= 1; got {batch_size!r}")
    return settings.model_copy(
        update={"batch_size": int(batch_size or settings.batch_size)}
        | ({} if x.allow_partial_batch else {"drop_last": True})
    )


def _rows_of_parts(
    given: Given, settings: FitSettings
) -> tuple[dict[str, Rows], dict[str, float], dict[str, NDArray[np.int64]]]:
    """Return the rows of each part that has data of its own, and which fractions or rows of "train" the others are."""
    x, valid, test = given.x, given.valid, given.test
    if isinstance(x, DataWithHoldoutPartitions):
        valid = x.valid_frac or None if valid is None else valid
        test = x.test_frac or None if test is None else test
    see = partial(
        rows_of,
        allow_nonfinite=settings.allow_nonfinite,
        axes=settings.axes,
        channel=given.channel,
        others=other_sources(given),
        csv=given.csv,
    )
    rows = {"train": see(x, given.y, what="X")}
    names = feature_names(x)
    columns: Names = tuple(names) or rows["train"].reader.columns
    if rows["train"].y is None:
        raise DataError("a classifier needs labels: fit(X, y), or fit((X, y))")
    fractions: dict[str, float] = {}
    numbers: dict[str, NDArray[np.int64]] = {}
    for name, part in (("valid", valid), ("test", test)):
        if isinstance(part, bool) or _is_fraction(part):
            raise DataError(f"{name} must be a fraction in [0, 1), row numbers or data; got {part!r}")
        if isinstance(part, int | float):
            fractions |= {name: float(part)} if part else {}
        elif are_row_numbers(part):
            numbers[name] = _row_numbers(name, part, len(rows["train"]))
        elif part is not None:
            rows[name] = see(part, what=name, columns=columns)
            if rows[name].y is None:
                raise DataError(f"{name} must be a fraction, row numbers, (X, y) or Data with labels")
    return rows, fractions, numbers


def split_of(given: Given) -> dict[str, Any]:
    """Return how each part was given, as plain data from which the same rows can be found again.

    Returns
    -------
    dict of str to float or str
        For "valid" and "test", where there are: the fraction that was held out, "rows" for row numbers, or "data" for
        data of its own. "groups" is True where rows of a group stayed together.
    """
    found: dict[str, Any] = {}
    for name in ("valid", "test"):
        part = getattr(given, name)
        if part is None and isinstance(given.x, DataWithHoldoutPartitions):
            part = getattr(given.x, f"{name}_frac")
        if isinstance(part, int | float):
            found |= {name: float(part)} if part else {}
        elif part is not None:
            found[name] = "rows" if are_row_numbers(part) else "data"
    return found | ({} if given.groups is None else {"groups": True})


def _is_fraction(part: Any) -> bool:
    """Whether a string is a number, and so no source."""
    return isinstance(part, str) and part.replace(".", "", 1).isdigit()


def are_row_numbers(part: Any) -> bool:
    """Whether `valid` or `test` of a fit names rows by number, and so is neither a fraction nor data."""
    if isinstance(part, list | range):
        part = np.asarray(part) if part and all(isinstance(row, int | np.integer) for row in part) else None
    return isinstance(part, np.ndarray) and part.ndim == 1 and part.dtype.kind in "iubf"


def _row_numbers(name: str, part: Any, n_rows: int) -> NDArray[np.int64]:
    numbers = np.asarray(part)
    if numbers.dtype.kind not in "iu":
        raise DataError(f"{name}: row numbers must be integers; got {numbers.dtype}. Of a mask: np.flatnonzero(mask)")
    numbers = numbers.astype(np.int64)
    if len(numbers) == 0 or numbers.min() < 0 or numbers.max() >= n_rows:
        raise DataError(f"{name}: row numbers must lie in 0 .. {n_rows - 1}; got {numbers[:10].tolist()}")
    if len(np.unique(numbers)) != len(numbers):
        raise DataError(f"{name}: a row number is named twice")
    return numbers


def _preprocess(
    parts: dict[str, tuple[Rows, NDArray[np.int64]]],
    settings: FitSettings,
    learned: Mapping[str, NDArray[Any]] | None,
) -> Mapping[str, NDArray[Any]]:
    """Let all parts be seen through what is learned of the training rows."""
    train = parts["train"][0]
    if not settings.preprocess:
        if train.reader.dtype == np.uint8 and learned is None:
            hint = "preprocess=[['Scale', {'divide_by': 255}]]"
            text = f"X holds whole numbers of 0 to 255 (uint8), and networks learn best from small ones: try {hint}"
            warnings.warn(text, ArignoteWarning, stacklevel=7)
        return {}
    pipeline = Pipeline(settings.preprocess)
    if learned is None:
        learned = pipeline.fit(train.blocks)
    see = partial(pipeline.apply, learned)
    for name, (rows, labels) in parts.items():
        parts[name] = (replace(rows, preprocess=see), labels)
    return learned


def _weights(
    given: Given,
    settings: FitSettings,
    y: NDArray[np.int64],
    classes: NDArray[Any],
    n_rows: int,
    chosen: NDArray[np.int64] | None,
) -> NDArray[np.float32] | None:
    """Return how much each training row counts, the mean being 1."""
    if given.sample_weight is None and settings.class_weight is None:
        return None
    weights = np.ones(len(y))
    if given.sample_weight is not None:
        own = weights_of(given.sample_weight, n_rows)
        weights *= own if chosen is None else own[chosen]
    if settings.class_weight == "balanced":
        weights *= (len(y) / np.maximum(np.bincount(y, minlength=len(classes)), 1))[y]
    elif settings.class_weight is not None:
        weights *= weights_of_classes(settings.class_weight, classes)[y]
    if not weights.any():
        raise DataError("all weights of the training rows are 0")
    found: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
    return found
