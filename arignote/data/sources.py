"""Sources named in a config, on the command line or in Python -> readers, chosen by type, extension and table name."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from arignote.data.datasets import features_and_labels, is_dataset
from arignote.data.reader import IN_MEMORY, ArrayReader, Reader, reader_of
from arignote.errors import DataError, there_are
from arignote.spec import Source

__all__ = ["LABELS", "get_reader", "open_source", "read_source"]

LABELS = ("label", "labels", "target", "targets")
_log = logging.getLogger(__name__)


def get_reader(
    src: Any, labels: bool = False, *, base: Path | None = None, load: bool = True, **options: Any
) -> Reader:
    """Return the reader of a source.

    Parameters
    ----------
    src : str, Path, array, Reader, object with `iter_epoch`, or dataset
        "file.h5:/path/in/file", "file.npy", "file.npz:key", "file.csv:column,column", "file.parquet:column", or a
        folder of images, one folder per class. What follows the colon may be left out where there is one table, or
        where tables are named after what they hold: label, labels, target, targets. Environment variables and ``~``
        are filled in.
    labels : bool
        Whether the labels of the source are wanted, not its features.
    base : Path, optional
        Folder from which a relative path starts.
    load : bool
        Whether a file up to 256 MB is read into memory.
    **options
        `color` of images in HDF5; `size` and `mode` of a folder of images.

    Returns
    -------
    Reader
        The choice is told to the logger "arignote.data.sources".

    Raises
    ------
    DataError
        Where the file is missing or broken, or has no such table (with those there are).
    """
    if not isinstance(src, str | os.PathLike):
        return _of_object(src, labels)
    name, key = _split(os.path.expanduser(os.path.expandvars(os.fspath(src))))
    path = (base or Path()) / name
    if not path.exists():
        hint = " An environment variable in it is not set." if "$" in name else ""
        raise DataError(f"{path}: there is no such file (source {str(src)!r}).{hint}")
    reader = _of_path(path, key, labels, {key: value for key, value in options.items() if value is not None})
    if load and reader.chunk_rows is not None and reader.dtype.itemsize * int(np.prod(reader.shape)) <= IN_MEMORY:
        reader = ArrayReader(reader.read(slice(0, len(reader))), reader.where)
    # Of what is in memory no file can change any more.
    of_rows = "in memory" if isinstance(reader, ArrayReader) and reader.stamp() is None else "single rows are read"
    how = of_rows if reader.chunk_rows is None else f"read {reader.chunk_rows} rows at a time"
    _log.info("%s -> %s %s %s, %s", src, reader.where, reader.shape, reader.dtype, how)
    return reader


def read_source(src: Any, labels: bool = False, *, base: Path | None = None, **options: Any) -> Any:
    """Return all rows of a source as an array; see `get_reader`."""
    reader = get_reader(src, labels, base=base, **options)
    return reader.array if isinstance(reader, ArrayReader) else reader.read(slice(0, len(reader)))


def open_source(source: Source, base: Path, load: bool = True, like: Source | None = None) -> tuple[Reader, Reader]:
    """Return the readers of features and labels of a source of a config.

    Parameters
    ----------
    source : Source
        Labels that it does not name are looked for where the features are.
    base, load
        As of `get_reader`.
    like : Source, optional
        Of this are colour, size and mode where the source does not say them.
    """
    options: dict[str, Any] = {
        key: getattr(like, key, None) if getattr(source, key) is None else getattr(source, key)
        for key in ("color", "size", "mode")
    }
    labels = source.labels or source.features.partition(":")[0]
    features = get_reader(source.features, base=base, load=load, **options)
    return features, get_reader(labels, labels=True, base=base, load=load)


def _of_object(src: Any, labels: bool) -> Reader:
    """Return the reader of what is no path."""
    found = features_and_labels(src)[labels] if is_dataset(src) else src
    reader = reader_of(found)
    if not reader.shape:
        what = "labels" if labels else "rows"
        raise DataError(f"a source must be a path, an array, a reader or a dataset with {what}; got {src!r:.80}")
    return reader


def _split(source: str) -> tuple[str, str]:
    """Take "path:key" apart; the colon of a drive stays."""
    drive, rest = os.path.splitdrive(source)
    name, _, key = rest.partition(":")
    return drive + name, key


def _of_path(path: Path, key: str, labels: bool, options: dict[str, Any]) -> Reader:
    suffix = path.suffix.lower()
    plain = (".npy", ".npz", ".csv", ".parquet")
    allowed = {"size", "mode"} if path.is_dir() else set[str]() if suffix in plain else {"color"}
    for option in sorted(set(options) - allowed):
        raise DataError(f"{path}: {option!r} does not go with this kind of source")
    if path.is_dir():
        from arignote.data.images import ImageFolderReader

        # Names of folders need no size.
        images = ImageFolderReader(path, **({"size": (1, 1)} if labels else options))
        return ArrayReader(images.labels, f"{path} (folders)") if labels else images
    if suffix in (".npy", ".npz"):
        return _numpy(path, key, labels)
    if suffix in (".csv", ".parquet"):
        return _columns(path, key, labels)
    from arignote.data.hdf5 import HDFReader, tables_in

    table = key if key else _chosen(path, "", labels, tables_in(path))
    return HDFReader(path, table, **options)


def _columns(path: Path, key: str, labels: bool) -> Reader:
    """Return columns of a table of text or of Parquet: those that are named, or all but the labels, or the labels."""
    from arignote.data.csv import CSVReader
    from arignote.data.parquet import ParquetReader

    is_csv = path.suffix.lower() == ".csv"
    columns: Any = key.split(",") if "," in key else key
    if not key:
        there = (CSVReader if is_csv else ParquetReader).names_in(path)
        named = [name for name in there if name.lower() in LABELS]
        if labels and len(named) != 1:
            raise DataError(f"{path}: which column holds the labels? Name it: {path.name}:{there[-1] if there else ''}")
        columns = named[0] if labels else [name for name in there if name not in named]
    elif not labels and isinstance(columns, str):
        columns = [columns]
    return CSVReader(path, columns, text=labels) if is_csv else ParquetReader(path, columns)


def _numpy(path: Path, key: str, labels: bool) -> Reader:
    """Return a memory map of a .npy, or an array of a .npz."""
    from arignote.data.npy import arrays_in, map_npy, read_npz

    if path.suffix.lower() == ".npy":
        return ArrayReader(map_npy(path), str(path))
    name = _chosen(path, key, labels, arrays_in(path))
    return ArrayReader(read_npz(path, name), f"{path}:{name}")


def _chosen(path: Path, key: str, labels: bool, there: list[str]) -> str:
    """Return the table that is meant: the one that is named, the only one, or the one whose name says what it is."""
    if key in there:
        return key
    if key:
        raise DataError(f"{path}: has no table {key!r}. {there_are(key, there)}")
    named = [name for name in there if name.rpartition("/")[2].lower() in LABELS]
    fitting = named if labels else [name for name in there if name not in named]
    if len(there) == 1 or len(fitting) == 1:
        return (fitting or there)[0]
    choices = ", ".join(f"{path.name}:{name}" for name in there)
    raise DataError(f"{path}: holds several tables; name one: {choices}")
