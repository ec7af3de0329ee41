"""From features and labels as a user passes them to validated rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Alter, Data, checked_alter, columns_in_order, feature_names
from arignote.data.fields import ALONE
from arignote.data.inputs import Conversion, Input, of_channel
from arignote.data.missing_values import check_missing, count_missing, first_not_finite, missing_error, not_finite_error
from arignote.data.readers.base import ArrayReader, Reader
from arignote.data.readers.columns import Names
from arignote.data.readers.datasets import features_and_labels, is_dataset
from arignote.data.readers.joined import JoinedReader
from arignote.data.readers.sources import LABELS, get_reader, is_source, is_text_source, read_source, with_columns
from arignote.data.rows import Rows
from arignote.data.specs import CSVFormat, labels_by_role
from arignote.data.targets import Classes, Targets
from arignote.errors import DataError

__all__ = ["rows_of"]

Array = NDArray[Any]
CLASSES = Targets({"output": Classes()}, "output")


def rows_of(
    x: Any,
    y: Any = None,
    *,
    what: str = "X",
    allow_nonfinite: bool = False,
    axes: str | Mapping[str, str] | None = None,
    inputs: Sequence[Input] = (Input(),),
    columns: Names | Mapping[str, Names] = (),
    others: Mapping[str, Any] | None = None,
    csv: Mapping[str, Any] | CSVFormat | None = None,
    targets: Targets | None = None,
) -> Rows:
    """Open and validate features and labels.

    Parameters
    ----------
    x : array, DataFrame, Reader, dataset, str, dict of these, (x, y) or Data
        Features; a string names a source, a dict holds channels by name.
    y : array, Reader or str, or dict of these, optional
        Labels; they are read into memory. Of several outputs a dict by their names.
    what : str
        Name of the data in errors.
    allow_nonfinite : bool
        Whether NaN and infinity are allowed.
    axes : str, or dict of str to str, optional
        Order of the axes of images, of all or by channel: "NCHW", "NHWC" or "NHW".
    inputs : sequence of Input
        What the network takes of the data. One input takes the channel that it names, and several take them all.
    columns : tuple of str or of int, or dict of str to these, optional
        Columns that the network was trained on, by name (by position in a table without header), by channel if there
        are several. They are selected from a DataFrame or a table of a file, in this order.
    others : dict of str to source, optional
        Other sources that the data names, by role: "labels", "groups" ... Their columns are not features.
    csv : dict or CSVFormat, optional
        Format of text tables; what is left out is detected.
    targets : Targets, optional
        What `y` must be; by default classes.

    Returns
    -------
    Rows

    Raises
    ------
    DataError
        If features are not finite numbers (rows, ...), or labels are missing or differ in number.
    """
    alter = alter_labels = window = None
    if isinstance(x, Data):
        window = slice(x.start, x.stop) if x.start or x.stop is not None else None
        y = x.labels if y is None else y
        alter = checked_alter(x.alter_features, "alter_features")
        alter_labels = checked_alter(x.alter_labels, "alter_labels")
        axes, x = x.axes or axes, x.features
    elif isinstance(x, tuple) and len(x) == 2 and y is None:
        x, y = x
    x, found = _channels_and_labels(x, y, inputs, what)
    # Labels that come with the features are not needed if these are the target.
    y = y if targets is not None and targets.from_input else found
    others = {role: one for role, one in labels_by_role("labels", y).items() if is_source(one)} | dict(others or {})
    readers = _open_channels(x, what, columns, others, csv, window)
    conversions = {}
    for (name, reader), declared in zip(readers.items(), inputs, strict=True):
        called = what if name == ALONE else f"{what}[{name!r}]"
        _check(reader, called, allow_nonfinite, least_axes=2 if name == ALONE else 1)
        if not allow_nonfinite and window is None:
            check_missing(reader)
        conversions[name] = _conversion(reader, declared, of_channel(axes, declared.channel), called)
    whole = readers[ALONE] if ALONE in readers else JoinedReader(readers, what)
    n_rows = len(whole) if window is None or whole.in_memory else len(range(*window.indices(len(whole))))
    rows = Rows(whole, what=what, conversions=conversions, lenient=allow_nonfinite, alter=alter, stamp=whole.stamp())
    if y is not None:
        rows = _with_labels(rows, y, n_rows, window, alter_labels, csv, targets or CLASSES)
    return rows if window is None or whole.in_memory else _windowed(rows, window)


def _conversion(reader: Reader, declared: Input, axes: str | None, what: str) -> Conversion:
    """Return the steps from the rows of a reader to an input of the network; DataError if the axes do not fit."""
    if axes is not None and len(reader.shape) != len(axes):
        raise DataError(f"{what} has the shape {reader.shape}; axes {axes!r} name {len(axes)} axes")
    conversion = Conversion(axes)
    if declared.image is not None and conversion.fits_image(declared.image, reader.shape[1:]):
        conversion = replace(conversion, image=declared.image)
    return conversion


def _windowed(rows: Rows, window: slice) -> Rows:
    """Return the rows of a reader inside of a window; DataError if there are none."""
    n_rows = len(rows.reader)
    rows = replace(rows, index=np.arange(*window.indices(n_rows), dtype=np.int64))
    if not len(rows):
        raise DataError(f"{rows.what} is empty: rows {window.start} to {window.stop or 'the end'} of {n_rows}")
    return rows


def _channels_and_labels(x: Any, y: Any, inputs: Sequence[Input], what: str) -> tuple[dict[str, Any], Any]:
    """Return the features of each input, and the labels that come with them unless `y` has others.

    The only input is that of the name `ALONE`.
    """
    if isinstance(x, JoinedReader):
        x = x.readers
    if isinstance(x, Mapping):
        x, y = _channels(x, y, inputs, what)
    elif len(inputs) > 1:
        raise DataError(f"{what} must be a dict with the channels {_listed(inputs)}; got {type(x).__name__}")
    else:
        x = {ALONE: x}
    for name, one in x.items():
        if one is None:
            raise DataError(f"{what} must be data: an array (rows, ...), a reader, a dataset or a source; got None")
        if is_dataset(one):
            x[name], labels = features_and_labels(one)
            y = labels if y is None else y
    return x, y


def _listed(inputs: Sequence[Input]) -> str:
    return ", ".join(repr(one.channel) for one in inputs)


def _open_channels(
    x: Mapping[str, Any],
    what: str,
    columns: Names | Mapping[str, Names],
    others: Mapping[str, Any],
    csv: Mapping[str, Any] | CSVFormat | None,
    window: slice | None,
) -> dict[str, Reader]:
    """Return the reader of each channel, arrays cut to a window if all are in memory; nothing is checked yet."""
    readers: dict[str, Reader] = {}
    for name, features in x.items():
        known = columns.get(name, ()) if isinstance(columns, Mapping) else columns
        # Columns of another channel are not features of this one.
        beside = {f"channel {k!r}": v for k, v in x.items() if k != name and is_source(v)} | dict(others)
        readers[name] = _open_features(columns_in_order(features, known, what), what, known, beside, csv)
    if window is not None and all(reader.in_memory for reader in readers.values()):
        for name, reader in readers.items():
            if isinstance(reader, ArrayReader) and reader.shape:
                readers[name] = ArrayReader(reader.array[window], like=reader)
    return readers


def _open_features(
    x: Any,
    what: str,
    columns: Names,
    others: Mapping[str, Any],
    csv: Mapping[str, Any] | CSVFormat | None,
) -> Reader:
    """Return the reader of features: a source, a reader, or numbers in memory; see `rows_of`."""
    if isinstance(x, str | os.PathLike):
        return get_reader(x, like=columns, others=others, csv=_format_of(x, csv))
    if hasattr(x, "iter_epoch"):
        return with_columns(get_reader(x), columns, others)
    reader = ArrayReader(_numbers(x, what))
    reader.columns = tuple(feature_names(x))
    return reader


def _with_labels(
    rows: Rows,
    y: Any,
    n_rows: int,
    window: slice | None,
    alter: Alter | None,
    csv: Mapping[str, Any] | CSVFormat | None,
    targets: Targets,
) -> Rows:
    """Return the rows with their labels, which are read and checked; DataError if they are not `n_rows`."""
    values = _values(y, window, csv)
    source = str(y) if isinstance(y, str | os.PathLike) else y.where if isinstance(y, Reader) else ""
    where = source or rows.what
    labels = targets.check(values, where)
    if len(labels) != n_rows:
        raise DataError(
            f"{rows.what} has {n_rows} rows, {source or 'its labels'} {len(labels)}; the numbers must be equal"
        )
    return replace(rows, labels_where=where, y=labels if alter is None else targets.check(alter(labels), rows.what))


def _values(y: Any, window: slice | None, csv: Mapping[str, Any] | CSVFormat | None) -> Any:
    """Return the values of `y`, of a mapping for each name; sources are read."""
    if isinstance(y, Mapping):
        return {name: _values(one, window, csv) for name, one in y.items()}
    values = read_source(y, labels=True, csv=_format_of(y, csv)) if is_source(y) else y
    return values if window is None else np.asarray(values)[window]


def _format_of(src: Any, csv: Mapping[str, Any] | CSVFormat | None) -> Mapping[str, Any] | CSVFormat | None:
    """Return the format of text tables if the source is one, else None."""
    return csv if csv and isinstance(src, str | os.PathLike) and is_text_source(os.fspath(src), Path()) else None


def _channels(x: Mapping[str, Any], y: Any, inputs: Sequence[Input], what: str) -> tuple[dict[str, Any], Any]:
    """Return the channels that the network takes, and the labels if they are among the channels."""
    wanted = [one.channel for one in inputs]
    labels = [name for name in x if name.lower() in LABELS and name not in wanted]
    others = [name for name in x if name not in labels]
    if not others:
        raise DataError(f"{what} has no channel of features, only {', '.join(labels) or 'an empty dict'}")
    y = x[labels[0]] if y is None and labels else y
    if len(inputs) > 1:
        missing, unknown = ([name for name in a if name not in b] for a, b in ((wanted, others), (others, wanted)))
        if missing or unknown:
            wrong = f"{missing[0]!r} is missing" if missing else f"no input layer takes {unknown[0]!r}"
            raise DataError(f"{what} must have the channels {_listed(inputs)}, as the input layers name them; {wrong}")
        return {str(name): x[str(name)] for name in wanted}, y
    channel = others[0] if wanted[0] is None and len(others) == 1 else wanted[0]
    if channel is None or channel not in x:
        raise DataError(
            f"{what} has the channels {', '.join(others)}; name one of them in the input layer, as in "
            f'["InputLayer", {{"channel": {others[0]!r}}}]; got {channel!r}'
        )
    return {ALONE: x[channel]}, y


def _numbers(x: Any, what: str) -> Array:
    """Return features as an array of numbers, NaN for masked values."""
    if hasattr(x, "toarray"):
        raise DataError(f"{what} is a sparse matrix; give {what}.toarray()")
    try:
        array = np.asarray(x.astype(np.float64).filled(np.nan) if np.ma.is_masked(x) else x)
    except ValueError:
        raise DataError(f"{what} must be an array of numbers (rows, ...); its rows differ in shape") from None
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as fault:
            raise DataError(f"{what} must be numbers; got objects ({fault})") from None
    return array


def _check(reader: Reader, what: str, allow_nonfinite: bool, least_axes: int) -> None:
    """Raise DataError unless rows are numbers (rows, ...); values in memory must be finite unless that is allowed."""
    shape, dtype = reader.shape, reader.dtype
    if dtype.kind not in "biuf":
        raise DataError(f"{what} must be numbers; got {dtype}{f' in {reader.where}' if reader.where else ''}")
    if len(shape) < least_axes:
        hint = f"reshape(-1, 1) makes one feature of {what}" if shape else "got a single number"
        raise DataError(f"{what} must have the shape (rows, features ...); got {shape}. {hint}")
    if 0 in shape:
        raise DataError(f"{what} is empty: its shape is {shape}")
    if dtype.kind == "f" and not allow_nonfinite and isinstance(reader, ArrayReader):
        for at in range(0, shape[0], 65536):
            some = reader.array[at : at + 65536]
            row = first_not_finite(some)
            if row is None:
                continue
            if reader.origin is not None and np.isnan(some[row]).any():
                raise missing_error(reader.where or what, count_missing(reader.array, reader.columns))
            raise not_finite_error(f"{what} row {at + row}", some[row], reader.columns)
