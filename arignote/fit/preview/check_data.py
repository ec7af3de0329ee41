"""Whether the data of a config fits its network and its settings, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from arignote.data.epoch.augmentation import Augmenter, augmented_to
from arignote.data.inputs import Input
from arignote.data.prepare.fit_data import padded_as
from arignote.data.prepare.groups_and_weights import groups_of, weights_of
from arignote.data.readers.base import text_columns
from arignote.data.readers.windows import Windows
from arignote.data.rows.open_rows import rows_of
from arignote.data.rows.row_preprocessing import fit_preprocessing, pipelines_of, preprocessed
from arignote.data.rows.selection import Rows
from arignote.data.specs import Source, labels_by_role
from arignote.data.targets import Targets, TargetState, weights_of_classes
from arignote.data.values.columns import Names
from arignote.data.values.missing_values import check_missing
from arignote.errors import DataError, ErrorCollector, axes_hint
from arignote.fit.config_data import ConfigSources
from arignote.layers.architecture import declare
from arignote.layers.base import Layer
from arignote.layers.layer_list import parse
from arignote.spec.inputs import inputs_of
from arignote.spec.objective import Objective, objective_of
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings

__all__ = ["check_data"]


def check_data(spec: RunSpec) -> Iterator[str]:
    """Open the sources of a config; yield a line for each, and one for a first batch.

    Labels, groups and weights are read whole; of features only their shape and a first batch.

    Parameters
    ----------
    spec : RunSpec
        With data; preprocessing and augmentation are tried on the first batch.

    Raises
    ------
    ConfigError, DataError
        If something does not fit; at the end, with everything that could be found.
    """
    assert spec.data is not None
    layers, settings = parse(spec.layers, spec.layer_defaults), FitSettings(**spec.fit)
    objective = objective_of(layers, settings)
    targets = objective.targets
    has_labels = not targets.from_input
    sources = ConfigSources(spec.data, load=False, has_labels=has_labels, preprocess=settings.preprocess)
    axes, inputs = spec.data.train.axes or settings.axes, inputs_of(layers)
    collector = ErrorCollector()
    train: Rows | None = None
    target_states: dict[str, TargetState] | None = None
    with collector.collect():
        features, labels = sources.train()
        rows = _rows("train", features, labels, axes, targets, inputs, settings)
        yield _description("train", features, labels)
        train = _checked_values(rows, settings)
        target_states = _learned(train, objective, settings)
        inputs = padded_as(train, inputs)
    yield from _check_per_row(sources, train, settings.windows, collector)
    for name, source in (("valid", spec.data.valid), ("test", spec.data.test)):
        if isinstance(source, Source):
            with collector.collect():
                held_out = sources.held_out(source, None if train is None else features)
                rows = _rows(name, held_out.features, held_out.labels, held_out.axes or axes, targets, inputs, settings)
                yield _description(name, held_out.features, held_out.labels)
                _check_subset(name, _checked_values(rows, settings), train, targets, target_states)
    if train is not None and target_states is not None:
        with collector.collect(), spec.naming_lines():
            yield from _first_batch(train, layers, settings, targets, target_states, spec.stored_network)
    collector.raise_all()


def _rows(
    name: str, features: Any, labels: Any, axes: Any, targets: Targets, inputs: Sequence[Input], settings: FitSettings
) -> Rows:
    where = name if isinstance(features, Mapping) else f"{name}: {features.where}"
    return rows_of(
        features,
        labels,
        what=where,
        allow_nonfinite=True,
        axes=axes,
        targets=targets,
        inputs=inputs,
        windows=settings.windows,
        preprocess=settings.preprocess,
    )


def _checked_values(rows: Rows, settings: FitSettings) -> Rows:
    """Return the rows; DataError if a table has missing values that the settings do not allow."""
    if not settings.allow_nonfinite:
        for name, conversion in rows.conversions.items():
            check_missing(rows.readers[name], conversion.may_miss)
    return rows


def _check_per_row(
    sources: ConfigSources, train: Rows | None, windows: Windows | None, collector: ErrorCollector
) -> Iterator[str]:
    """Check groups and weights; yield a line for each."""
    for name, check in (("groups", groups_of), ("sample_weight", weights_of)):
        with collector.collect():
            reader = sources.per_row(name)  # type: ignore[arg-type]
            if reader is not None:
                yield f"{name}: {reader.where} {reader.shape} {reader.dtype}"
                n_values = reader.shape[0]
                n_rows = n_values if windows is None else len(windows.starts(n_values))
                check(reader, n_rows if train is None else len(train), windows)


def _learned(train: Rows, objective: Objective, settings: FitSettings) -> dict[str, TargetState]:
    """Return what the target learns of the training rows, checked against the losses and the weights of classes."""
    targets = objective.targets
    y = train.features(slice(0, 1)) if targets.from_input else train.y
    assert y is not None
    target_states = targets.learn(y, None, train.labels_where, None)
    objective.check(targets.sizes(target_states))
    if isinstance(settings.class_weight, dict):
        weights_of_classes(settings.class_weight, targets.of_main.classes(target_states[targets.main]))
    return target_states


def _check_subset(
    name: str, rows: Rows, train: Rows | None, targets: Targets, target_states: dict[str, TargetState] | None
) -> None:
    """Check that rows of validation or test are like those of training, if these could be read."""
    if train is not None and rows.n_in != train.n_in:
        raise DataError(
            f"{name}: an example of {rows.reader.where} has the shape {rows.n_in}, one of train {train.n_in}"
            + axes_hint(rows.n_in, train.n_in)
        )
    if target_states is not None and rows.y is not None:
        targets.encode(rows.y, target_states, name)


def _first_batch(
    train: Rows,
    layers: list[Layer],
    settings: FitSettings,
    targets: Targets,
    target_states: dict[str, TargetState],
    stored_network: str | None,
) -> Iterator[str]:
    """Yield a line on the first batch, preprocessed and augmented, and one on parameters that are loaded."""
    # A batch size of -1 means all rows, for which two stand here.
    first = train.take(np.arange(min(max(settings.batch_size, 2), len(train))))
    first = replace(first, lenient=settings.allow_nonfinite)
    # The values of a column, which make the shape, are those of all rows.
    of_tables = any(one.takes_tables for one in pipelines_of(train.conversions, settings.preprocess).values())
    learned = fit_preprocessing(train if of_tables else first, settings.preprocess)
    first = preprocessed(first, settings.preprocess, learned)
    architecture = declare(layers, first.n_in, targets.sizes(target_states))
    x = first.features(slice(0, len(first)))
    y = targets.encode(x if train.y is None else train.y, target_states, "train")
    if settings.augmentation:
        x, _ = Augmenter(settings.augmentation, 0, targets, target_states)(x, y[: len(x)], 0, 0)
    shape = first.example_shape(x)
    if not architecture.takes(shape):
        raise augmented_to(shape, first.n_in)
    yield f"first batch: {len(x)} examples of {shape} float32 come to the network"
    if stored_network is None and not any(getattr(layer, "load_params", None) for layer in layers):
        return
    # Only now: importing the engine takes a second.
    from arignote.fit.stored.transfer import StoredNetwork, parameters_of

    loaded = parameters_of(architecture, StoredNetwork.at(stored_network))
    if loaded:
        yield f"stored_network: {', '.join(loaded)} are loaded from {stored_network}"


def _description(name: str, features: Any, labels: Any) -> str:
    """Return a line on a source: its files, shapes, columns and format."""
    channels = features if isinstance(features, Mapping) else {"": features}
    text = f"{name}: " + ", ".join(
        f"{f'{channel}: ' if channel else ''}{one.where} {one.shape} {one.dtype}" for channel, one in channels.items()
    )
    for role, one in ({} if labels is None else labels_by_role("labels", labels)).items():
        text += f", {role} {one.where} {one.dtype}"
    for one in channels.values():
        if one.columns:
            text += f"; columns {_shortened(one.columns)}"
        if one.text:
            text += f"; text in {_shortened(text_columns(one))}"
        if one.origin is not None and one.origin.dialect:
            text += f"; {one.origin.dialect}"
    return text


def _shortened(columns: Names) -> str:
    """Return the names of columns: positions in a row as a range, of more than 8 the first and the last ones."""
    if isinstance(columns[0], int) and list(columns) == list(range(columns[0], columns[0] + len(columns))):
        return f"{columns[0]}:{columns[0] + len(columns)}"
    words = list(map(str, columns))
    return ", ".join(words if len(words) <= 8 else [*words[:4], "...", *words[-2:]])
