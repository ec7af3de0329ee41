"""Rows of a fit: those of a reader that were chosen, as the network sees them, and their fingerprint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Alter, Data, columns_in_order, told
from arignote.data.missing import missing_in, missing_numbers
from arignote.data.readers.base import IN_MEMORY, ArrayReader, Reader
from arignote.data.readers.columns import Names
from arignote.data.readers.datasets import features_and_labels, is_dataset
from arignote.data.readers.sources import LABELS, get_reader, is_source, is_text_source, read_source, with_columns
from arignote.data.specs import CSVFormat
from arignote.data.targets import check_labels
from arignote.errors import DataError

__all__ = ["BLOCK_BYTES", "Rows", "check_missing", "rows_of"]

Array = NDArray[Any]

# What is read at a time; three such blocks may be in memory at once.
BLOCK_BYTES = 32_000_000


@dataclass(frozen=True)
class Rows:
    """Rows with labels, ready to be cut into batches.

    Attributes
    ----------
    reader : Reader
        Where the features come from.
    y : array (n,) or None
        Labels as they were given.
    index : array (n,) of int64 or None
        Which rows of the reader these are; None: all.
    what : str
        How they are told in errors.
    axes : str or None
        Of images: "NCHW", "NHWC", "NHW".
    lenient : bool
        Whether NaN and infinity pass.
    preprocess : callable, optional
        What is done to all rows alike.
    alter : callable, optional
        What else is done to the features of a batch.
    stamp : object
        What the reader's `stamp` was when these rows were found.
    labels_where : str
        How the labels are named in errors.
    image : tuple of int or None
        (channels, height, width) of images that are stored as flat rows, or without a channel axis.
    """

    reader: Reader
    y: Array | None = None
    index: NDArray[np.int64] | None = None
    what: str = "X"
    axes: str | None = None
    lenient: bool = False
    preprocess: Alter | None = None
    alter: Alter | None = None
    stamp: object = None
    labels_where: str = "X"
    image: tuple[int, int, int] | None = None

    def __len__(self) -> int:
        return len(self.reader) if self.index is None else len(self.index)

    def raw(self, rows: Any) -> Array:
        """Return features of some rows (a slice, or row numbers) as they are stored."""
        found = self.reader.read(rows if self.index is None else self.index[rows])
        n_rows = len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(rows)
        if len(found) != n_rows:
            raise DataError(f"{self.reader.where}: {n_rows} rows were asked for, and {len(found)} came")
        if not isinstance(self.reader, ArrayReader) and not self.lenient and found.dtype.kind == "f":
            at = _first_not_finite(found)
            if at is not None:
                numbers = np.arange(len(self))[rows]
                row = int(numbers[at] if self.index is None else self.index[numbers[at]])
                raise _not_finite(f"{self.reader.where} row {row}", found[at], self.reader.columns)
        return found

    def seen(self, raw: Array) -> NDArray[np.float32]:
        """Return stored features as the network sees them: channels first, preprocessed, float32, altered."""
        raw = self._channels_first(raw)
        if self.preprocess is not None:
            raw = self.preprocess(raw)
        x = np.ascontiguousarray(raw, dtype=np.float32)
        if not x.flags.writeable or (self.alter is not None and not x.flags.owndata):
            # A view of data that is not ours to change.
            x = x.copy()
        return x if self.alter is None else np.ascontiguousarray(self.alter(x), dtype=np.float32)

    def _channels_first(self, raw: Array) -> Array:
        if self.axes == "NHWC":
            return np.moveaxis(raw, -1, 1)
        raw = raw[:, None] if self.axes == "NHW" else raw
        return raw if self.image is None else raw.reshape(len(raw), *self.image)

    def as_images(self, size: tuple[int, int, int] | None) -> Rows:
        """Return the rows with flat ones, and those without a channel axis, as images (channels, height, width)."""
        shape = self._channels_first(np.empty((0, *self.reader.shape[1:]), np.bool_)).shape[1:]
        is_image = size is not None and shape in ((prod(size),), size[1:] if size[0] == 1 else ())
        return replace(self, image=size) if is_image else self

    def blocks(self) -> Iterator[Array]:
        """Yield all rows as they are stored, channels first, as many at a time as are well read together."""
        row_bytes = max(self.reader.dtype.itemsize * int(np.prod(self.reader.shape[1:])), 1)
        step = max(BLOCK_BYTES // row_bytes, self.reader.chunk_rows or 1)
        for at in range(0, len(self), step):
            yield self._channels_first(self.raw(slice(at, at + step)))

    def features(self, rows: Any) -> NDArray[np.float32]:
        """Return float32 features of some rows (a slice, or row numbers)."""
        return self.seen(self.raw(rows))

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Return some of the rows; nothing is read."""
        index = rows if self.index is None else self.index[rows]
        return replace(self, index=index, y=None if self.y is None else self.y[rows])

    @property
    def n_in(self) -> tuple[int, ...]:
        """Shape of one example as the network sees it."""
        return tuple(self.features(slice(0, 1)).shape[1:])

    def fingerprint(self, known: dict[int, str] | None = None) -> dict[str, Any]:
        """Return shape, dtype and digest of features and labels: of all up to 256 MB, else of a fixed sample."""
        features: dict[str, Any] = {"shape": [len(self), *self.reader.shape[1:]], "dtype": str(self.reader.dtype)}
        if isinstance(self.reader, ArrayReader):
            features["sha256"] = _sha256(self.reader.array, self.index)
        else:
            known = {} if known is None else known
            if id(self.reader) not in known:
                known[id(self.reader)] = _sha256_of_reader(self.reader)
            features["sha256"] = known[id(self.reader)]
            if self.index is not None:
                features["rows"] = _sha256(self.index)
        labels = None
        if self.y is not None:
            labels = {"shape": list(self.y.shape), "dtype": str(self.y.dtype), "sha256": _sha256(self.y)}
        return {"features": features, "labels": labels}


def _sha256(array: Array, index: NDArray[np.int64] | None = None) -> str:
    n_rows = len(array) if index is None else len(index)
    if array.dtype.hasobject:
        chosen = array if index is None else array[index]
        return hashlib.sha256(repr(chosen.tolist()).encode()).hexdigest()
    n_bytes = n_rows * (array.nbytes // max(len(array), 1))
    at = np.linspace(0, n_rows - 1, 4096).astype(np.int64) if n_bytes > IN_MEMORY else None
    digest = hashlib.sha256()
    if at is None and index is None:
        digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
    rows = at if index is None else index if at is None else index[at]
    assert rows is not None
    for start in range(0, len(rows), 4096):
        digest.update(np.ascontiguousarray(array[rows[start : start + 4096]]).data)
    return digest.hexdigest()


def _sha256_of_reader(reader: Reader) -> str:
    """Return the digest of all rows, or of 64 stretches of them where they are too many."""
    n_rows, step = len(reader), reader.chunk_rows or 1024
    row_bytes = reader.dtype.itemsize * int(np.prod(reader.shape[1:]))
    starts = np.arange(0, n_rows, step)
    if n_rows * row_bytes > IN_MEMORY:
        starts = starts[np.linspace(0, len(starts) - 1, 64).astype(np.int64)]
    digest = hashlib.sha256()
    for start in starts.tolist():
        chunk = reader.read(slice(start, min(start + step, n_rows)))
        digest.update(repr(chunk.tolist()).encode() if chunk.dtype.hasobject else np.ascontiguousarray(chunk).data)
    return digest.hexdigest()


def rows_of(
    x: Any,
    y: Any = None,
    *,
    what: str = "X",
    allow_nonfinite: bool = False,
    axes: str | None = None,
    channel: str | None = None,
    columns: Names = (),
    others: Mapping[str, Any] | None = None,
    csv: Mapping[str, Any] | CSVFormat | None = None,
) -> Rows:
    """Check features and labels and return them as `Rows`.

    Parameters
    ----------
    x : array, DataFrame, Reader, dataset, str, dict of these, (x, y) or Data
        Features; a string names a source, a dict has a channel for each name.
    y : array, Reader or str, optional
        Labels; they are read at once.
    what : str
        How the data is named in errors.
    allow_nonfinite : bool
        Whether NaN and infinity pass.
    axes : str, optional
        Of images: "NCHW", "NHWC", "NHW".
    channel : str, optional
        Which channel of a dict the network sees.
    columns : tuple of str or of int, optional
        Columns that the network was trained on, by name (by position in a table without header): a DataFrame and a
        table of a file are read in this order, and may have others.
    others : dict of str to source, optional
        What else the data names, which is no feature: "labels", "groups" ...
    csv : dict or CSVFormat, optional
        Format of text tables, where it is not found by looking.
    """
    alter = alter_labels = window = None
    if isinstance(x, Data):
        window = slice(x.start, x.stop)
        y = x.labels if y is None else y
        alter, alter_labels = told(x.alter_features, "alter_features"), told(x.alter_labels, "alter_labels")
        axes, x = x.axes or axes, x.features
    elif isinstance(x, tuple) and len(x) == 2 and y is None:
        x, y = x
    x = columns_in_order(x, columns, what)
    if isinstance(x, Mapping):
        x, y = _channel(x, y, channel, what)
    if x is None:
        raise DataError(f"{what} must be data: an array (rows, ...), a reader, a dataset or a source; got None")
    if is_dataset(x):
        x, labels_there = features_and_labels(x)
        y = labels_there if y is None else y
    others = {"labels": y} | dict(others or {}) if is_source(y) else others
    if isinstance(x, str | os.PathLike):
        reader = get_reader(x, like=columns, others=others, csv=_format_of(x, csv))
    elif hasattr(x, "iter_epoch"):
        reader = with_columns(get_reader(x), columns, others)
    else:
        reader = ArrayReader(_numbers(x, what))
    n_rows = reader.shape[0] if reader.shape else 0
    n_rows = n_rows if window is None else len(range(*window.indices(n_rows)))
    if isinstance(reader, ArrayReader) and window is not None and reader.shape:
        reader = ArrayReader(reader.array[window], like=reader)
    _check(reader, what, allow_nonfinite)
    if not allow_nonfinite and n_rows == len(reader):
        check_missing(reader)
    rows = Rows(reader, what=what, axes=axes, lenient=allow_nonfinite, alter=alter, stamp=reader.stamp())
    if axes is not None and len(reader.shape) != len(axes):
        raise DataError(f"{what} has the shape {reader.shape}; axes {axes!r} name {len(axes)} axes")
    if y is not None:
        given = read_source(y, labels=True, csv=_format_of(y, csv)) if is_source(y) else y
        if window is not None:
            given = np.asarray(given)[window]
        theirs = str(y) if isinstance(y, str | os.PathLike) else y.where if isinstance(y, Reader) else ""
        labels = check_labels(given, theirs or what)
        rows = replace(rows, labels_where=theirs or what)
        if len(labels) != n_rows:
            raise DataError(f"{what} has {n_rows} rows, {theirs or 'its labels'} {len(labels)}; they must be as many")
        rows = replace(rows, y=labels if alter_labels is None else check_labels(alter_labels(labels), what))
    if window is not None and not isinstance(reader, ArrayReader):
        rows = replace(rows, index=np.arange(*window.indices(len(reader)), dtype=np.int64))
        if not len(rows):
            raise DataError(f"{what} is empty: rows {window.start} to {window.stop or 'the end'} of {len(reader)}")
    return rows


def _format_of(src: Any, csv: Mapping[str, Any] | CSVFormat | None) -> Mapping[str, Any] | CSVFormat | None:
    """Return the format of text tables for a source that is one."""
    return csv if csv and isinstance(src, str | os.PathLike) and is_text_source(os.fspath(src), Path()) else None


def _channel(x: Mapping[str, Any], y: Any, channel: str | None, what: str) -> tuple[Any, Any]:
    """Return the channel that the network sees, and the labels where they are among the channels."""
    labels = [name for name in x if name.lower() in LABELS]
    others = [name for name in x if name not in labels]
    if not others:
        raise DataError(f"{what} has no channel of features, only {', '.join(labels) or 'an empty dict'}")
    if channel is None and len(others) == 1:
        channel = others[0]
    if channel is None or channel not in x:
        raise DataError(
            f"{what} has the channels {', '.join(others)}; name one of them in the input layer, as in "
            f'["InputLayer", {{"channel": {others[0]!r}}}]; got {channel!r}'
        )
    return x[channel], x[labels[0]] if y is None and labels else y


def _numbers(x: Any, what: str) -> Array:
    """Return features as an array of numbers, NaN where they are masked."""
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


def _check(reader: Reader, what: str, allow_nonfinite: bool) -> None:
    """Check that rows are numbers (rows, ...); what is in memory holds no NaN and no infinity, unless allowed."""
    shape, dtype = reader.shape, reader.dtype
    if dtype.kind not in "biuf":
        raise DataError(f"{what} must be numbers; got {dtype}{f' in {reader.where}' if reader.where else ''}")
    if len(shape) < 2:
        hint = f"reshape(-1, 1) makes one feature of {what}" if shape else "got a single number"
        raise DataError(f"{what} must have the shape (rows, features ...); got {shape}. {hint}")
    if 0 in shape:
        raise DataError(f"{what} is empty: its shape is {shape}")
    if dtype.kind == "f" and not allow_nonfinite and isinstance(reader, ArrayReader):
        for at in range(0, shape[0], 65536):
            some = reader.array[at : at + 65536]
            row = _first_not_finite(some)
            if row is None:
                continue
            if reader.columns and np.isnan(some[row]).any():
                raise missing_numbers(reader.where or what, missing_in(reader.array, reader.columns))
            raise _not_finite(f"{what} row {at + row}", some[row], reader.columns)


def _first_not_finite(x: Array) -> int | None:
    flat = x.reshape(len(x), -1)
    # What is seen is float32: a larger number is infinite there.
    good = np.isfinite(flat) if x.itemsize <= 4 else np.abs(flat) <= np.finfo(np.float32).max
    return None if good.all() else int(np.argmin(good.all(axis=1)))


def check_missing(reader: Reader) -> None:
    """Raise DataError where numbers are known to be missing in a table, before anything is read of it."""
    if reader.missing:
        raise missing_numbers(reader.where, reader.missing)


def _not_finite(where: str, row: Array, columns: Names) -> DataError:
    """Return the error of a row that holds NaN, infinity, or a number beyond float32."""
    is_odd = ~np.isfinite(row)
    place = int(np.argmax(is_odd if is_odd.any() else np.abs(row)))
    within = f" in column {(columns or range(len(row)))[place]!r}" if row.ndim == 1 else ""
    if not is_odd.any():
        return DataError(f"{where} holds {row.flat[place]}{within}, which is too large for float32; scale the data")
    return DataError(f"{where} holds {row.flat[place]}{within}; clean the data, or pass allow_nonfinite=True")
