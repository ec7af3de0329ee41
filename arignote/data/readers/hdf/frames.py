"""pandas in HDF5: Series and DataFrames of the fixed and the table format, by their blocks of columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.hdf.attributes import (
    attribute,
    child,
    dataset,
    plain_of,
    see_filters,
    text_of,
    unpickled,
    whole,
)
from arignote.data.readers.hdf.parts import Part, Table, field_of, objects, part_of, plan
from arignote.errors import DataError

__all__ = ["axis_labels", "blocks", "frame"]

Array = NDArray[Any]


def frame(group: Any, where: str, kind: str, columns: Sequence[str] | None) -> Table:
    """Return a pandas Series, (rows,), or DataFrame, (rows, columns), in either format."""
    series = kind.startswith("series")
    if series and columns is not None:
        raise DataError(f"{where}: is a pandas Series, which has no columns to choose from")
    fetch: Callable[[int, int], Any] = slice
    row_bytes = None
    if kind.endswith("table"):
        data = dataset(group, "table")
        see_filters(data, where)
        parts, names = blocks(group, data, where)
        n_rows, chunk, row_bytes = len(data), data.chunks and data.chunks[0], data.dtype.itemsize
        fetch = lambda a, b: data[a:b]  # noqa: E731
    else:
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
        found = [_fixed(group, where, name, labels) for name, labels in pieces]
        parts = [part for part, _, _ in found]
        sizes = {rows for _, rows, _ in found if rows is not None}
        if len(sizes) > 1:
            raise DataError(f"{where}: its blocks have different numbers of rows: {sorted(sizes)}")
        n_rows, chunk = max(sizes, default=0), max((size for _, _, size in found if size), default=None)
        row_bytes = sum(len(part.labels) * part.dtype.itemsize for part in parts)
    if series:
        (part,) = parts
        if part.odd:
            raise DataError(f"{where}: holds {part.odd}, not numbers or strings")
        return Table(where, (n_rows,), part.dtype, lambda a, b: part.cut(fetch(a, b)), chunk, row_bytes=row_bytes)
    dtype, width, assemble = plan(where, parts, names, columns)
    shape = (n_rows, width)
    return Table(where, shape, dtype, lambda a, b: assemble(fetch(a, b), b - a), chunk, names, row_bytes=row_bytes)


def _fixed(group: Any, where: str, name: str, labels: list[str]) -> tuple[Part, int | None, int | None]:
    """Return one block of a fixed-format object, its number of rows and rows per chunk; raw is a slice."""
    data = dataset(group, name)
    odd = text_of(data, "value_type")
    odd = odd if odd.startswith(("date", "time")) else ""
    if "shape" in data.attrs:
        # An empty block cannot be written; its shape stands beside a stand-in of one element.
        rows = int(plain_of(data, "shape")[-1])
        return part_of(data.id.get_type(), labels, lambda s: np.empty((s.stop - s.start, len(labels))), odd), rows, None
    if text_of(data, "PSEUDOATOM") == "object":
        if name != "values":
            return Part(labels, np.dtype(object), lambda s: np.empty(0), odd=odd or "strings or objects"), None, None
        values = objects(unpickled(data, name, bytes(data[0])))
        return Part(labels, np.dtype(object), lambda s: values[s], odd=odd), len(values), None
    see_filters(data, where)
    flip = data.ndim > 1 and not attribute(data, "transposed")
    shape = data.shape[::-1] if flip else data.shape
    if shape[1:] not in ((), (len(labels),)):
        raise DataError(f"{where}/{name}: has {shape[1:]} columns, but {len(labels)} names")
    part = part_of(
        data.id.get_type(), labels, lambda s: data[:, s].T if flip else data[s], odd, text_of(group, "encoding")
    )
    return part, shape[0], data.chunks[-1 if flip else 0] if data.chunks else None


def axis_labels(group: Any, name: str) -> list[str]:
    """Return the labels of an axis of a fixed-format object."""
    data = dataset(group, name)
    if text_of(data, "PSEUDOATOM") == "object":
        return [str(label) for label in unpickled(data, name, bytes(data[0]))]
    if "shape" in data.attrs:
        return []
    encoding = text_of(group, "encoding") or "utf-8"
    labels = whole(data, f"{data.file.filename}: {data.name}").tolist()
    return [label.decode(encoding) if isinstance(label, bytes) else str(label) for label in labels]


def blocks(group: Any, data: Any, where: str) -> tuple[list[Part], list[str]]:
    """Return the value columns of a pandas table, and their labels in order; raw is a compound array."""
    ((axis, names),) = plain_of(group, "non_index_axes")
    if "multi" in text_of(group, "table_type") or any(isinstance(name, tuple) for name in names):
        raise DataError(f"{where}: has a MultiIndex, which is not read; save it after reset_index()")
    if text_of(group, "pandas_type") == "frame_table" and axis != 1:
        raise DataError(f"{where}: was appended column by column; it cannot be read by rows")
    kind, there = data.id.get_type(), list(data.dtype.names)
    parts = []
    for field in plain_of(group, "values_cols"):
        labels = [str(label) for label in plain_of(data, f"{field}_kind")]
        form, meta = text_of(data, f"{field}_dtype"), text_of(data, f"{field}_meta")
        odd = form if form.startswith(("date", "time")) else ""
        missing = text_of(data, f"{field}_nan_rep") or text_of(group, "nan_rep")
        missing = "nan" if missing in ("", "N.") else missing
        cut = field_of(field)
        part = part_of(kind.get_member_type(there.index(field)), labels, cut, odd, text_of(group, "encoding"), missing)
        if math.prod(data.dtype[field].shape) != len(labels):
            raise DataError(f"{where}: field {field!r} is {data.dtype[field].shape}, but has {len(labels)} names")
        if meta == "category":
            part = _category(child(group, f"meta/{field}/meta"), f"{where}/meta/{field}/meta", labels, cut)
        parts.append(part)
    return parts, [str(name) for name in names]


def _category(group: Any, where: str, labels: list[str], cut: Callable[[Any], Array]) -> Part:
    known = frame(group, where, text_of(group, "pandas_type"), None)
    values = known.read(0, len(known))

    def strings(raw: Any) -> Array:
        codes = cut(raw).astype(np.int64)
        if values.dtype.kind not in "Of" and (codes < 0).any():
            raise DataError(f"{where}: some rows have no category, which {values.dtype} cannot say")
        # Code -1, a missing value, picks the NaN at the end.
        more = np.array([np.nan], values.dtype) if values.dtype.kind in "Of" else values[:0]
        return np.concatenate([values, more])[codes]

    return Part(labels, values.dtype, strings)
