"""From the features that a user passes to a reader for each channel that the network takes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import columns_in_order, feature_names
from arignote.data.inputs import Input, channels_of
from arignote.data.readers.base import ArrayReader, Reader
from arignote.data.readers.datasets import features_and_labels, is_dataset
from arignote.data.readers.joined import JoinedReader
from arignote.data.readers.mixed import mixed_table
from arignote.data.readers.sequences import PaddedReader, RaggedReader, lengths_from_offsets, ragged
from arignote.data.readers.sources import LABELS, get_reader, is_source, is_text_source, with_columns
from arignote.data.readers.sparse import SparseReader, is_sparse
from arignote.data.specs import CSVFormat
from arignote.data.values.columns import Mixed, Names
from arignote.data.values.fields import ALONE
from arignote.data.values.frames import check_kinds, is_table, numbers_of_table
from arignote.data.values.missing_values import first_not_finite
from arignote.errors import DataError, DataTypeError, nearest, warn

__all__ = ["channels_and_labels", "format_of", "open_channels", "with_sequences"]

Array = NDArray[Any]


def channels_and_labels(x: Any, y: Any, inputs: Sequence[Input], what: str) -> tuple[dict[str, Any], Any]:
    """Return the channels that the network takes, and the labels that come with them unless `y` has others.

    Parameters
    ----------
    x, y : object
        See `rows_of`.
    inputs : sequence of Input
    what : str
        Name of the data in errors.

    Returns
    -------
    channels : dict of str to object
        The only one is that of the name `ALONE`.
    y : object

    Raises
    ------
    DataError
        If a channel is missing, or one is given that no input layer takes.
    """
    wanted = channels_of(inputs)
    if isinstance(x, JoinedReader):
        # Rows that were opened before: lengths and masks are made of the sources again.
        x = x.sources.get(ALONE, x.sources)
    # A sparse matrix by keys is a mapping from places to values, not from names to channels.
    if isinstance(x, Mapping) and not hasattr(x, "toarray"):
        x, y = _channels(x, y, wanted, what)
    elif len(wanted) > 1:
        raise DataError(f"{what} must be a dict with the channels {_listed(wanted)}; got {type(x).__name__}")
    else:
        x = {ALONE: x}
    for name, one in x.items():
        if one is None:
            raise DataError(f"{what} must be data: an array (rows, ...), a reader, a dataset or a source; got None")
        if is_dataset(one):
            x[name], labels = features_and_labels(one)
            y = labels if y is None else y
    return x, y


def _listed(channels: Sequence[str | None]) -> str:
    return ", ".join(map(repr, channels))


def open_channels(
    x: Mapping[str, Any],
    inputs: Sequence[Input],
    what: str,
    columns: Names | Mapping[str, Names],
    others: Mapping[str, Any],
    csv: Mapping[str, Any] | CSVFormat | None,
    mixed: Mapping[str, Mixed] = MappingProxyType({}),
) -> dict[str, Reader]:
    """Return the reader of each channel, whose values are not checked.

    Parameters
    ----------
    x : dict of str to object
        As `channels_and_labels` returns them.
    inputs, what, columns, others, csv
        See `rows_of`.
    mixed : dict of str to bool or tuple, optional
        Which columns of a channel may be text; see `get_reader`.
    """
    # With lengths: true, data in memory is a list of arrays that differ in length.
    n_steps = {ALONE if ALONE in x else one.channel: one.n_steps for one in inputs if one.lengths is True}
    readers: dict[str, Reader] = {}
    for name, features in x.items():
        if name in n_steps and not is_source(features):
            readers[name] = ragged(features, what, n_steps[name])
            continue
        known = columns.get(name, ()) if isinstance(columns, Mapping) else columns
        # Columns of another channel are not features of this one.
        beside = {f"channel {k!r}": v for k, v in x.items() if k != name and is_source(v)} | dict(others)
        features = columns_in_order(features, known, what)
        readers[name] = _open_features(features, what, known, beside, csv, mixed.get(name, False))
    return readers


def with_sequences(opened: Mapping[str, Reader], inputs: Sequence[Input], what: str) -> dict[str, Reader]:
    """Return the reader of each field of a batch: inputs, padded if they are sequences, then their lengths or masks.

    Parameters
    ----------
    opened : dict of str to Reader
        By channel.
    inputs : sequence of Input
    what : str
        Name of the data in errors.

    Raises
    ------
    DataError
        If lengths, offsets or a mask do not fit their sequences.
    """
    fields: dict[str, Reader] = {}
    steps: dict[str, Reader] = {}
    for declared in inputs:
        reader = opened[ALONE] if ALONE in opened else opened[str(declared.channel)]
        called = what if len(inputs) == 1 else f"{what}[{declared.channel!r}]"
        if declared.steps is not None:
            reader, counted = _padded(reader, opened, declared, called)
            steps[declared.steps] = ArrayReader(counted)
        fields[declared.field] = reader
    return {ALONE: reader} if len(fields) == 1 and not steps else fields | steps


def _padded(reader: Reader, opened: Mapping[str, Reader], declared: Input, what: str) -> tuple[Reader, Array]:
    """Return the padded sequences of an input, and their lengths or mask."""
    if declared.offsets is not None:
        offsets = _whole_numbers(opened[declared.offsets], f"the offsets of {what}")
        lengths = lengths_from_offsets(offsets, len(reader), what)
        return RaggedReader(reader, lengths, what, declared.n_steps), lengths
    if declared.mask is not None:
        mask = opened[declared.mask]
        values = mask.read(slice(0, len(mask)))
        # NaN would count as a step, as it is not 0.
        row = first_not_finite(values) if values.dtype.kind == "f" else None
        if row is not None:
            raise DataError(f"the mask of {what} must be finite numbers; row {row} is not")
        is_counted = values != 0
        if is_counted.ndim != 2:
            raise DataError(f"the mask of {what} must have the shape (rows, steps); got {is_counted.shape}")
        return PaddedReader(reader, is_counted, what), is_counted
    if isinstance(declared.lengths, str):
        lengths = _whole_numbers(opened[declared.lengths], f"the lengths of {what}")
        # As many rows as all sequences have steps: they lie one behind the other.
        if len(lengths) != len(reader) and lengths.sum() == len(reader):
            return RaggedReader(reader, lengths, what, declared.n_steps), lengths
        return PaddedReader(reader, lengths, what), lengths
    if isinstance(reader, RaggedReader):
        return reader, reader.lengths
    if len(reader.shape) < 2:
        raise DataError(f"{what} must be sequences (rows, steps, ...); got {reader.shape}")
    lengths = np.full(len(reader), reader.shape[1], dtype=np.int64)
    return PaddedReader(reader, lengths, what), lengths


def _whole_numbers(reader: Reader, what: str) -> NDArray[np.int64]:
    """Return all rows of a reader, one whole number each."""
    values = reader.read(slice(0, len(reader)))
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1 or values.dtype.kind not in "iuf" or (values != np.round(values)).any():
        raise DataError(f"{what} must be whole numbers (rows,); got {values.dtype} of the shape {values.shape}")
    return values.astype(np.int64)


def _open_features(
    x: Any,
    what: str,
    columns: Names,
    others: Mapping[str, Any],
    csv: Mapping[str, Any] | CSVFormat | None,
    mixed: Mixed,
) -> Reader:
    """Return the reader of features: a source, a reader, or numbers in memory, sparse ones too; see `rows_of`."""
    if isinstance(x, str | os.PathLike):
        return get_reader(x, like=columns, others=others, csv=format_of(x, csv), mixed=mixed)
    if hasattr(x, "iter_epoch"):
        return with_columns(get_reader(x), columns, others, mixed)
    if is_sparse(x):
        return SparseReader(x, what)
    names = feature_names(x)
    if mixed is not False:
        # An array has no names: its columns are those of the training rows.
        places = None if mixed is True else _places(mixed, names or columns)
        if (table := mixed_table(x, names, what, places)) is not None:
            return table
    reader = ArrayReader(_numbers(x, what))
    reader.columns = tuple(names)
    return reader


def _places(text: Sequence[str | int], columns: Sequence[str | int]) -> list[int]:
    """Return the positions of columns of text among all, which are positions already if these are not known."""
    if not columns:
        return [int(place) for place in text]
    return [at for at, column in enumerate(columns) if column in text]


def format_of(src: Any, csv: Mapping[str, Any] | CSVFormat | None) -> Mapping[str, Any] | CSVFormat | None:
    """Return the format of text tables if the source is one, else None."""
    return csv if csv and isinstance(src, str | os.PathLike) and is_text_source(os.fspath(src)) else None


def _channels(x: Mapping[str, Any], y: Any, wanted: Sequence[str | None], what: str) -> tuple[dict[str, Any], Any]:
    """Return the channels that are wanted, and the labels if they are among the channels."""
    labels = [name for name in x if name.lower() in LABELS and name not in wanted]
    others = [name for name in x if name not in labels]
    if not others:
        raise DataError(f"{what} has no channel of features, only {', '.join(labels) or 'an empty dict'}")
    y = x[labels[0]] if y is None and labels else y
    if len(wanted) > 1:
        missing, unknown = ([name for name in a if name not in b] for a, b in ((wanted, others), (others, wanted)))
        if missing or unknown:
            near = nearest(str(unknown[0]), map(str, missing)) if unknown else None
            wrong = [f"{missing[0]!r} is missing"] if missing else []
            wrong += [f"no input layer takes {unknown[0]!r}"] if unknown else []
            raise DataError(
                f"{what} must have the channels {_listed(wanted)}, as the input layers name them; "
                f"{', and '.join(wrong)}{f'. Did you mean {near!r}?' if near else ''}"
            )
        return {str(name): x[str(name)] for name in wanted}, y
    channel = others[0] if wanted[0] is None and len(others) == 1 else wanted[0]
    if channel is None or channel not in x:
        proposed = nearest(str(channel), others) or others[0]
        raise DataError(
            f"{what} has the channels {', '.join(others)}; name one of them in the input layer, as in "
            f'["InputLayer", {{"channel": {proposed!r}}}]; got {channel!r}'
        )
    if unknown := [name for name in others if name != channel]:
        warn(f"no input layer takes {unknown[0]!r} of {what}: only {channel!r} is used")
    return {ALONE: x[channel]}, y


def _numbers(x: Any, what: str) -> Array:
    """Return features as an array of numbers, NaN for masked values."""
    try:
        # float64, as integers have no NaN.
        array = np.asarray(x.astype(np.float64).filled(np.nan) if np.ma.is_masked(x) else x)
    except ValueError:
        raise DataError(
            f"{what} must be an array of numbers (rows, ...); its rows differ in shape. If they are sequences of "
            'different lengths, begin with ["InputLayer", {"lengths": true}]'
        ) from None
    if array.dtype == object:
        if is_table(x):
            check_kinds(x, what)
        try:
            array = numbers_of_table(x) if is_table(x) else array.astype(np.float64)
        except (TypeError, ValueError) as error:
            # scikit-learn expects a TypeError for a dict among the numbers (check_dtype_object).
            kind = DataTypeError if isinstance(error, TypeError) else DataError
            hint = '. Columns of text are encoded by preprocess [["OneHot"]]' if array.ndim == 2 else ""
            raise kind(f"{what} must be numbers; got objects ({error}){hint}") from None
    return array
