"""The data of a fit, prepared: validated, split into subsets, targets encoded, preprocessing fitted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Data
from arignote.data.prepare.fit_data import FitData, OpenedData, open_data
from arignote.data.prepare.groups_and_weights import weights_of
from arignote.data.prepare.row_weights import RowWeights
from arignote.data.prepare.split import split_rows
from arignote.data.rows.row_preprocessing import check_categories, fit_preprocessing, preprocessed, warn_of_bytes
from arignote.data.rows.selection import Rows
from arignote.data.settings import DataSettings
from arignote.data.targets import Targets, TargetState
from arignote.data.values.columns import Names
from arignote.errors import DataError, warn

__all__ = ["SUBSETS", "Prepared", "prepare", "recorded_columns", "recorded_text", "rows_of_batch"]

SUBSETS = ("train", "valid", "test")


@dataclass(frozen=True)
class Prepared:
    """The data of a fit, ready to be cut into batches.

    Attributes
    ----------
    subsets : dict of str to (Rows, array (rows, ...) or None)
        Rows and encoded targets of "train", and of "valid" and "test" if the fit has them. There are no targets if
        they are made of the input.
    targets : Targets
    target_states : dict of str to dict
        What the target of each output has learned.
    batch_size : int
        Rows of a batch: the setting, or the number of training rows if that is smaller, or the setting is -1.
    drop_last : bool
        Whether a last, smaller batch is left out.
    weights : array (rows,) of float32, or None
        Weight of each training row in the loss; their mean is 1.
    all_weights : array (rows,) of float32, or None
        The same of the rows of all subsets, in the order of `subsets`; None if rows that are held out have none.
    scored_weights : dict of str to array (rows,) of float32
        Weight of each row of a subset in its losses; empty if all count equally.
    preprocess : dict of str to array
        Arrays that the preprocessing has learned; see `Pipeline.fit`.
    columns : tuple of str or of int, or dict of str to these
        As of `Rows`: those of a DataFrame or of a table in a file.
    text : tuple of str or of int, or dict of str to these
        As of `Rows`: columns of text.
    csv : dict
        Format of the text table, as far as the user has set it.
    digests : dict of int to str
        As of `OpenedData`; subsets that are rows of the same reader share its digest.
    """

    subsets: dict[str, tuple[Rows, NDArray[Any] | None]]
    targets: Targets
    target_states: dict[str, TargetState]
    batch_size: int
    drop_last: bool
    weights: NDArray[np.float32] | None = None
    all_weights: NDArray[np.float32] | None = None
    scored_weights: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    preprocess: dict[str, NDArray[Any]] = field(default_factory=dict)
    columns: Names | dict[str, Names] = ()
    text: Names | dict[str, Names] = ()
    csv: dict[str, Any] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)

    @property
    def n_batches(self) -> int:
        """Number of batches of an epoch."""
        n_rows = len(self.subsets["train"][0])
        return n_rows // self.batch_size if self.drop_last else -(-n_rows // self.batch_size)

    def fingerprint(self) -> dict[str, Any]:
        """Return the fingerprint of the data, which a resumed run compares.

        Returns
        -------
        dict of str to object
            The fingerprint of each subset (see `Rows.fingerprint`); the SHA-256 of `weights`; and "feature_names"
            (names of columns), "columns" (their positions) and "csv" if they are not empty.
        """
        entries: dict[str, Any] = {name: rows.fingerprint(self.digests) for name, (rows, _) in self.subsets.items()}
        if self.weights is not None:
            entries["weights"] = hashlib.sha256(self.weights.tobytes()).hexdigest()
        # The weights of "train" are `weights` up to a factor, whose digest is above.
        for name in self.scored_weights.keys() - {"train"}:
            entries[f"weights of {name}"] = hashlib.sha256(self.scored_weights[name].tobytes()).hexdigest()
        names, positions = (_of_type(self.columns, kind) for kind in (str, int))
        text = _plain_columns(self.text)
        named = {"feature_names": names, "columns": positions, "text": text, "csv": self.csv}
        return entries | {name: value for name, value in named.items() if value}


def _of_type(columns: Names | Mapping[str, Names], kind: type) -> Any:
    """Return the columns that are known by name (str), or by position (int), by channel if there are several."""
    if isinstance(columns, Mapping):
        return {channel: chosen for channel, own in columns.items() if (chosen := _of_type(own, kind))}
    return [column for column in columns if isinstance(column, kind)]


def _plain_columns(text: Names | Mapping[str, Names]) -> Any:
    """Return the columns of text as plain data, by channel if there are several."""
    return {name: list(own) for name, own in text.items() if own} if isinstance(text, Mapping) else list(text)


def recorded_text(fingerprint: Mapping[str, Any]) -> Names | dict[str, Names]:
    """Return the columns of text that a fingerprint records, as of `Rows`."""
    text = fingerprint.get("text") or []
    return {name: tuple(own) for name, own in text.items()} if isinstance(text, Mapping) else tuple(text)


def recorded_columns(fingerprint: Mapping[str, Any]) -> Names | dict[str, Names]:
    """Return the columns that a fingerprint records, as of `Rows`."""
    names, positions = fingerprint.get("feature_names") or [], fingerprint.get("columns") or []
    if isinstance(names, Mapping) or isinstance(positions, Mapping):
        return {channel: tuple(own) for channel, own in (dict(positions) | dict(names)).items()}
    return tuple(names or positions)


def prepare(
    data: FitData,
    settings: DataSettings,
    seed: int,
    learned: Mapping[str, NDArray[Any]] | None = None,
    stored_states: Mapping[str, TargetState] | None = None,
    opened: OpenedData | None = None,
    fixed_states: Mapping[str, TargetState] | None = None,
) -> Prepared:
    """Validate the data of a fit, split it, encode its targets and fit the preprocessing.

    Parameters
    ----------
    data : FitData
        Data as the user passed it.
    settings : DataSettings
        Settings of the fit. The `batch_size` of a `Data` is used unless the settings set one.
    seed : int
        Seed of the run.
    learned : dict of str to array, optional
        Arrays of the preprocessing of the run that is resumed; they are used instead of fitting it.
    stored_states : dict, optional
        What the targets of the run that is resumed have learned.
    opened : OpenedData, optional
        The data, if it has been opened with the same settings.
    fixed_states : dict, optional
        For one pass over the data: what targets of outputs have learned; they learn nothing of it.

    Returns
    -------
    Prepared

    Raises
    ------
    DataError
        If the data cannot be trained on; the message names the subset, and the row or the file.

    Warns
    -----
    ArignoteWarning
        For a new run: if `batch_size` exceeds the training rows, or if uint8 features are not preprocessed.
    """
    batch_size, drop_last = _batches_of(data.x, settings)
    opened, targets = opened or open_data(data, settings), data.targets
    split = split_rows(data, opened, settings, seed, stored_states)
    rows = split.rows
    target_states: dict[str, TargetState] = {}
    if not targets.from_input:
        train = split.present.get("train")
        target_states = targets.learn(split.y, train, rows["train"].labels_where, stored_states, fixed_states)
    encoded = {name: _encoded(targets, subset, target_states, name) for name, subset in rows.items()}
    rows, learned = _preprocessed(rows, settings, batch_size if fixed_states is None else 0, learned)
    if targets.from_input:  # only now: what the network reconstructs is preprocessed
        target_states = targets.learn(rows["train"].features(slice(0, 1)), None, "X", stored_states, fixed_states)
    subsets = {name: (rows[name], encoded[name]) for name in SUBSETS if name in rows}  # the order of `all_weights`
    given = None if data.sample_weight is None else weights_of(data.sample_weight, split.n_rows, settings.windows)
    weights = RowWeights(given, data, settings, encoded, target_states, split)
    readers = rows["train"].readers.values()
    return Prepared(
        subsets,
        targets,
        target_states,
        rows_of_batch(batch_size, len(rows["train"])),
        drop_last,
        weights.training(["train"]),
        weights.training(list(subsets)) if len(subsets) > 1 else None,
        weights.scored(),
        dict(learned) if settings.preprocess else {},
        rows["train"].columns,
        rows["train"].text,
        next((dict(one.origin.csv) for one in readers if one.origin is not None and one.origin.csv), {}),
        opened.digests,
    )


def rows_of_batch(batch_size: int, n_rows: int) -> int:
    """Return the number of rows of a batch of `n_rows` training rows: at most these, and all for a size of -1."""
    return n_rows if batch_size == -1 else min(batch_size, n_rows)


def _preprocessed(
    rows: Mapping[str, Rows], settings: DataSettings, batch_size: int, learned: Mapping[str, NDArray[Any]] | None
) -> tuple[dict[str, Rows], Mapping[str, NDArray[Any]]]:
    """Return the rows of each subset, preprocessed, and what was learned, in a new run from the training rows."""
    is_new, steps = learned is None, settings.preprocess
    if learned is None:
        _warn_of(rows["train"], settings, batch_size)
        learned = fit_preprocessing(rows["train"], steps)
    transformed = {name: preprocessed(subset, steps, learned) for name, subset in rows.items()}
    if is_new:
        check_categories(transformed, steps)
    return transformed, learned


def _warn_of(train: Rows, settings: DataSettings, batch_size: int) -> None:
    """Warn, when a run begins, of bytes that are not preprocessed and of a batch that is larger than the data."""
    warn_of_bytes(train, settings.preprocess)
    # It is 0 in a pass of partial_fit, which may have fewer rows than a batch.
    if batch_size > len(train):
        warn(f"batch_size {batch_size} is larger than the data ({len(train)} rows): used as one batch")


def _encoded(targets: Targets, rows: Rows, target_states: Mapping[str, TargetState], what: str) -> NDArray[Any] | None:
    if targets.from_input:
        return None
    assert rows.y is not None
    return targets.encode(rows.y, target_states, what)


def _batches_of(x: Any, settings: DataSettings) -> tuple[int, bool]:
    """Return batch_size and drop_last: those of the settings, else those of a `Data`."""
    if not isinstance(x, Data):
        return settings.batch_size, settings.drop_last
    batch_size = x.batch_size if "batch_size" not in settings.model_fields_set else None
    if batch_size is not None and not (isinstance(batch_size, int | np.integer) and batch_size >= 1):
        raise DataError(f"batch_size of Data must be an integer >= 1; got {batch_size!r}")
    return int(batch_size or settings.batch_size), settings.drop_last or not x.allow_partial_batch
