"""The rows that a run trained on or held out, found again in its data by the code that `fit` uses."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from arignote.checkpoints.state import TrainingState
from arignote.data.fit_data import FitData, are_row_numbers
from arignote.data.prepared import prepare
from arignote.data.rows import Rows, rows_of
from arignote.errors import CheckpointError, DataError, warn
from arignote.fit.resume import differences
from arignote.spec.settings import FitSettings

__all__ = ["PARTS", "n_training_rows", "rows_of_part", "warn_of_training_rows"]

PARTS = ("train", "valid", "test")


def rows_of_part(state: TrainingState, given: FitData, part: str) -> Rows:
    """Return the rows of a part of a run; they are compared with the fingerprint that the run has kept.

    Parameters
    ----------
    state : TrainingState
        Of the run.
    given : FitData
        The data as it was given to `fit`, with what the layers of the run say of it (`with_layers`). Fractions are
        those of the state; `valid` and `test` matter where they are data of their own or row numbers, which the state
        does not hold, or where the file is of an earlier version and does not say what was held out. Of a part that
        had data of its own, `x` and `y` may be that data.
    part : "train", "valid" or "test"

    Raises
    ------
    DataError
        Where the run has no such part, where it cannot be found again, or where the data is not that of the run.
    """
    if part not in PARTS:
        raise DataError(f"part must be train, valid or test; got {part!r}")
    if part not in state.data:
        there = ", ".join(name for name in PARTS if name in state.data) or "none: its file is of 2015"
        raise DataError(f"this run has no {part} rows; the parts of its data: {there}")
    if not isinstance(state.data[part], dict):
        raise CheckpointError(f"data.{part} of the run must be a fingerprint; got {state.data[part]!r:.100}")
    split = _split(state)
    settings = _settings(state)
    if split is not None and split.get(part) == "data":
        own = getattr(given, part)
        x, y = (given.x, given.y) if own is None else (own, None)
        found = rows_of(
            x,
            y,
            what=part,
            allow_nonfinite=settings.allow_nonfinite,
            axes=settings.axes,
            channel=given.channel,
            csv=given.csv,
            columns=tuple(state.data.get("feature_names") or state.data.get("columns") or ()),
        ).as_images(given.image)
    else:
        prepared = prepare(
            given if split is None else _as_split(split, given, part), settings, state.rng, {}, state.class_labels
        )
        if part not in prepared.parts:
            raise DataError(f"this run does not record what it held out: give {part} as it was given to fit")
        found = prepared.parts[part][0]
    differing = differences(state.data[part], found.fingerprint())
    if differing:
        listed = "\n  ".join(differing)
        raise DataError(f"these are not the {part} rows of the run; give the data that fit was given:\n  {listed}")
    return found


def n_training_rows(state: TrainingState, rows: Rows, given: FitData) -> int:
    """Return how many rows of some data the run was trained on, if it is the data that `fit` was given; else 0.

    Parameters
    ----------
    state : TrainingState
        Of the run.
    rows : Rows
        All rows of the data.
    given : FitData
        The same data, with groups if there were.
    """
    split = _split(state)
    if split is None or "train" not in state.data:
        return 0
    within = ["train", *(name for name in ("valid", "test") if split.get(name, "data") != "data")]
    try:
        shapes = [state.data[name]["features"]["shape"] for name in within]
        # Most other data has another number of rows, which costs nothing to see.
        if len(rows) != sum(shape[0] for shape in shapes) or prod(rows.reader.shape[1:]) != prod(shapes[0][1:]):
            return 0
    except (KeyError, TypeError, IndexError):
        raise CheckpointError("data of the run must say the shape of the features of each part") from None
    try:
        return len(rows_of_part(state, given, "train"))
    except DataError:
        return 0


def warn_of_training_rows(state: TrainingState, rows: Rows, given: FitData, all_too: bool) -> None:
    """Warn where a run was trained on rows that are to be scored; see `n_training_rows`.

    Parameters
    ----------
    state, rows, given
        As of `n_training_rows`.
    all_too : bool
        Whether to warn where all of them are training rows, too.
    """
    n_known = n_training_rows(state, rows, given)
    if not n_known or (n_known == len(rows) and not all_too):
        return
    held_out = [part for part in ("valid", "test") if part in state.data]
    hint = "hold rows out with valid and test of fit"
    if held_out:
        hint = f"part={held_out[-1]!r} (--part {held_out[-1]}) scores rows that it was not trained on"
    warn(
        f"this run was trained on {n_known:,} of these {len(rows):,} rows: the scores are not those of new data; {hint}"
    )


def _split(state: TrainingState) -> dict[str, Any] | None:
    """Return how the parts were given; None of a file of an earlier version."""
    split = state.data.get("split")
    if split is None:
        return None
    good = isinstance(split, dict) and all(
        value in ("rows", "data") or (isinstance(value, float) and 0 < value < 1)
        for name, value in split.items()
        if name in PARTS
    )
    if not good:
        raise CheckpointError(f"data.split of the run must say what was held out; got {split!r:.100}")
    return dict(split)


def _as_split(split: dict[str, Any], given: FitData, part: str) -> FitData:
    """Return the data with what was held out of it, by fractions or row numbers."""
    rows = {name: getattr(given, name) for name in ("valid", "test") if split.get(name) == "rows"}
    for name, numbers in rows.items():
        if not are_row_numbers(numbers):
            raise DataError(
                f"{name} was given to fit as row numbers, which a run does not keep. Without part, pass the {part} "
                f"rows themselves: evaluate(X[rows], y[rows]). Or give the row numbers of {name} again: "
                f"set_params({name}=rows), then evaluate(X, y, part={part!r})"
            )
    if split.get("groups") and given.groups is None:
        raise DataError("fit was given groups, which stayed together: give groups too")
    # Data of its own takes no row from the others. A fraction of 0 holds against that of a DataWithHoldoutPartitions.
    fractions = {name: 0.0 if split.get(name) in (None, "data") else split[name] for name in ("valid", "test")}
    held_out = fractions | rows
    return replace(given, valid=held_out["valid"], test=held_out["test"])


def _settings(state: TrainingState) -> FitSettings:
    """Return the settings on which the rows depend."""
    stored = state.spec["fit"]
    return FitSettings(**{name: stored[name] for name in ("partition", "allow_nonfinite", "axes") if name in stored})
