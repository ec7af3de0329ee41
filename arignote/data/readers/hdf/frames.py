"""pandas in HDF5: Series and DataFrames of the fixed and the table format, read by their blocks of columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.hdf.attributes import (
    attribute,
    check_filters,
    child,
    dataset,
    pickled_attribute,
    plain_of,
    text_of,
    whole,
)
from arignote.data.readers.hdf.blocks import HDFTable
from arignote.data.readers.hdf.column_blocks import ColumnBlock, block_of, field_of, objects, plan
from arignote.errors import DataError

__all__ = ["axis_labels", "frame", "value_blocks"]

Array = NDArray[Any]


def frame(group: Any, where: str, kind: str, columns: Sequence[str] | None) -> HDFTable:
    """Open a pandas Series, (rows,), or DataFrame, (rows, n_columns), in either format.

    Parameters
    ----------
    group : h5py.Group
    where : str
        Name of the object in errors.
    kind : str
        `pandas_type` of the group.
    columns : sequence of str, optional
        Columns of a DataFrame; by default all.

    Returns
    -------
    HDFTable

    Raises
    ------
    DataError
        If there is no such column, it holds no numbers, or the object has a MultiIndex.
    """
    series = kind.startswith("series")
    if series and columns is not None:
        raise DataError(f"{where}: is a pandas Series, which has no columns to choose from")
    fetch: Callable[[int, int], Any] = slice
    row_bytes = None
    if kind.endswith("table"):
        data = dataset(group, "table")
        check_filters(data, where)
        blocks, names = value_blocks(group, data, where)
        n_rows, chunk, row_bytes = len(data), data.chunks and data.chunks[0], data.dtype.itemsize
        fetch = lambda a, b: data[a:b]  # noqa: E731
    else:
        # axis0 has the names of the columns, axis1 those of the rows.
        axes = ("index",) if series else ("axis0", "axis1")
        if any(text_of(group, f"{axis}_variety") == "multi" for axis in axes):
            raise DataError(f"{where}: has a MultiIndex, which is not read; save it after reset_index()")
        names = ["values"] if series else axis_labels(group, "axis0")
        n_blocks = 1 if series else int(attribute(group, "nblocks"))
        pieces = (
            [("values", names)]
            if series
            else [(f"block{i}_values", axis_labels(group, f"block{i}_items")) for i in range(n_blocks)]
        )
        opened = [_fixed(group, where, name, labels) for name, labels in pieces]
        blocks = [block for block, _, _ in opened]
        sizes = {rows for _, rows, _ in opened if rows is not None}
        if len(sizes) > 1:
            raise DataError(f"{where}: its blocks have different numbers of rows: {sorted(sizes)}")
        n_rows, chunk = max(sizes, default=0), max((size for _, _, size in opened if size), default=None)
        row_bytes = sum(len(block.labels) * block.dtype.itemsize for block in blocks)
    if series:
        (block,) = blocks
        if block.unsupported:
            raise DataError(f"{where}: holds {block.unsupported}, not numbers or strings")
        return HDFTable(where, (n_rows,), block.dtype, lambda a, b: block.cut(fetch(a, b)), chunk, row_bytes=row_bytes)
    dtype, width, assemble = plan(where, blocks, names, columns)
    shape = (n_rows, width)
    return HDFTable(where, shape, dtype, lambda a, b: assemble(fetch(a, b), b - a), chunk, names, row_bytes=row_bytes)


def _fixed(group: Any, where: str, name: str, labels: list[str]) -> tuple[ColumnBlock, int | None, int | None]:
    """Return one block of a fixed-format object, its rows, and its rows per chunk; `cut` takes a slice."""
    data = dataset(group, name)
    unsupported = text_of(data, "value_type")
    unsupported = unsupported if unsupported.startswith(("date", "time")) else ""
    if "shape" in data.attrs:
        # HDF5 cannot store an empty block: pandas writes a placeholder of one element, and the shape as an attribute.
        # It is that of the block in memory, (columns, rows).
        rows = int(plain_of(data, "shape")[-1])
        return (
            block_of(data.id.get_type(), labels, lambda s: np.empty((s.stop - s.start, len(labels))), unsupported),
            rows,
            None,
        )
    # PyTables writes objects as one pickle, the only row of a VLArray.
    if text_of(data, "PSEUDOATOM") == "object":
        if name != "values":
            return (
                ColumnBlock(
                    labels, np.dtype(object), lambda s: np.empty(0), unsupported=unsupported or "strings or objects"
                ),
                None,
                None,
            )
        values = objects(pickled_attribute(data, name, bytes(data[0])))
        return ColumnBlock(labels, np.dtype(object), lambda s: values[s], unsupported=unsupported), len(values), None
    check_filters(data, where)
    # A block in memory is (columns, rows), and is usually stored transposed, rows first.
    flip = data.ndim > 1 and not attribute(data, "transposed")
    shape = data.shape[::-1] if flip else data.shape
    if shape[1:] not in ((), (len(labels),)):
        raise DataError(f"{where}/{name}: has {shape[1:]} columns, but {len(labels)} names")
    block = block_of(
        data.id.get_type(), labels, lambda s: data[:, s].T if flip else data[s], unsupported, text_of(group, "encoding")
    )
    return block, shape[0], data.chunks[-1 if flip else 0] if data.chunks else None


def axis_labels(group: Any, name: str) -> list[str]:
    """Return the labels of an axis of a fixed-format object."""
    data = dataset(group, name)
    if text_of(data, "PSEUDOATOM") == "object":
        return [str(label) for label in pickled_attribute(data, name, bytes(data[0]))]
    if "shape" in data.attrs:
        return []
    encoding = text_of(group, "encoding") or "utf-8"
    labels = whole(data, f"{data.file.filename}: {data.name}").tolist()
    return [label.decode(encoding) if isinstance(label, bytes) else str(label) for label in labels]


def value_blocks(group: Any, data: Any, where: str) -> tuple[list[ColumnBlock], list[str]]:
    """Return the blocks of a pandas table, and the names of its columns in order; `cut` takes a structured array.

    Parameters
    ----------
    group : h5py.Group
        The pandas object, in the table format.
    data : h5py.Dataset
        Its table.
    where : str
        Name of the object in errors.

    Raises
    ------
    DataError
        If it has a MultiIndex, or was appended column by column.
    """
    ((axis, names),) = plain_of(group, "non_index_axes")
    if "multi" in text_of(group, "table_type") or any(isinstance(name, tuple) for name in names):
        raise DataError(f"{where}: has a MultiIndex, which is not read; save it after reset_index()")
    if text_of(group, "pandas_type") == "frame_table" and axis != 1:
        raise DataError(f"{where}: was appended column by column; it cannot be read by rows")
    kind, fields = data.id.get_type(), list(data.dtype.names)
    blocks = []
    for field in plain_of(group, "values_cols"):
        labels = [str(label) for label in plain_of(data, f"{field}_kind")]
        form, meta = text_of(data, f"{field}_dtype"), text_of(data, f"{field}_meta")
        unsupported = form if form.startswith(("date", "time")) else ""
        missing = text_of(data, f"{field}_nan_rep") or text_of(group, "nan_rep")
        # "N." is the pickle of None; without nan_rep, pandas writes "nan".
        missing = "nan" if missing in ("", "N.") else missing
        cut = field_of(field)
        block = block_of(
            kind.get_member_type(fields.index(field)), labels, cut, unsupported, text_of(group, "encoding"), missing
        )
        if math.prod(data.dtype[field].shape) != len(labels):
            raise DataError(f"{where}: field {field!r} is {data.dtype[field].shape}, but has {len(labels)} names")
        if meta == "category":
            block = _category(child(group, f"meta/{field}/meta"), f"{where}/meta/{field}/meta", labels, cut)
        blocks.append(block)
    return blocks, [str(name) for name in names]


def _category(group: Any, where: str, labels: list[str], cut: Callable[[Any], Array]) -> ColumnBlock:
    known = frame(group, where, text_of(group, "pandas_type"), None)
    values = known.read(0, len(known))

    def strings(raw: Any) -> Array:
        codes = cut(raw).astype(np.int64)
        if values.dtype.kind not in "Of" and (codes < 0).any():
            raise DataError(f"{where}: some rows have no category, which {values.dtype} cannot represent")
        # The code -1, a missing value, selects the NaN appended at the end.
        more = np.array([np.nan], values.dtype) if values.dtype.kind in "Of" else values[:0]
        return np.concatenate([values, more])[codes]

    return ColumnBlock(labels, values.dtype, strings)
