"""The rows that a run trained on or held out, determined again from its data by the code that `fit` uses."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from arignote.checkpoints.state import TrainingState
from arignote.data.prepare.fit_data import FitData, chooses_rows
from arignote.data.prepare.prepared import SUBSETS, Prepared, prepare, recorded_columns, recorded_text
from arignote.data.prepare.split import present_rows
from arignote.data.rows.open_rows import rows_of
from arignote.data.rows.selection import Rows
from arignote.errors import CheckpointError, DataError, warn
from arignote.fit.changes import differences
from arignote.spec.settings import FitSettings

__all__ = ["StoredSubsets", "n_training_rows", "rows_of_subset", "settings_of_rows", "warn_of_training_rows"]

# What to do about scores of a network that was trained on all rows.
_BEFORE = 'which="best" (--which best) is the network before the final epochs'


def rows_of_subset(state: TrainingState, data: FitData, subset: str) -> Rows:
    """Return the rows of a subset of a run; they are compared with the fingerprint that the run stores.

    Parameters
    ----------
    state, data
        See `StoredSubsets`.
    subset : "train", "valid" or "test"
        Which rows.

    Raises
    ------
    DataError
        If the run has no such subset, if it cannot be determined, or if the data is not that of the run.

    Warns
    -----
    ArignoteWarning
        If rows that were held out are those that the final epochs of the run trained on.
    """
    return StoredSubsets(state, data).rows(subset)


class StoredSubsets:
    """The subsets of a run; data that was split into several is split and encoded once.

    Parameters
    ----------
    state : TrainingState
        State of the run.
    data : FitData
        The data as it was given to `fit`, with what the layers of the run declare of it (`with_layers`). Fractions are
        those of the state; `valid` and `test` matter if they are data of their own or row numbers, which the state
        does not hold, or if the file is of an earlier version and does not record what was held out. For a subset that
        had data of its own, `x` and `y` may be that data.
    """

    def __init__(self, state: TrainingState, data: FitData):
        self._state, self._data = state, data
        self._prepared: Prepared | None = None

    def rows(self, subset: str) -> Rows:
        """Return the rows of a subset, and warn, as `rows_of_subset` does."""
        state = self._state
        if subset not in SUBSETS:
            raise DataError(f"part must be train, valid or test; got {subset!r}")
        if subset not in state.data:
            subsets = ", ".join(name for name in SUBSETS if name in state.data) or "none: its file is of 2015"
            raise DataError(f"this run has no {subset} rows; the subsets of its data: {subsets}")
        if not isinstance(state.data[subset], dict):
            raise CheckpointError(f"data.{subset} of the run must be a fingerprint; got {state.data[subset]!r:.100}")
        rows = self._determined(subset)
        if differing := differences(state.data[subset], rows.fingerprint()):
            lines = "\n  ".join(differing)
            raise DataError(f"these are not the {subset} rows of the run; give the data that fit was given:\n  {lines}")
        if subset != "train" and state.ends_with_last:
            warn(
                f"the final epochs of this run trained on its {subset} rows: the scores are not those of new data; "
                f"{_BEFORE}"
            )
        return rows

    def _determined(self, subset: str) -> Rows:
        state, split = self._state, _split(self._state)
        if split is not None and split.get(subset) == "data":
            return _own_rows(state, self._data, subset)
        if self._prepared is None:
            data = self._data if split is None else _with_split(split, self._data, subset)
            self._prepared = prepare(data, settings_of_rows(state), state.rng, state.preprocess, state.targets)
        if subset not in self._prepared.subsets:
            raise DataError(f"this run does not record what it held out: give {subset} as it was given to fit")
        return self._prepared.subsets[subset][0]


def _own_rows(state: TrainingState, data: FitData, subset: str) -> Rows:
    """Return the rows of a subset that had data of its own."""
    settings, own = settings_of_rows(state), getattr(data, subset)
    # If only one source was given, it holds the rows of the subset.
    x, y = (data.x, data.y) if own is None else (own, None)
    rows = rows_of(
        x,
        y,
        what=subset,
        allow_nonfinite=settings.allow_nonfinite,
        axes=settings.axes,
        inputs=data.inputs,
        csv=data.csv,
        targets=data.targets,
        windows=settings.windows,
        columns=recorded_columns(state.data),
        preprocess=settings.preprocess,
        text=recorded_text(state.data),
    )
    return present_rows(rows, data.targets)


def n_training_rows(state: TrainingState, rows: Rows, data: FitData) -> int:
    """Return how many rows of some data the run was trained on, if it is the data that `fit` was given; else 0.

    Parameters
    ----------
    state : TrainingState
        State of the run.
    rows : Rows
        All rows of the data.
    data : FitData
        The same data, with groups if `fit` was given them.
    """
    split = _split(state)
    if split is None or "train" not in state.data:
        return 0
    within = ["train", *(name for name in ("valid", "test") if split.get(name, "data") != "data")]
    try:
        shapes = [state.data[name]["features"]["shape"] for name in within]
        # Most other data has another number of rows, which is compared without reading any.
        if len(rows) != sum(shape[0] for shape in shapes) or prod(rows.reader.shape[1:]) != prod(shapes[0][1:]):
            return 0
    except (KeyError, TypeError, IndexError):
        raise CheckpointError("data of the run must hold the shape of the features of each subset") from None
    try:
        n_training = len(rows_of_subset(state, data, "train"))
    # Other rows than those that the run stores a digest of: it was not trained on them.
    except DataError:
        return 0
    # Final epochs train on the rows that were held out, too.
    return len(rows) if state.ends_with_last else n_training


def warn_of_training_rows(state: TrainingState, rows: Rows, data: FitData, *, warn_if_all: bool) -> None:
    """Warn if a run was trained on rows that are to be scored; see `n_training_rows`.

    Parameters
    ----------
    state, rows, data
        See `n_training_rows`.
    warn_if_all : bool
        Whether to warn if all of the rows are training rows.
    """
    n_known = n_training_rows(state, rows, data)
    if not n_known or (n_known == len(rows) and not warn_if_all):
        return
    held_out = [subset for subset in ("valid", "test") if subset in state.data]
    hint = _BEFORE if state.ends_with_last else "hold rows out with valid and test of fit"
    if held_out and not state.ends_with_last:
        hint = f"part={held_out[-1]!r} (--part {held_out[-1]}) scores rows that it was not trained on"
    warn(
        f"this run was trained on {n_known:,} of these {len(rows):,} rows: the scores are not those of new data; {hint}"
    )


def _split(state: TrainingState) -> dict[str, Any] | None:
    """Return how each subset was held out; None for a file of an earlier version, which does not record it."""
    split = state.data.get("split")
    if split is None:
        return None
    is_valid = isinstance(split, dict) and all(
        value in ("rows", "data") or (isinstance(value, float) and 0 < value < 1)
        for name, value in split.items()
        if name in SUBSETS
    )
    if not is_valid:
        raise CheckpointError(f"data.split of the run must record what was held out; got {split!r:.100}")
    return dict(split)


def _with_split(split: dict[str, Any], data: FitData, subset: str) -> FitData:
    """Return the data with the fractions or row numbers that were held out of it."""
    rows = {name: getattr(data, name) for name in ("valid", "test") if split.get(name) == "rows"}
    for name, numbers in rows.items():
        if not chooses_rows(numbers):
            raise DataError(
                f"{name} was given to fit as row numbers or a splitter, which a run does not keep. Without part, pass "
                f"the {subset} rows themselves: evaluate(X[rows], y[rows]). Or give the same {name} again: "
                f"set_params({name}=rows), then evaluate(X, y, part={subset!r})"
            )
    if split.get("groups") and data.groups is None:
        raise DataError("fit was given groups, which stayed together: give groups too")
    # A subset with data of its own takes no row from the others. A fraction of 0, unlike None, replaces the fraction of
    # a DataWithHoldoutPartitions.
    fractions = {name: 0.0 if split.get(name) in (None, "data") else split[name] for name in ("valid", "test")}
    held_out = fractions | rows
    return replace(data, valid=held_out["valid"], test=held_out["test"])


def settings_of_rows(state: TrainingState) -> FitSettings:
    """Return the settings on which the rows depend."""
    stored = state.spec["fit"]
    names = ("partition", "allow_nonfinite", "axes", "scale_target", "missing_targets", "windows", "preprocess")
    # Files of earlier versions lack some, which have their defaults then.
    return FitSettings(**{name: stored[name] for name in names if name in stored})
