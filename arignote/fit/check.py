"""Whether the data of a config fits its network and its settings, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.augmentation import Augmentation, augmented_to
from arignote.data.per_row import groups_of, weights_of
from arignote.data.preprocess import Pipeline
from arignote.data.readers.columns import Names
from arignote.data.readers.sources import open_labels, open_source
from arignote.data.rows import Rows, check_missing, rows_of
from arignote.data.specs import DataSpec, Source
from arignote.data.targets import check_classes, encode_labels, find_classes, weights_of_classes
from arignote.errors import DataError, ErrorCollector, axes_hint
from arignote.layers.architecture import declare
from arignote.layers.base import Layer
from arignote.layers.shape import image_of
from arignote.spec.settings import FitSettings

__all__ = ["check_data"]


def check_data(data: DataSpec, layers: list[Layer], settings: FitSettings, base: Path) -> Iterator[str]:
    """Yield what each source holds, and what a first batch becomes; of features no more than that is read.

    Parameters
    ----------
    data : DataSpec
        Sources; fractions are passed over.
    layers : list of Layer
        As `parse` returns them.
    settings : FitSettings
        Preprocessing and augmentation are tried on the first batch.
    base : Path
        Folder of relative paths.

    Raises
    ------
    ConfigError, DataError
        Where something does not fit; with all faults that can be found, at the end.
    """
    axes = data.train.axes or settings.axes
    image = image_of(layers)
    collector = ErrorCollector()
    train: Rows | None = None
    labels: NDArray[Any] | None = None
    classes: NDArray[Any] | None = None
    with collector.collect():
        train, labels, told = _opened("train", data.train, data.train, axes, base, others=data.others())
        yield told
        if not settings.allow_nonfinite:
            check_missing(train.reader)
        train = train.as_images(image)
        classes = _classes(train, labels, layers, settings)
    for name, check in (("groups", groups_of), ("sample_weight", weights_of)):
        source = getattr(data, name)
        if source is not None:
            with collector.collect():
                reader = open_labels(source, base, data.train.csv)
                yield f"{name}: {reader.where} {reader.shape} {reader.dtype}"
                check(reader, reader.shape[0] if train is None else len(train))
    for name, part in (("valid", data.valid), ("test", data.test)):
        if isinstance(part, Source):
            with collector.collect():
                columns = () if train is None else train.reader.columns
                rows, theirs, told = _opened(name, part, data.train, part.axes or axes, base, columns=columns)
                yield told
                if not settings.allow_nonfinite:
                    check_missing(rows.reader)
                _check_part(name, rows.as_images(image), theirs, train, classes)
    if train is not None and labels is not None and classes is not None:
        with collector.collect():
            yield _first_batch(train, encode_labels(labels, classes, "train"), layers, settings, len(classes))
    collector.raise_all()


def _classes(train: Rows, labels: NDArray[Any], layers: list[Layer], settings: FitSettings) -> NDArray[Any]:
    """Return the classes of the training rows, checked against the output layer and the weights of classes."""
    n_classes = getattr(layers[-1], "n_classes", None)
    check_classes(labels, n_classes, train.labels_where)
    classes = find_classes(labels, n_classes)
    if isinstance(settings.class_weight, dict):
        weights_of_classes(settings.class_weight, classes)
    return classes


def _check_part(name: str, rows: Rows, labels: NDArray[Any], train: Rows | None, classes: NDArray[Any] | None) -> None:
    """Check that rows of validation or test are like those of training, where these could be read."""
    if train is not None and rows.n_in != train.n_in:
        raise DataError(
            f"{name}: an example of {rows.reader.where} has the shape {rows.n_in}, one of train {train.n_in}"
            + axes_hint(rows.n_in, train.n_in)
        )
    if classes is not None:
        encode_labels(labels, classes, name)


def _first_batch(train: Rows, y: NDArray[np.int64], layers: list[Layer], settings: FitSettings, n_classes: int) -> str:
    """Return what a first batch becomes, preprocessed and augmented."""
    first = train.take(np.arange(min(max(settings.batch_size, 2), len(train))))
    first = replace(first, lenient=settings.allow_nonfinite)
    if settings.preprocess:
        pipeline = Pipeline(settings.preprocess)
        first = replace(first, preprocess=partial(pipeline.apply, pipeline.fit(first.blocks)))
    architecture = declare(layers, first.n_in, n_classes)
    x = first.features(slice(0, len(first)))
    if settings.augmentation:
        x, _ = Augmentation(settings.augmentation, 0, n_classes)(x, y[: len(x)], 0, 0)
    if not architecture.takes(x.shape[1:]):
        raise augmented_to(x.shape[1:], first.n_in)
    return f"first batch: {len(x)} examples of {x.shape[1:]} {x.dtype} come to the network"


def _opened(
    name: str, source: Source, train: Source, axes: str | None, base: Path, **how: Any
) -> tuple[Rows, NDArray[Any], str]:
    """Return the rows of a source, their labels, and what is told of it; `how` goes to `open_source`."""
    features, labels = open_source(source, base, load=False, like=train, **how)
    rows = rows_of(features, labels, what=f"{name}: {features.where}", allow_nonfinite=True, axes=axes)
    assert rows.y is not None
    told = f"{name}: {features.where} {features.shape} {features.dtype}, labels {labels.where} {labels.dtype}"
    if features.columns:
        told += f"; columns {_shortened(features.columns)}"
    if features.origin is not None and features.origin.told:
        told += f"; {features.origin.told}"
    return rows, rows.y, told


def _shortened(columns: Names) -> str:
    """Return the names of columns: a range of positions, the first and the last where there are many."""
    if isinstance(columns[0], int) and list(columns) == list(range(columns[0], columns[0] + len(columns))):
        return f"{columns[0]}:{columns[0] + len(columns)}"
    words = list(map(str, columns))
    return ", ".join(words if len(words) <= 8 else [*words[:4], "...", *words[-2:]])
