"""From features and labels as a user passes them to validated rows."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Alter, Data, checked_alter
from arignote.data.inputs import Conversion, Input, of_channel
from arignote.data.pipeline import Pipeline
from arignote.data.readers.base import ArrayReader, Reader
from arignote.data.readers.joined import JoinedReader
from arignote.data.readers.sources import is_source, read_source
from arignote.data.readers.sparse import SparseReader
from arignote.data.readers.windows import WindowReader, Windows
from arignote.data.rows.open_channels import channels_and_labels, format_of, open_channels, with_sequences
from arignote.data.rows.row_preprocessing import pipelines_of
from arignote.data.rows.selection import BLOCK_BYTES, Rows
from arignote.data.specs import CSVFormat, labels_by_role
from arignote.data.targets import Classes, Targets
from arignote.data.values.columns import Mixed, Names
from arignote.data.values.fields import ALONE, check_lengths
from arignote.data.values.missing_values import check_missing, count_missing, missing_error
from arignote.data.values.table_columns import TableColumns
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
    windows: Windows | None = None,
    preprocess: Any = None,
    text: Names | Mapping[str, Names] | None = None,
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
    windows : Windows, optional
        Rows are windows of a series, of which `y` has a value for each step.
    preprocess : sequence of Preprocess or of specs, or dict of these by channel, optional
        Preprocessing that will be applied: columns may be text, or have missing numbers, if it takes them.
    text : tuple of str or of int, or dict of str to these, optional
        Columns of the training rows that are text, as `columns`; by default those that hold no number.

    Returns
    -------
    Rows

    Raises
    ------
    DataError
        If features are not finite numbers (rows, ...), or labels are missing or differ in number.
    """
    alter = alter_labels = selection = None
    targets = targets or CLASSES
    if isinstance(x, Data):
        selection = slice(x.start, x.stop) if x.start or x.stop is not None else None
        y = x.labels if y is None else y
        alter, alter_labels = (checked_alter(getattr(x, name), name) for name in ("alter_features", "alter_labels"))
        axes, x = x.axes or axes, x.features
    elif isinstance(x, tuple) and len(x) == 2 and y is None:
        x, y = x
    channels, labels = channels_and_labels(x, y, inputs, what)
    # Labels that come with the features are not needed if these are the target.
    y = y if targets.from_input else labels
    others = {role: one for role, one in labels_by_role("labels", y).items() if is_source(one)} | dict(others or {})
    steps, mixed = _of_tables(channels, preprocess, text)
    opened, is_cut = _cut(open_channels(channels, inputs, what, columns, others, csv, mixed), inputs, selection)
    # Rows that were opened before are windows already.
    windows = None if any(isinstance(one, WindowReader) for one in opened.values()) else windows
    readers = opened if windows is None else _in_windows(opened, windows, inputs, what)
    rows = replace(_checked(readers, inputs, what, axes, steps, allow_nonfinite, selection is None), alter=alter)
    n_rows = len(rows) if selection is None or is_cut else len(range(*selection.indices(len(rows))))
    if y is not None:
        values = _of_rows(y, csv, selection, windows, opened, targets)
        rows = _with_labels(rows, values, _name_of(y), n_rows, selection, alter_labels, targets)
    return rows if selection is None or is_cut else _selected(rows, selection)


def _of_tables(
    channels: Collection[str], preprocess: Any, text: Names | Mapping[str, Names] | None
) -> tuple[dict[str, Pipeline], dict[str, Mixed]]:
    """Return the preprocessing of channels that are tables, and which of their columns may be text."""
    if not preprocess:
        return {}, {}
    steps = {name: one for name, one in pipelines_of(channels, preprocess).items() if one.takes_tables}
    return steps, {name: True if text is None else of_channel(text, name) or () for name in steps}


def _cut(opened: dict[str, Reader], inputs: Sequence[Input], selection: slice | None) -> tuple[dict[str, Reader], bool]:
    """Return arrays cut to the selected rows, and whether they are; rows of others are selected by number."""
    has_sequences = any(declared.steps is not None for declared in inputs)
    are_arrays = all(isinstance(one, ArrayReader) and bool(one.shape) for one in opened.values())
    if selection is None or has_sequences or not are_arrays:
        return opened, False
    return {name: ArrayReader(reader.read(selection), like=reader) for name, reader in opened.items()}, True


def _checked(
    opened: Mapping[str, Reader],
    inputs: Sequence[Input],
    what: str,
    axes: str | Mapping[str, str] | None,
    steps: Mapping[str, Pipeline],
    allow_nonfinite: bool,
    is_whole: bool,
) -> Rows:
    """Return the rows of all channels, validated: those in memory by value, of others the shape and the type."""
    readers = with_sequences(opened, inputs, what)
    conversions = {}
    # The fields of lengths and masks come after those of the inputs, and are not converted.
    for (name, reader), declared in zip(readers.items(), inputs, strict=False):
        called = what if len(inputs) == 1 else f"{what}[{name!r}]"
        conversion = _conversion(reader, declared, of_channel(axes, declared.channel), called)
        pipeline = steps.get(ALONE if ALONE in opened else str(declared.channel))
        if pipeline is not None:
            conversion = _of_table(conversion, reader, pipeline, called)
        _check(reader, called, conversion, allow_nonfinite, least_axes=2 if len(inputs) == 1 else 1)
        if not allow_nonfinite and is_whole:
            check_missing(reader, conversion.may_miss)
        conversions[name] = conversion
    whole = readers[ALONE] if ALONE in readers else JoinedReader(readers, what, opened)
    return Rows(whole, what=what, conversions=conversions, lenient=allow_nonfinite, stamp=whole.stamp())


def _conversion(reader: Reader, declared: Input, axes: str | None, what: str) -> Conversion:
    """Return the steps from the rows of a reader to an input of the network; DataError if the axes do not fit."""
    if axes is not None and len(reader.shape) != len(axes):
        raise DataError(f"{what} has the shape {reader.shape}; axes {axes!r} name {len(axes)} axes")
    conversion = Conversion(axes, steps=declared.steps, n_tokens=declared.n_tokens)
    if declared.image is not None and conversion.fits_image(declared.image, reader.shape[1:]):
        conversion = replace(conversion, image=declared.image)
    return conversion


def _of_table(conversion: Conversion, reader: Reader, pipeline: Pipeline, what: str) -> Conversion:
    """Return a conversion with the columns of a table that are text, and those that may be missing."""
    if len(reader.shape) != (2 if conversion.steps is None else 3):
        hint = ". Fill in a series before windows are cut out of it" if isinstance(reader, WindowReader) else ""
        raise DataError(f"{what}: OneHot and Impute are for tables, (rows, columns); got {reader.shape}{hint}")
    columns = TableColumns.of(reader.columns or range(reader.shape[-1]), reader.text)
    may_miss = pipeline.may_be_missing(columns, reader.where or what)
    places = tuple(place for place, name in enumerate(columns.names) if name in may_miss and place not in reader.text)
    return replace(conversion, text=reader.text, may_miss=places)


def _selected(rows: Rows, selection: slice) -> Rows:
    """Return the selected rows of a reader; DataError if there are none."""
    n_rows = len(rows.reader)
    rows = replace(rows, index=np.arange(*selection.indices(n_rows), dtype=np.int64))
    if not len(rows):
        raise DataError(f"{rows.what} is empty: rows {selection.start} to {selection.stop or 'the end'} of {n_rows}")
    return rows


def _in_windows(
    opened: Mapping[str, Reader], windows: Windows, inputs: Sequence[Input], what: str
) -> dict[str, Reader]:
    """Return the windows of each series."""
    if any(declared.steps is not None for declared in inputs):
        raise DataError(
            f"windows are cut out of one series; the input layer declares {what} as several, by their lengths"
        )
    check_lengths(
        {name: one.shape[0] if one.shape else 0 for name, one in opened.items()}, f"{what} must be one series"
    )
    return {name: WindowReader(one, windows, what) for name, one in opened.items()}


def _of_rows(
    y: Any,
    csv: Mapping[str, Any] | CSVFormat | None,
    selection: slice | None,
    windows: Windows | None,
    series: Mapping[str, Reader],
    targets: Targets,
) -> Any:
    """Return the values of each row, for several outputs by name: sources are read, and cut as the features are."""
    if isinstance(y, Mapping):
        alone = {name: Targets({name: one}, name) for name, one in targets.by_output.items()}
        return {
            name: _of_rows(one, csv, selection, windows, series, alone.get(name, targets)) for name, one in y.items()
        }
    values = read_source(y, labels=True, csv=format_of(y, csv)) if is_source(y) else y
    if selection is not None:
        # A list may hold lists of different lengths, which are no array.
        values = values[selection] if isinstance(values, list) else np.asarray(values)[selection]
    if windows is None:
        return values
    n_steps = len(next(iter(series.values())))
    if len(values) != n_steps:
        where = _name_of(y) or "y"
        raise DataError(f"{where} must have a value for each of the {n_steps} steps of the series; got {len(values)}")
    return windows.values(np.asarray(values), each_step=targets.of_main.has_steps)


def _with_labels(
    rows: Rows, y: Any, source: str, n_rows: int, selection: slice | None, alter: Alter | None, targets: Targets
) -> Rows:
    """Return the rows with their labels, which are checked; DataError if they are not `n_rows`."""
    where = source or rows.what
    counts = rows.counts if targets.has_steps else None
    labels = targets.check(y, where, counts if counts is None or selection is None else counts[selection])
    if len(labels) != n_rows:
        raise DataError(
            f"{rows.what} has {n_rows} rows, {source or 'its labels'} {len(labels)}; the numbers must be equal"
        )
    # What a function of the user makes of labels is checked again.
    return replace(rows, labels_where=where, y=labels if alter is None else targets.check(alter(labels), rows.what))


def _name_of(y: Any) -> str:
    """Return the name of the source of labels in errors; "" if they are no source."""
    return str(y) if isinstance(y, str | os.PathLike) else y.where if isinstance(y, Reader) else ""


def _check(reader: Reader, what: str, conversion: Conversion, allow_nonfinite: bool, least_axes: int) -> None:
    """Raise DataError unless rows are numbers (rows, ...); values in memory must be finite unless that is allowed."""
    shape, dtype = reader.shape, reader.dtype
    # These messages have the words that check_estimator of scikit-learn looks for.
    if dtype.kind == "c":
        raise DataError(f"{what} must be real numbers; got {dtype}. Complex data not supported: take {what}.real")
    if dtype.kind not in "biuf" and not conversion.text:
        raise DataError(f"{what} must be numbers; got {dtype}{f' in {reader.where}' if reader.where else ''}")
    if len(shape) < least_axes:
        ways = f"{what}.reshape(-1, 1) if it is one feature, {what}.reshape(1, -1) if it is one row"
        hint = f"Reshape your data: {ways}" if shape else "It is a single number"
        raise DataError(f"{what} must have the shape (rows, features ...); got {shape}. {hint}")
    if 0 in shape:
        nothing = "0 sample(s)" if shape[0] == 0 else "0 feature(s)"
        hint = f"while a minimum of 1 is required. Check how {what} is chosen"
        raise DataError(f"{what} is empty: {nothing} (shape={shape}) {hint}")
    is_in_memory = reader.in_memory or isinstance(reader, SparseReader)
    row = _first_wrong(reader, conversion, allow_nonfinite) if is_in_memory else None
    if row is None:
        return
    values = reader.read(slice(row, row + 1))[0]
    if reader.origin is not None and isinstance(reader, ArrayReader) and np.isnan(values).any():
        raise missing_error(reader.where or what, count_missing(conversion.checkable(reader.array), reader.columns))
    raise conversion.error(f"{what} row {row}", values, reader.columns)


def _first_wrong(reader: Reader, conversion: Conversion, allow_nonfinite: bool) -> int | None:
    """Return the first row in memory that `Conversion.first_wrong` finds; of a sparse matrix what is stored counts."""
    if isinstance(reader, SparseReader):
        values = reader.matrix.data
        if conversion.may_miss:
            values = np.where(np.isnan(values) & np.isin(reader.matrix.indices, conversion.may_miss), 0, values)
        place = conversion.first_wrong(values, lenient=allow_nonfinite)
        return None if place is None else reader.row_of(place)
    # In blocks, as the checks make arrays as large as what they read.
    step = max(min(65536, BLOCK_BYTES * len(reader) // max(reader.dtype.itemsize * prod(reader.shape), 1)), 1)
    for at in range(0, len(reader), step):
        row = conversion.first_wrong(reader.read(slice(at, at + step)), lenient=allow_nonfinite)
        if row is not None:
            return at + row
    return None
