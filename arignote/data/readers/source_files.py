"""From the path of a source, and what is named within the file, to its table or its reader."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arignote.data.readers.base import ArrayReader, Reader
from arignote.data.readers.column_roles import LABELS
from arignote.data.readers.tables import HDF5_ENDINGS, TEXT, Table, is_text_file, table_at
from arignote.data.specs import CSVFormat
from arignote.data.values.columns import Columns
from arignote.errors import DataError, available_names

__all__ = ["reader_of_path", "table_of_path"]


def table_of_path(
    path: Path,
    key: str,
    labels: bool,
    columns: Columns | None,
    csv: Mapping[str, Any] | CSVFormat | None,
    options: Mapping[str, Any],
) -> tuple[Table | None, Columns | None]:
    """Return the table that a source names (None if it has no columns), and the requested columns.

    Parameters
    ----------
    path : Path
        File or folder.
    key : str
        What follows the colon of the source: columns of a text table, or the name of a table within the file.
    labels : bool
        Whether labels are read.
    columns : str, int or sequence of these, optional
        Columns that the caller asks for.
    csv : dict or CSVFormat, optional
        Format of text tables.
    options : dict
        Other options of the source, such as `color`.

    Raises
    ------
    DataError
        If an option does not apply to this kind of source, or the file has no such table.
    """
    if path.is_dir() or path.suffix.lower() in (".npy", ".npz"):
        table, asked = None, ""
    elif is_text_file(path) or path.suffix.lower() == ".parquet":
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
        while name and name.strip("/") not in bare and ":" in name:  # a name may hold colons: what follows is columns
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


def reader_of_path(path: Path, key: str, labels: bool, options: dict[str, Any]) -> Reader:
    """Return the reader of a file or a folder without columns to choose from, of a table by its name in the file.

    Parameters
    ----------
    path, key, labels, options : object
        As of `table_of_path`.

    Raises
    ------
    DataError
        If an option does not apply to this kind of source.
    """
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
