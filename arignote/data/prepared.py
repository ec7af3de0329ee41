"""The data of a fit: checked, split into parts, its classes numbered, its preprocessing learned."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Data, feature_names
from arignote.data.fit_data import FitData, open_parts
from arignote.data.partition import partition
from arignote.data.per_row import groups_of, weights_of
from arignote.data.preprocess import Pipeline
from arignote.data.rows import Rows
from arignote.data.settings import DataSettings
from arignote.data.targets import check_classes, encode_labels, find_classes, like_classes, weights_of_classes
from arignote.errors import DataError, axes_hint, warn

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """The data of a fit.

    Attributes
    ----------
    parts : dict of str to (Rows, array of int64)
        Rows and class numbers of "train", and of "valid" and "test" where there are.
    classes : array (n_classes,)
        Labels in the order of the network's outputs.
    batch_size : int
        Rows of a batch: all training rows if there are fewer than the setting asks for.
    drop_last : bool
        Whether a last, smaller batch is left out.
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
    batch_size: int
    drop_last: bool
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
    data: FitData,
    settings: DataSettings,
    seed: int,
    learned: Mapping[str, NDArray[Any]] | None = None,
    known: NDArray[Any] | None = None,
) -> Prepared:
    """Check the data, split it, number the classes, learn the preprocessing.

    Parameters
    ----------
    data : FitData
        What `fit` was data.
    settings : DataSettings
        A `Data` may bring others: see `Prepared`.
    seed : int
        Seed of the run.
    learned : dict of str to array, optional
        What the preprocessing has learned already.
    known : array (n_classes,), optional
        Classes of the run that is resumed. Where they are text, whole numbers are labels as text: version 0.1
        read those of a text table so.
    """
    batch_size, drop_last = _batches_of(data.x, settings)
    rows, classes, chosen, n_rows = _split(data, settings, seed, known)
    parts = _encoded(rows, classes)
    # A resumed run was warned when it began, and one that is refused may have several files.
    is_new = learned is None
    learned = _preprocess(parts, settings, learned)
    weights = _weights(data, settings, parts["train"][1], classes, n_rows, chosen)
    n_train = len(rows["train"])
    if is_new and batch_size > n_train:
        text = f"batch_size {batch_size} is larger than the data ({n_train} rows): used as one batch"
        warn(text)
    reader = rows["train"].reader
    return Prepared(
        parts,
        classes,
        min(batch_size, n_train),
        drop_last,
        weights,
        dict(learned),
        feature_names(data.x) or [name for name in reader.columns if isinstance(name, str)],
        [place for place in reader.columns if isinstance(place, int)],
        dict(reader.origin.csv) if reader.origin is not None else {},
    )


def _split(
    data: FitData, settings: DataSettings, seed: int, known: NDArray[Any] | None
) -> tuple[dict[str, Rows], NDArray[Any], NDArray[np.int64] | None, int]:
    """Return the rows of each part, the classes, which rows are trained on (None: all), and how many there were."""
    parts = open_parts(data, settings)
    rows = parts.rows
    if known is not None:
        rows = {name: replace(part, y=like_classes(np.asarray(part.y), known)) for name, part in rows.items()}
    rows = {name: part.as_images(data.image) for name, part in rows.items()}
    if data.n_in is not None:
        _check_n_in(data.n_in, rows["train"].n_in)
    labels = rows["train"].y
    assert labels is not None
    if known is None:
        check_classes(labels, data.n_classes, rows["train"].labels_where)
    classes = find_classes(labels, data.n_classes)
    groups = None if data.groups is None else groups_of(data.groups, len(labels))
    numbers = parts.numbers
    if parts.fractions or numbers:
        numbers = partition(labels, parts.fractions, seed, how=settings.partition, groups=groups, chosen=numbers)
        rows |= {name: rows["train"].take(at) for name, at in numbers.items()}
    return rows, classes, numbers.get("train"), len(labels)


def _encoded(rows: Mapping[str, Rows], classes: NDArray[Any]) -> dict[str, tuple[Rows, NDArray[np.int64]]]:
    """Return the rows of each part with their class numbers; DataError where an example has another shape."""
    train, parts = rows["train"], {}
    for name, part in rows.items():
        if part.reader.shape[1:] != train.reader.shape[1:] and part.n_in != train.n_in:
            message = f"an example of {name} has shape {part.n_in}, one of X {train.n_in}"
            raise DataError(message + axes_hint(part.n_in, train.n_in))
        assert part.y is not None
        parts[name] = (part, encode_labels(part.y, classes, name))
    return parts


def _check_n_in(given: tuple[int, ...], found: tuple[int, ...]) -> None:
    """Check the shape of an example against that which was given: the same, or as many numbers."""
    if given not in (found, (prod(found),)):
        told = f"n_in is {given}, but an example of X has the shape {found}"
        raise DataError(told + axes_hint(found, given))


def _batches_of(x: Any, settings: DataSettings) -> tuple[int, bool]:
    """Return batch_size and drop_last: of the settings, or those that a `Data` brings."""
    if not isinstance(x, Data):
        return settings.batch_size, settings.drop_last
    batch_size = x.batch_size if "batch_size" not in settings.model_fields_set else None
    if batch_size is not None and not (isinstance(batch_size, int | np.integer) and batch_size >= 1):
        raise DataError(f"batch_size of Data must be an integer >= 1; got {batch_size!r}")
    return int(batch_size or settings.batch_size), settings.drop_last or not x.allow_partial_batch


def _preprocess(
    parts: dict[str, tuple[Rows, NDArray[np.int64]]],
    settings: DataSettings,
    learned: Mapping[str, NDArray[Any]] | None,
) -> Mapping[str, NDArray[Any]]:
    """Let all parts be seen through what is learned of the training rows."""
    train = parts["train"][0]
    if not settings.preprocess:
        if train.reader.dtype == np.uint8 and learned is None:
            hint = "preprocess=[['Scale', {'divide_by': 255}]]"
            text = f"X holds whole numbers of 0 to 255 (uint8), and networks learn best from small ones: try {hint}"
            warn(text)
        return {}
    pipeline = Pipeline(settings.preprocess)
    if learned is None:
        learned = pipeline.fit(train.blocks)
    see = partial(pipeline.apply, learned)
    for name, (rows, labels) in parts.items():
        parts[name] = (replace(rows, preprocess=see), labels)
    return learned


def _weights(
    data: FitData,
    settings: DataSettings,
    y: NDArray[np.int64],
    classes: NDArray[Any],
    n_rows: int,
    chosen: NDArray[np.int64] | None,
) -> NDArray[np.float32] | None:
    """Return how much each training row counts, the mean being 1."""
    if data.sample_weight is None and settings.class_weight is None:
        return None
    weights = np.ones(len(y))
    if data.sample_weight is not None:
        own = weights_of(data.sample_weight, n_rows)
        weights *= own if chosen is None else own[chosen]
    if settings.class_weight == "balanced":
        weights *= (len(y) / np.maximum(np.bincount(y, minlength=len(classes)), 1))[y]
    elif settings.class_weight is not None:
        weights *= weights_of_classes(settings.class_weight, classes)[y]
    if not weights.any():
        raise DataError("all weights of the training rows are 0")
    found: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
    return found
