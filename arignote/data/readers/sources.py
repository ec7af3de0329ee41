"""From a source, named in a config, on the command line or in Python, to its reader."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from arignote.data.readers.base import IN_MEMORY, ArrayReader, Reader, text_columns
from arignote.data.readers.column_roles import LABELS, feature_columns, label_columns
from arignote.data.readers.datasets import features_and_labels, is_dataset
from arignote.data.readers.mixed import MixedReader
from arignote.data.readers.source_files import reader_of_path, table_of_path
from arignote.data.readers.tables import expanded, is_text_file, split_source, table_at
from arignote.data.readers.user_reader import reader_of
from arignote.data.specs import CSVFormat
from arignote.data.values.columns import Columns, Mixed, Names
from arignote.errors import ConfigError, DataError

__all__ = [
    "LABELS",
    "get_reader",
    "is_source",
    "is_text_source",
    "read_source",
    "with_columns",
]

_log = logging.getLogger(__name__)


def get_reader(
    src: Any,
    labels: bool = False,
    *,
    columns: Columns | None = None,
    csv: Mapping[str, Any] | CSVFormat | None = None,
    like: Names = (),
    others: Mapping[str, Any] | None = None,
    load: bool = True,
    mixed: Mixed = False,
    **options: Any,
) -> Reader:
    """Return a reader of a source.

    Parameters
    ----------
    src : str, Path, array, Reader, object with `iter_epoch`, or dataset
        "file.h5:/path/in/file", "file.npy", "file.npz:key", "file.csv:columns", "file.parquet:columns",
        "file.h5:/table:columns", or a folder of images, one folder per class. The part after the colon may be left out
        if there is one table, or if the tables of labels are named label, labels, target or targets. Environment
        variables and ``~`` are expanded. Columns are selected as in docs/data.md: "a,b", "0:64", "!y".
    labels : bool
        Whether to read the labels of the source, instead of its features.
    columns : str, int or list of these, optional
        Columns of a table, in place of those after the colon.
    csv : dict, optional
        Settings of a text table that are not detected: `header`, `delimiter`, `comment`, `decimal`, `missing`.
    like : tuple of str, optional
        Names of the columns that a network was trained on; the features are these, in this order.
    others : dict of str to source, optional
        Other sources that the data names, such as ``{"labels": "file.csv:y"}``; their columns are not features.
    load : bool
        Whether data up to 256 MB is read into memory.
    mixed : bool, or tuple of str or of int
        Whether columns of a text table or of Parquet may be text beside others of numbers, for the preprocessing
        `OneHot`; or the names of those that are text.
    **options
        `color` of images in HDF5; `size` and `mode` of a folder of images.

    Returns
    -------
    Reader
        Its class and format are logged to "arignote.data.readers.sources".

    Raises
    ------
    DataError
        If the file is missing or broken, or has no such table or column; the message lists those that exist.
    ConfigError
        If `columns` or `csv` is given for a source that is not a file.
    """
    if not isinstance(src, str | os.PathLike):
        if columns is not None or csv is not None:
            raise ConfigError(f"columns and csv are for sources that are files; got {type(src).__name__}")
        return _of_object(src, labels)
    name, key = split_source(expanded(src))
    path = Path(name)
    if not path.exists():
        hint = ". An environment variable in the path is not set" if "$" in name else ""
        raise DataError(f"{path}: there is no such file{hint}")
    options = {key: value for key, value in options.items() if value is not None}
    table, asked = table_of_path(path, key, labels, columns, csv, options)
    if table is None:
        reader = reader_of_path(path, key, labels, options)
    elif labels:
        reader = table.open(label_columns(table, asked), labels=True)
    else:
        names, is_named = feature_columns(table, asked, like, others)
        # By default a reader takes all columns, of any type.
        reader = table.open(names if names != list(table.names) else None, is_whole=not is_named, mixed=mixed)
    return _loaded(reader, str(src)) if load else _logged(reader, str(src))


def with_columns(
    reader: Reader, like: Names = (), others: Mapping[str, Any] | None = None, mixed: Mixed = False
) -> Reader:
    """Restrict a reader of a table to the columns that are features.

    Parameters
    ----------
    reader : Reader
    like, others, mixed
        As in `get_reader`; columns of the reader that are text may be so in any case.

    Returns
    -------
    Reader
        The same reader if it is not of a table in a file, or no column is left out.
    """
    origin = reader.origin
    if origin is None or not reader.columns or not (like or others or mixed):
        return reader
    available = table_at(Path(origin.path), origin.table, origin.csv)
    if available is None:
        return reader
    # Without a header, columns are named by their positions, as text.
    columns = [str(name) for name in reader.columns]
    names, _ = feature_columns(available, columns, like, others, is_named=not origin.is_whole)
    is_text_known = isinstance(mixed, bool) or {*mixed} == {*text_columns(reader)}
    if names == columns and is_text_known:
        return reader
    chosen = available.open(names, is_whole=origin.is_whole, mixed=mixed or bool(reader.text))
    return _loaded(chosen, reader.where) if isinstance(reader, ArrayReader | MixedReader) else chosen


def _loaded(reader: Reader, src: str) -> Reader:
    """Return the rows of a reader in memory if they are at most `IN_MEMORY` bytes, else the reader."""
    # Readers without chunks, such as memory maps, read single rows efficiently: they stay as they are.
    if reader.chunk_rows is not None and reader.dtype.itemsize * int(np.prod(reader.shape)) <= IN_MEMORY:
        if reader.text:
            return _logged(MixedReader.of(reader), src)
        reader = ArrayReader(reader.read(slice(0, len(reader))), reader.where, like=reader)
    return _logged(reader, src)


def _logged(reader: Reader, src: str) -> Reader:
    # Rows in memory do not change with the file.
    of_rows = (
        "in memory"
        if isinstance(reader, ArrayReader | MixedReader) and reader.stamp() is None
        else "single rows are read"
    )
    how = of_rows if reader.chunk_rows is None else f"read {reader.chunk_rows} rows at a time"
    how += f", {reader.origin.dialect}" if reader.origin is not None and reader.origin.dialect else ""
    _log.info("%s -> %s %s %s, %s", src, reader.where, reader.shape, reader.dtype, how)
    return reader


def read_source(src: Any, labels: bool = False, **options: Any) -> Any:
    """Read all rows of a source.

    Parameters
    ----------
    src, labels, **options
        As in `get_reader`.

    Returns
    -------
    array (rows, ...)
    """
    reader = get_reader(src, labels, **options)
    return reader.array if isinstance(reader, ArrayReader) else reader.read(slice(0, len(reader)))


def is_source(value: Any) -> bool:
    """Return whether a value names or reads data (a path, or a reader of any class), rather than being the data."""
    return isinstance(value, str | os.PathLike) or hasattr(value, "iter_epoch")


def is_text_source(src: str) -> bool:
    """Return whether a source is a text table."""
    path = Path(split_source(expanded(src))[0])
    return path.is_file() and is_text_file(path)


def _of_object(src: Any, labels: bool) -> Reader:
    """Return the reader of an object that is not a path."""
    # features_and_labels returns (features, labels); False is 0, True is 1.
    value = features_and_labels(src)[labels] if is_dataset(src) else src
    reader = reader_of(value)
    if not reader.shape:
        what = "labels" if labels else "rows"
        raise DataError(f"a source must be a path, an array, a reader or a dataset with {what}; got {src!r:.80}")
    return reader
