"""Rows selected from a reader, converted to the input of the network, and their fingerprint."""

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

from arignote.data.arrays import Alter, Data, checked_alter, columns_in_order
from arignote.data.missing_values import count_missing, missing_error
from arignote.data.readers.base import IN_MEMORY, ArrayReader, Reader
from arignote.data.readers.columns import Names
from arignote.data.readers.datasets import features_and_labels, is_dataset
from arignote.data.readers.sources import LABELS, get_reader, is_source, is_text_source, read_source, with_columns
from arignote.data.specs import CSVFormat
from arignote.data.targets import check_labels
from arignote.errors import DataError

__all__ = ["BLOCK_BYTES", "Rows", "check_missing", "rows_of"]

Array = NDArray[Any]

# Bytes read at a time; three such blocks may be in memory at once.
BLOCK_BYTES = 32_000_000


@dataclass(frozen=True)
class Rows:
    """Rows of a reader, with labels and the steps from stored features to the input of the network.

    Attributes
    ----------
    reader : Reader
        Source of the features.
    y : array (n,) or None
        Labels as the user passed them.
    index : array (n,) of int64 or None
        Row numbers in the reader; None: all rows.
    what : str
        Name of the data in errors.
    axes : str or None
        Order of the axes of images: "NCHW", "NHWC" or "NHW".
    lenient : bool
        Whether NaN and infinity are allowed.
    preprocess : callable, optional
        Fitted preprocessing, a function of an array (rows, ...).
    alter : callable, optional
        `alter_features` of a `Data`, applied to each batch after `preprocess`.
    stamp : object
        `stamp()` of the reader when the rows were opened.
    labels_where : str
        Name of the labels in errors.
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
        """Read features as they are stored.

        Parameters
        ----------
        rows : slice or array (n,) of int64
            Positions in these rows.

        Returns
        -------
        array (n, ...)

        Raises
        ------
        DataError
            If the reader returns another number of rows, or a value is not finite and `lenient` is False.
        """
        found = self.reader.read(rows if self.index is None else self.index[rows])
        n_rows = len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(rows)
        if len(found) != n_rows:
            raise DataError(f"{self.reader.where}: {n_rows} rows were requested, but {len(found)} were returned")
        if not isinstance(self.reader, ArrayReader) and not self.lenient and found.dtype.kind == "f":
            at = _first_not_finite(found)
            if at is not None:
                numbers = np.arange(len(self))[rows]
                row = int(numbers[at] if self.index is None else self.index[numbers[at]])
                raise _not_finite(f"{self.reader.where} row {row}", found[at], self.reader.columns)
        return found

    def seen(self, raw: Array) -> NDArray[np.float32]:
        """Convert stored features to the input of the network: channels first, preprocessed, altered.

        Parameters
        ----------
        raw : array (n, ...)
            As returned by `raw`; not changed.

        Returns
        -------
        array (n, ...) of float32
        """
        raw = self._channels_first(raw)
        if self.preprocess is not None:
            raw = self.preprocess(raw)
        x = np.ascontiguousarray(raw, dtype=np.float32)
        if not x.flags.writeable or (self.alter is not None and not x.flags.owndata):
            # `alter` may work in place, which must not change the data of the user.
            x = x.copy()
        return x if self.alter is None else np.ascontiguousarray(self.alter(x), dtype=np.float32)

    def _channels_first(self, raw: Array) -> Array:
        if self.axes == "NHWC":
            return np.moveaxis(raw, -1, 1)
        raw = raw[:, None] if self.axes == "NHW" else raw
        return raw if self.image is None else raw.reshape(len(raw), *self.image)

    def as_images(self, size: tuple[int, int, int] | None) -> Rows:
        """Return rows whose examples are reshaped to images, if they are flat or lack a channel axis.

        Parameters
        ----------
        size : tuple of int, or None
            (channels, height, width) of an input layer of images.

        Returns
        -------
        Rows
            These rows themselves if their shape does not fit `size`.
        """
        shape = self._channels_first(np.empty((0, *self.reader.shape[1:]), np.bool_)).shape[1:]
        is_image = size is not None and shape in ((prod(size),), size[1:] if size[0] == 1 else ())
        return replace(self, image=size) if is_image else self

    def blocks(self) -> Iterator[Array]:
        """Yield all rows as they are stored, channels first, in blocks of about `BLOCK_BYTES`."""
        row_bytes = max(self.reader.dtype.itemsize * int(np.prod(self.reader.shape[1:])), 1)
        step = max(BLOCK_BYTES // row_bytes, self.reader.chunk_rows or 1)
        for at in range(0, len(self), step):
            yield self._channels_first(self.raw(slice(at, at + step)))

    def features(self, rows: Any) -> NDArray[np.float32]:
        """Return the input of the network, float32 (n, ...), for a slice or row numbers; see `raw` and `seen`."""
        return self.seen(self.raw(rows))

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Return the rows at positions (n,) of int64, with their labels; nothing is read."""
        index = rows if self.index is None else self.index[rows]
        return replace(self, index=index, y=None if self.y is None else self.y[rows])

    @property
    def n_in(self) -> tuple[int, ...]:
        """Shape of one example as the network sees it."""
        return tuple(self.features(slice(0, 1)).shape[1:])

    def fingerprint(self, known: dict[int, str] | None = None) -> dict[str, Any]:
        """Return what identifies the data of a run.

        Parameters
        ----------
        known : dict of int to str, optional
            Digests of readers by their id; filled in, so that a reader that parts share is read once.

        Returns
        -------
        dict
            "features" and "labels", each with shape, dtype and SHA-256: of all data up to 256 MB, else of a fixed
            sample.
        """
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
    """Return the digest of all rows, or of 64 blocks of rows if they exceed `IN_MEMORY` bytes."""
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
    """Open and validate features and labels.

    Parameters
    ----------
    x : array, DataFrame, Reader, dataset, str, dict of these, (x, y) or Data
        Features; a string names a source, a dict holds channels by name.
    y : array, Reader or str, optional
        Labels; they are read into memory.
    what : str
        Name of the data in errors.
    allow_nonfinite : bool
        Whether NaN and infinity are allowed.
    axes : str, optional
        Order of the axes of images: "NCHW", "NHWC" or "NHW".
    channel : str, optional
        The channel of a dict that the network uses.
    columns : tuple of str or of int, optional
        Columns that the network was trained on, by name (by position in a table without header). They are selected
        from a DataFrame or a table of a file, in this order.
    others : dict of str to source, optional
        Other sources that the data names, by role: "labels", "groups" ... Their columns are not features.
    csv : dict or CSVFormat, optional
        Format of text tables; what is left out is detected.

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
        window = slice(x.start, x.stop)
        y = x.labels if y is None else y
        alter = checked_alter(x.alter_features, "alter_features")
        alter_labels = checked_alter(x.alter_labels, "alter_labels")
        axes, x = x.axes or axes, x.features
    elif isinstance(x, tuple) and len(x) == 2 and y is None:
        x, y = x
    x, y = _features_and_labels(columns_in_order(x, columns, what), y, channel, what)
    others = {"labels": y} | dict(others or {}) if is_source(y) else others
    reader = _open_features(x, what, columns, others, csv)
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
        rows = _with_labels(rows, y, n_rows, window, alter_labels, csv)
    return rows if window is None or isinstance(reader, ArrayReader) else _windowed(rows, window)


def _windowed(rows: Rows, window: slice) -> Rows:
    """Return the rows of a reader inside of a window; DataError if there are none."""
    n_rows = len(rows.reader)
    rows = replace(rows, index=np.arange(*window.indices(n_rows), dtype=np.int64))
    if not len(rows):
        raise DataError(f"{rows.what} is empty: rows {window.start} to {window.stop or 'the end'} of {n_rows}")
    return rows


def _features_and_labels(x: Any, y: Any, channel: str | None, what: str) -> tuple[Any, Any]:
    """Return the features, and the labels that come with them unless `y` has others: of channels or of a dataset."""
    if isinstance(x, Mapping):
        x, y = _channel(x, y, channel, what)
    if x is None:
        raise DataError(f"{what} must be data: an array (rows, ...), a reader, a dataset or a source; got None")
    if is_dataset(x):
        x, labels = features_and_labels(x)
        y = labels if y is None else y
    return x, y


def _open_features(
    x: Any,
    what: str,
    columns: Names,
    others: Mapping[str, Any] | None,
    csv: Mapping[str, Any] | CSVFormat | None,
) -> Reader:
    """Return the reader of features: a source, a reader, or numbers in memory; see `rows_of`."""
    if isinstance(x, str | os.PathLike):
        return get_reader(x, like=columns, others=others, csv=_format_of(x, csv))
    if hasattr(x, "iter_epoch"):
        return with_columns(get_reader(x), columns, others)
    return ArrayReader(_numbers(x, what))


def _with_labels(
    rows: Rows,
    y: Any,
    n_rows: int,
    window: slice | None,
    alter: Alter | None,
    csv: Mapping[str, Any] | CSVFormat | None,
) -> Rows:
    """Return the rows with their labels, which are read and checked; DataError if they are not `n_rows`."""
    values = read_source(y, labels=True, csv=_format_of(y, csv)) if is_source(y) else y
    if window is not None:
        values = np.asarray(values)[window]
    source = str(y) if isinstance(y, str | os.PathLike) else y.where if isinstance(y, Reader) else ""
    where = source or rows.what
    labels = check_labels(values, where)
    if len(labels) != n_rows:
        raise DataError(
            f"{rows.what} has {n_rows} rows, {source or 'its labels'} {len(labels)}; the numbers must be equal"
        )
    return replace(rows, labels_where=where, y=labels if alter is None else check_labels(alter(labels), rows.what))


def _format_of(src: Any, csv: Mapping[str, Any] | CSVFormat | None) -> Mapping[str, Any] | CSVFormat | None:
    """Return the format of text tables if the source is one, else None."""
    return csv if csv and isinstance(src, str | os.PathLike) and is_text_source(os.fspath(src), Path()) else None


def _channel(x: Mapping[str, Any], y: Any, channel: str | None, what: str) -> tuple[Any, Any]:
    """Return the channel that the network uses, and the labels if they are among the channels."""
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


def _check(reader: Reader, what: str, allow_nonfinite: bool) -> None:
    """Raise DataError unless rows are numbers (rows, ...); values in memory must be finite unless that is allowed."""
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
                raise missing_error(reader.where or what, count_missing(reader.array, reader.columns))
            raise _not_finite(f"{what} row {at + row}", some[row], reader.columns)


def _first_not_finite(x: Array) -> int | None:
    flat = x.reshape(len(x), -1)
    # The network uses float32, in which larger numbers are infinite.
    good = np.isfinite(flat) if x.itemsize <= 4 else np.abs(flat) <= np.finfo(np.float32).max
    return None if good.all() else int(np.argmin(good.all(axis=1)))


def check_missing(reader: Reader) -> None:
    """Raise DataError if the reader of a table knows that numbers are missing, before any row is read."""
    if reader.missing:
        raise missing_error(reader.where, reader.missing)


def _not_finite(where: str, row: Array, columns: Names) -> DataError:
    """Return the error for a row that holds NaN, infinity, or a number too large for float32."""
    is_odd = ~np.isfinite(row)
    place = int(np.argmax(is_odd if is_odd.any() else np.abs(row)))
    within = f" in column {(columns or range(len(row)))[place]!r}" if row.ndim == 1 else ""
    if not is_odd.any():
        return DataError(f"{where} holds {row.flat[place]}{within}, which is too large for float32; scale the data")
    return DataError(f"{where} holds {row.flat[place]}{within}; clean the data, or pass allow_nonfinite=True")
