"""Losses, metrics and the table by class of a fitted network, from one pass over the rows."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Data, columns_in_order
from arignote.data.prepare.fit_data import FitData
from arignote.data.prepare.prepared import recorded_columns
from arignote.data.prepare.split import present_rows
from arignote.data.readers.sources import get_reader, is_text_source
from arignote.data.rows.selection import Rows
from arignote.data.targets import counted
from arignote.engine.predict import Scorer
from arignote.errors import ConfigError, DataError
from arignote.estimators.named_losses import NamedLosses
from arignote.estimators.predictor import Predictor
from arignote.estimators.scored import Scored
from arignote.fit.config_data import with_layers
from arignote.fit.review.held_out import rows_of_subset, warn_of_training_rows
from arignote.fit.validations.subset_scores import in_order

__all__ = ["score"]


def score(
    predictor: Predictor,
    data: FitData,
    losses: Any = None,
    *,
    subset: str | None = None,
    by_class: bool = False,
) -> Scored:
    """Compute losses and metrics in one pass over the rows.

    Parameters
    ----------
    predictor : Predictor
    data : FitData
        Data with targets; with `subset`, as it was given to `fit`.
    losses : str, [Name, {params}], list of these or dict of str to these, optional
        Losses and metrics of the main output, or by the names of output layers; by default the losses of a
        validation that suit the targets.
    subset : "train", "valid" or "test", optional
        Score only these rows of the run.
    by_class : bool
        Whether the predictions of classes are kept, for a confusion matrix.

    Warns
    -----
    ArignoteWarning
        As in `NNClassifier.evaluate`.
    """
    targets, main = predictor.targets, predictor.targets.main
    # Steps of sequences are scored as rows.
    target, target_state = targets.of_main.of_step, targets.of_main.state_of_step(predictor.state.targets[main])
    has_classes = target.labels_per_row == "one"
    if by_class and not has_classes:
        raise ConfigError(f"a table by class needs one class per row; this network fits {target.named()}")
    network = predictor.network
    named = NamedLosses(targets, predictor.state.targets, network.architecture.n_outputs)
    named.add(losses)
    rows, y = _with_targets(predictor, data, subset)
    kept: list[NDArray[np.int64]] = []
    scorer = Scorer(network, named.losses)
    # The random streams of `Predictor.blocks`, for layers of a user that draw: scores are those of the predictions.
    with predictor.as_validated(), closing(in_order(network, rows, y, y_from_x=targets.from_input)) as batches:
        # Classes take less memory than their probabilities.
        keep = (lambda block: kept.append(block[main].argmax(axis=-1))) if by_class else None
        values = scorer(batches, seed=predictor.state.rng, purpose="predict", keep=keep)
    predicted = np.concatenate(kept) if kept else np.empty(0, np.int64)
    y = None if y is None else targets.values(y, main)
    if y is not None and targets.of_main is not target:
        counts = counted(y)
        y, predicted = y[counts], predicted[counts] if by_class else predicted
    classes = target.classes(target_state) if has_classes else np.empty(0)
    values = {name: values[name] for name in named.names}
    return Scored(values, classes, y if y is not None else np.empty(0), predicted)


def _with_targets(predictor: Predictor, data: FitData, subset: str | None) -> tuple[Rows, NDArray[Any] | None]:
    """Return the rows to score, prepared as the training rows were, and their encoded targets."""
    layers, n_in = predictor.network.architecture.layers, predictor.network.architecture.n_in
    if subset is None:
        whole = predictor.rows(data.x, data.y, data.csv)
        rows = present_rows(whole, predictor.targets)
        if whole.y is not None and whole.index is None:
            # The axes are those of the settings, or of the `Data`.
            axes = data.x.axes if isinstance(data.x, Data) else None
            same = replace(data, x=Data(whole.reader, whole.y, axes=axes), y=None)
            # An array of training rows alone is scored on purpose; a file may hold them by mistake.
            warn_if_all = isinstance(data.x, str | Path | Data)
            same = with_layers(same, layers, predictor.settings, n_in)
            warn_of_training_rows(predictor.state, rows, same, warn_if_all=warn_if_all)
    else:
        known = recorded_columns(predictor.state.data)
        x = columns_in_order(data.x, known, "X") if isinstance(known, tuple) else data.x
        csv = predictor.text_format(data.csv)
        data = with_layers(data, layers, predictor.settings, n_in)
        data = replace(data, x=x, csv=csv, groups=_opened(data.groups, csv))
        rows = predictor.as_trained(rows_of_subset(predictor.state, data, subset))
    if predictor.targets.from_input:
        return rows, None
    if rows.y is None:
        raise DataError("labels are needed: give X and y")
    return rows, predictor.targets.encode(rows.y, predictor.state.targets, subset or rows.labels_where)


def _opened(groups: Any, csv: Any) -> Any:
    """Return groups; if they are named as a column of a text table, its reader, which has the format of the run."""
    if isinstance(groups, str | os.PathLike) and csv and is_text_source(os.fspath(groups)):
        return get_reader(groups, labels=True, csv=csv)
    return groups
