"""The subsets of a run as the page of the run shows them: their rows, predicted by the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.checkpoints.state import TrainingState
from arignote.data.prepare.fit_data import FitData
from arignote.data.prepare.prepared import SUBSETS
from arignote.data.rows.row_preprocessing import preprocessed
from arignote.data.rows.selection import Rows
from arignote.data.targets import Targets, counted
from arignote.data.values.fields import fields_of
from arignote.engine.network import Network
from arignote.engine.predict import Predictions, Scorer
from arignote.errors import ArignoteError, DataError
from arignote.fit.review.held_out import StoredSubsets
from arignote.fit.validations.subset_scores import in_order
from arignote.report.page.scored import ScoredRows
from arignote.spec.objective import Objective

__all__ = ["scored_rows", "subsets_of_run"]

Ids = Callable[[NDArray[np.int64]], list[str]]


def scored_rows(
    name: str,
    rows: Rows,
    y: NDArray[Any] | None,
    state: TrainingState,
    network: Network,
    objective: Objective,
    ids: Sequence[Any] | None = None,
    check_stop: Callable[[], None] = lambda: None,
) -> ScoredRows:
    """Return the rows of a subset, predicted by a network in one pass.

    Parameters
    ----------
    name : "train", "valid" or "test"
    rows : Rows
        Preprocessed as those that the network was trained on.
    y : array (rows, ...) or None
        Encoded targets; None if they are made of the input.
    state, network, objective
        Of the run.
    ids : sequence, optional
        Names of all rows of the data that these are part of; by default they are numbered from 0.
    check_stop : callable
        Called before each batch; it may raise, to stop.
    """
    targets, main = objective.targets, objective.main
    target, target_state = targets.of_main.of_step, targets.of_main.state_of_step(state.targets[main])
    losses, kept = _predicted(rows, y, state, network, objective, check_stop)
    ids_of = _ids_of(rows, ids)
    if not kept or y is None:
        return ScoredRows(name, losses, len(rows), ids_of)
    # There is a certainty of classes alone.
    predicted, *certainty = (np.concatenate(column) for column in zip(*kept, strict=True))
    encoded = targets.values(y, main)
    if targets.of_main is not target:
        # Of sequences each step that counts is a row.
        counts = counted(encoded)
        encoded, predicted, certainty = encoded[counts], predicted[counts], [one[counts] for one in certainty]
        ids_of = _ids_of_steps(ids_of, np.argwhere(counts))
    if certainty:
        pictures_of = _pictures_of(rows) if targets.of_main is target else None
        labels = target.classes(target_state)
        return ScoredRows(name, losses, len(rows), ids_of, pictures_of, labels, encoded, predicted, *certainty)
    numbers = (target.decode(values, target_state).reshape(len(values), -1) for values in (encoded, predicted))
    return ScoredRows(name, losses, len(rows), ids_of, None, None, *numbers)


def _predicted(
    rows: Rows,
    y: NDArray[Any] | None,
    state: TrainingState,
    network: Network,
    objective: Objective,
    check_stop: Callable[[], None],
) -> tuple[dict[str, float], list[tuple[NDArray[Any], ...]]]:
    """Return the losses of rows, and of each batch the predicted classes with their probabilities, or the numbers."""
    target, main, kept = objective.targets.of_main.of_step, objective.main, list[tuple[NDArray[Any], ...]]()
    is_of_classes = target.labels_per_row == "one"

    def keep(block: Predictions) -> None:
        predicted = block[main]
        # Classes take less memory than their probabilities.
        kept.append((predicted.argmax(axis=-1), predicted.max(axis=-1)) if is_of_classes else (predicted,))

    losses = objective.reported(objective.valid_loss, state.targets)
    with closing(in_order(network, rows, y, y_from_x=objective.targets.from_input)) as batches:
        keeps = is_of_classes or target.named() == "numbers"
        options: dict[str, Any] = {"seed": state.rng, "purpose": "predict", "keep": keep if keeps else None}
        values = Scorer(network, losses)(batches, check_stop, **options)
    return {one.name: values[one.name] for one in losses}, kept


def subsets_of_run(
    state: TrainingState, network: Network, objective: Objective, data: FitData, ids: Sequence[Any] | None = None
) -> tuple[list[ScoredRows], list[str]]:
    """Return the subsets of a run, of data as it was given to `fit`, and a message for each that cannot be found.

    Parameters
    ----------
    state, network, objective
        Of the run.
    data : FitData
        With what the layers of the run declare of it, as of `with_layers`.
    ids : sequence, optional
        Names of all rows of the data from which subsets were held out.
    """
    subsets, notes, stored = [], [], StoredSubsets(state, data)
    for subset in (subset for subset in SUBSETS if subset in state.data):
        try:
            rows = stored.rows(subset)
            rows = preprocessed(rows, state.spec["fit"].get("preprocess"), state.preprocess)
            y = None if objective.targets.from_input else _encoded(objective.targets, rows, state, subset)
            # A subset with data of its own has other rows.
            own = ids if state.data.get("split", {}).get(subset) != "data" else None
            subsets.append(scored_rows(subset, rows, y, state, network, objective, own))
        except ArignoteError as error:
            notes.append(f"the {subset} rows are left out: {error}")
    return subsets, notes


def _encoded(targets: Targets, rows: Rows, state: TrainingState, subset: str) -> NDArray[Any]:
    assert rows.y is not None
    return targets.encode(rows.y, state.targets, subset)


def _ids_of(rows: Rows, ids: Sequence[Any] | None) -> Ids:
    """Return what names rows, by default by their numbers in the data that they are part of."""

    # initial: of no rows there is no largest index, and ids for 0 rows are enough.
    n_rows = len(rows) if rows.index is None else int(rows.index.max(initial=-1)) + 1
    if ids is not None and len(ids) < n_rows:
        raise DataError(f"ids must name each row of the data; got {len(ids)} for {n_rows} or more")

    def named(at: NDArray[np.int64]) -> list[str]:
        numbers = (at if rows.index is None else rows.index[at]).tolist()
        return [str(number if ids is None else ids[number]) for number in numbers]

    return named


def _ids_of_steps(ids_of: Ids, places: NDArray[np.int64]) -> Ids:
    """Return what names steps of rows; `places` (n, 2) are the row and the step of each."""
    return lambda at: [
        f"{row}, step {step}" for row, step in zip(ids_of(places[at, 0]), places[at, 1].tolist(), strict=True)
    ]


def _pictures_of(rows: Rows) -> Callable[[NDArray[np.int64]], NDArray[Any]] | None:
    """Return what reads rows as images (n, channels, height, width), as they are stored; None if they are none."""

    def read(name: str, at: Any) -> NDArray[Any]:
        return rows.conversions[name].channels_first(fields_of(rows.raw(at))[name])

    for name, conversion in rows.conversions.items():
        is_image = conversion.steps is None and conversion.n_tokens is None and not conversion.text
        if is_image and read(name, slice(0, 1)).ndim == 4:
            return lambda at: read(name, at)
    return None
