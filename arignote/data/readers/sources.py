"""From a source, named in a config, on the command line or in Python, to its reader."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from arignote.data.fields import ALONE
from arignote.data.readers.base import IN_MEMORY, ArrayReader, Reader, text_columns
from arignote.data.readers.columns import Columns, Mixed, Names
from arignote.data.readers.datasets import features_and_labels, is_dataset
from arignote.data.readers.mixed import MixedReader
from arignote.data.readers.tables import (
    HDF5_ENDINGS,
    LABELS,
    TEXT,
    Table,
    feature_columns,
    is_text,
    label_columns,
    split_source,
    table_at,
)
from arignote.data.readers.user_reader import reader_of
from arignote.data.specs import CSVFormat, Source, labels_by_role
from arignote.errors import ConfigError, DataError, ErrorCollector, available_names

__all__ = [
    "LABELS",
    "get_reader",
    "is_source",
    "is_text_source",
    "open_labels",
    "open_source",
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
    name, key = split_source(os.path.expanduser(os.path.expandvars(os.fspath(src))))
    path = Path(name)
    if not path.exists():
        hint = ". An environment variable in the path is not set" if "$" in name else ""
        raise DataError(f"{path}: there is no such file{hint}")
    options = {key: value for key, value in options.items() if value is not None}
    table, asked = _table(path, key, labels, columns, csv, options)
    if table is None:
        reader = _of_path(path, key, labels, options)
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
    columns = [str(name) for name in reader.columns]
    names, _ = feature_columns(available, columns, like, others, is_named=not origin.is_whole)
    is_text_known = isinstance(mixed, bool) or {*mixed} == {*text_columns(reader)}
    if names == columns and is_text_known:
        return reader
    chosen = available.open(names, is_whole=origin.is_whole, mixed=mixed or bool(reader.text))
    return _loaded(chosen, reader.where) if isinstance(reader, ArrayReader | MixedReader) else chosen


def _loaded(reader: Reader, src: str) -> Reader:
    """Return the rows of a reader in memory if they are at most `IN_MEMORY` bytes, else the reader."""
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


def open_source(
    source: Source,
    load: bool = True,
    like: Source | None = None,
    columns: Names | Mapping[str, Names] = (),
    others: Mapping[str, Any] | None = None,
    has_labels: bool = True,
    mixed: Mapping[str, Mixed] = MappingProxyType({}),
) -> tuple[Reader | dict[str, Reader], Reader | dict[str, Reader] | None]:
    """Return the readers of features and labels of a source in a config.

    Parameters
    ----------
    source : Source
        Labels that it does not name are read from the file of the features.
    load
        As in `get_reader`.
    like : Source, optional
        Source whose `color`, `size`, `mode` and `csv` are used if `source` does not set them.
    columns : tuple of str, or dict of str to these, optional
        Names of the columns of the training rows, by channel if there are several; the features are these, in this
        order.
    others : dict of str to source, optional
        As in `get_reader`.
    has_labels : bool
        Whether there are labels.
    mixed : dict of str to bool or tuple, optional
        As in `get_reader`, by channel.

    Returns
    -------
    features : Reader, or dict of str to Reader
        Of several channels a reader for each.
    labels : Reader, dict of str to Reader, or None
        Of several outputs a reader for each.

    Raises
    ------
    DataError
        Reports the errors of features and of labels together.
    """
    options: dict[str, Any] = {
        key: getattr(like, key, None) if getattr(source, key) is None else getattr(source, key)
        for key in ("color", "size", "mode", "csv")
    }
    csv = options.pop("csv")
    labels = source.labels or _file_of_labels(source.channels.values(), has_labels)
    by_role = labels_by_role("labels", labels) if has_labels else {}
    others = by_role | dict(others or {})
    options |= {"columns": source.columns, "load": load}
    collector = ErrorCollector()
    features: dict[str, Reader] = {}
    for channel, src in source.channels.items():
        # Columns of another channel are not features of this one.
        beside = {f"channel {name!r}": one for name, one in source.channels.items() if name != channel}
        # `csv` of `like` does not apply to files that are not text tables.
        form = csv if source.csv is not None or is_text_source(src) else None
        known = columns.get(channel, ()) if isinstance(columns, Mapping) else columns
        with collector.collect():
            features[channel] = get_reader(
                src, like=known, others=others | beside, csv=form, mixed=mixed.get(channel, False), **options
            )
    label_readers: list[Reader] = []
    for one in by_role.values():
        with collector.collect():
            label_readers.append(open_labels(one, csv, load))
    collector.raise_all()
    of_labels = dict(zip(labels, label_readers, strict=True)) if isinstance(labels, Mapping) and has_labels else None
    return features.get(ALONE, features), of_labels or (label_readers[0] if has_labels else None)


def _file_of_labels(features: Iterable[str], has_labels: bool) -> str:
    """Return the file of the features, whose labels are meant where none are named; DataError if there are several."""
    files = {split_source(src)[0] for src in features}
    if len(files) > 1 and has_labels:
        raise DataError("labels must be named, as the channels of the features are in several files")
    return next(iter(files))


def open_labels(source: str, csv: CSVFormat | None = None, load: bool = True) -> Reader:
    """Return the reader of labels, groups or weights, whose file may be of another kind than that of the features.

    Parameters
    ----------
    source, load
        As in `get_reader`.
    csv : CSVFormat, optional
        Format of text tables, ignored for other files.

    Returns
    -------
    Reader
    """
    return get_reader(source, labels=True, load=load, csv=csv if is_text_source(source) else None)


def is_source(value: Any) -> bool:
    """Return whether a value names or reads data (a path, or a reader of any class), rather than being the data."""
    return isinstance(value, str | os.PathLike) or hasattr(value, "iter_epoch")


def is_text_source(src: str) -> bool:
    """Return whether a source is a text table."""
    path = Path(split_source(os.path.expanduser(os.path.expandvars(src)))[0])
    return path.is_file() and is_text(path)


def _of_object(src: Any, labels: bool) -> Reader:
    """Return the reader of an object that is not a path."""
    value = features_and_labels(src)[labels] if is_dataset(src) else src
    reader = reader_of(value)
    if not reader.shape:
        what = "labels" if labels else "rows"
        raise DataError(f"a source must be a path, an array, a reader or a dataset with {what}; got {src!r:.80}")
    return reader


def _table(
    path: Path,
    key: str,
    labels: bool,
    columns: Columns | None,
    csv: Mapping[str, Any] | CSVFormat | None,
    options: Mapping[str, Any],
) -> tuple[Table | None, Columns | None]:
    """Return the table that a source names (None if it has no columns), and the requested columns."""
    if path.is_dir() or path.suffix.lower() in (".npy", ".npz"):
        table, asked = None, ""
    elif is_text(path) or path.suffix.lower() == ".parquet":
        table, asked = table_at(path, "", csv), key
        for option in sorted(options):
            raise DataError(f"{path}: {option!r} does not apply to this kind of source")
    elif "color" in options:
        table, asked = None, ""
    else:
        from arignote.data.readers.hdf5 import is_hdf5, tables_in

        if path.suffix.lower() not in HDF5_ENDINGS and not is_hdf5(path):
            endings = ", ".join((*TEXT, ".parquet", ".npy", ".npz"))
            raise DataError(f"{path}: is not an HDF5 file, and files of data that are not must end in {endings}")
        available = tables_in(path)
        bare = {name.strip("/"): name for name in available}
        name, asked = key, ""
        while name and name.strip("/") not in bare and ":" in name:
            name, _, last = name.rpartition(":")
            asked = f"{last}:{asked}" if asked else last
        if name and name.strip("/") not in bare:
            # HDFReader raises the error, which lists the tables.
            return None, None
        name = bare[name.strip("/")] if name else _chosen(path, "", labels, available)
        table = table_at(path, name)
    if csv is not None and (table is None or table.dialect is None):
        raise DataError(f"{path}: 'csv' does not apply to this kind of source")
    if columns is not None and table is None:
        raise DataError(f"{path}: 'columns' does not apply to this kind of source")
    if columns is not None and asked:
        raise DataError(f"{path}: columns are given twice: {asked!r} after the colon and columns: {columns!r}")
    return table, columns if columns is not None else asked or None


def _of_path(path: Path, key: str, labels: bool, options: dict[str, Any]) -> Reader:
    suffix = path.suffix.lower()
    allowed = {"size", "mode"} if path.is_dir() else set[str]() if suffix in (".npy", ".npz") else {"color"}
    for option in sorted(set(options) - allowed):
        raise DataError(f"{path}: {option!r} does not apply to this kind of source")
    if path.is_dir():
        from arignote.data.readers.images import ImageFolderReader

        # Labels are names of folders: images of any size are accepted.
        images = ImageFolderReader(path, **({"size": (1, 1)} if labels else options))
        return ArrayReader(images.labels, f"{path} (folders)") if labels else images
    if suffix in (".npy", ".npz"):
        return _numpy(path, key, labels)
    from arignote.data.readers.hdf5 import HDFReader, tables_in

    table = key if key else _chosen(path, "", labels, tables_in(path))
    return HDFReader(path, table, **options)


def _numpy(path: Path, key: str, labels: bool) -> Reader:
    """Return a memory map of a .npy, or an array of a .npz."""
    from arignote.data.readers.npy import arrays_in, map_npy, read_npz

    if path.suffix.lower() == ".npy":
        return ArrayReader(map_npy(path), str(path))
    name = _chosen(path, key, labels, arrays_in(path))
    return ArrayReader(read_npz(path, name), f"{path}:{name}")


def _chosen(path: Path, key: str, labels: bool, available: list[str]) -> str:
    """Return the name of the table: `key`, the only table, or the only one for labels (or for features) by its name."""
    if key in available:
        return key
    if key:
        raise DataError(f"{path}: has no table {key!r}. {available_names(key, available)}")
    named = [name for name in available if name.rpartition("/")[2].lower() in LABELS]
    fitting = named if labels else [name for name in available if name not in named]
    if len(available) == 1 or len(fitting) == 1:
        return (fitting or available)[0]
    choices = ", ".join(f"{path.name}:{name}" for name in available)
    raise DataError(f"{path}: holds several tables; name one: {choices}")
