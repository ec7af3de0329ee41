"""Listing and opening the tables of an HDF5 file with h5py only: plain arrays, PyTables, pandas, also of 2015."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.data.readers.hdf.attributes import check_filters, child, dataset, dtype_of, reporting, text_of
from arignote.data.readers.hdf.blocks import HDFTable
from arignote.data.readers.hdf.column_blocks import block_of, field_of, plan
from arignote.data.readers.hdf.frames import axis_labels, frame, value_blocks
from arignote.data.readers.hdf.panels import panel
from arignote.errors import DataError, available_names, listed

if TYPE_CHECKING:
    import h5py

__all__ = ["columns_of", "open_table", "tables_of"]

# Values of pandas_type; "wide_table" is a Panel, "ndim_table" a Panel4D.
_PANDAS = ("series", "frame", "series_table", "frame_table", "wide_table", "ndim_table")


def tables_of(file: h5py.File) -> list[str]:
    """Return the paths of arrays, of tables, and of pandas objects (their groups), as `open_table` takes them."""
    import h5py

    paths: list[str] = []
    groups: set[str] = set()

    def visit(name: str, item: Any) -> None:
        path = f"/{name}"
        parent = path.rpartition("/")[0]
        # Indices of PyTables, and categories, which pandas keeps below "meta", are no tables of the user.
        if "/_i_" in path or any(path[: at.start()] in groups for at in re.finditer("/meta/", path)):
            return
        if isinstance(item, h5py.Group) and "pandas_type" in item.attrs:
            groups.add(path)
            paths.extend([path] * (text_of(item, "pandas_type") in _PANDAS))
        elif isinstance(item, h5py.Dataset) and item.shape and parent not in groups and _readable(item):
            paths.append(path)

    with reporting(file.filename):
        file.visititems(visit)
    return paths


def columns_of(file: h5py.File, path: str) -> list[str]:
    """Return the names of all columns of a table or DataFrame, of any type; empty for an array or a Series."""
    import h5py

    with reporting(f"{file.filename}: {path}"):
        item = child(file, "/" + path.strip("/"))
        if isinstance(item, h5py.Dataset):
            return list(dtype_of(item).names or ())
        kind = text_of(item, "pandas_type") if isinstance(item, h5py.Group) else ""
        if kind == "frame_table":
            return value_blocks(item, dataset(item, "table"), f"{file.filename}: {path}")[1]
        return axis_labels(item, "axis0") if kind == "frame" else []


def open_table(
    file: h5py.File, path: str, *, columns: Sequence[str] | None = None, color: int | str | None = None
) -> HDFTable:
    """Open the table at a path of an open file, without reading rows.

    Parameters
    ----------
    file : h5py.File
        Must stay open while rows are read.
    path : str
        One of `tables_of(file)`.
    columns : sequence of str, optional
        Columns of a table or DataFrame, in this order: (rows, n_columns); by default all. A single column of PyTables
        that holds arrays keeps their shape: (rows, *shape). A column of strings can only be read by name, alone.
    color : int or str, optional
        The colour of a Panel4D (rows, colours, height, width): a label, or else a position. Its axis is kept, with
        length 1.

    Returns
    -------
    HDFTable

    Raises
    ------
    DataError
        If there is no such path, column or colour (the message lists those that exist); for ragged arrays, strings
        among numbers, a MultiIndex, attributes that name code, a missing filter, and broken or missing data.
    """
    import h5py

    path = "/" + path.strip("/")
    columns = [columns] if isinstance(columns, str) else columns
    where = f"{file.filename}: {path}"
    with reporting(where):
        item = child(file, path)
        if item is None:
            available = tables_of(file)
            raise DataError(f"{where}: there is no such table. {available_names(path, available)}")
        pandas = isinstance(item, h5py.Group) and text_of(item, "pandas_type")
        if pandas in ("wide_table", "ndim_table"):
            if columns is not None:
                raise DataError(f"{where}: is a pandas Panel, which has no columns to choose from")
            return panel(item, where, color)
        if color is not None:
            raise DataError(f"{where}: color= is for images of a Panel4D, which this is not")
        if pandas in _PANDAS:
            return frame(item, where, str(pandas), columns)
        if not isinstance(item, h5py.Dataset):
            inside = [name for name in tables_of(file) if name.startswith(path.rstrip("/") + "/")]
            what = f"a pandas object of kind {pandas!r}, which is not read here" if pandas else "a group, not a table"
            raise DataError(f"{where}: is {what}. In it there are: {listed(inside)}")
        if not item.shape:
            raise DataError(f"{where}: holds {'nothing' if item.shape is None else 'one value'}, not rows")
        return _dataset(item, where, columns)


def _dataset(data: Any, where: str, columns: Sequence[str] | None) -> HDFTable:
    """Open a plain dataset, an array of PyTables, or a table of named columns."""
    check_filters(data, where)
    chunk = data.chunks[0] if data.chunks else None
    kind = data.id.get_type()
    names = list(dtype_of(data).names or ())
    if not names:
        block = block_of(kind, [""], lambda rows: np.asarray(data[rows]))
        if block.unsupported:
            raise DataError(f"{where}: holds {block.unsupported}, not numbers or strings")
        if columns is not None:
            raise DataError(f"{where}: is an array of shape {data.shape}: it has no columns by name")
        # Elements may be arrays themselves, of an array type.
        sub = dtype_of(data).shape
        return HDFTable(where, (*data.shape, *sub), block.dtype, lambda a, b: block.cut(slice(a, b)), chunk)
    if data.ndim > 1:
        raise DataError(f"{where}: is a table of {data.ndim} axes {data.shape}, where rows need one")
    blocks = [block_of(kind.get_member_type(i), [name], field_of(name)) for i, name in enumerate(names)]
    dtype, width, assemble = plan(where, blocks, names, columns)
    wanted = list(names if columns is None else columns)
    shape = (width,) if len(wanted) > 1 else data.dtype[wanted[0]].shape or (1,)
    # h5py reads these members of a row alone.
    fields = data.fields(wanted)
    read, row_bytes = (lambda a, b: assemble(fields[a:b], b - a)), data.dtype.itemsize
    return HDFTable(where, (len(data), *shape), dtype, read, chunk, names, row_bytes=row_bytes)


def _readable(data: Any) -> bool:
    return data.ndim == 1 if dtype_of(data).names else not block_of(data.id.get_type(), [""], np.asarray).unsupported
