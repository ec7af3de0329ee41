"""Columns of a table in an HDF5 file that are stored together, and rows that are assembled from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import DataError, available_names, listed

__all__ = ["ColumnBlock", "block_of", "field_of", "objects", "plan"]

Array = NDArray[Any]


@dataclass(frozen=True)
class ColumnBlock:
    """Columns that are stored together: one block of a DataFrame, or one field of a table.

    Attributes
    ----------
    labels : list of str
        Names of the columns.
    dtype : numpy.dtype
        dtype of the values.
    cut : callable
        Returns the values of the columns from the raw data of a read.
    width : int
        Values per column and row.
    unsupported : str
        What the columns hold, if it is neither numbers nor strings.
    """

    labels: list[str]
    dtype: np.dtype[Any]
    cut: Callable[[Any], Array]
    width: int = 1
    unsupported: str = ""


def block_of(
    kind: Any,
    labels: list[str],
    cut: Callable[[Any], Array],
    unsupported: str = "",
    encoding: str = "",
    missing: str | None = None,
) -> ColumnBlock:
    """Return the block of columns of an HDF5 type.

    Parameters
    ----------
    kind : h5py.h5t.TypeID
        Type of the values.
    labels : list of str
        Names of the columns.
    cut : callable
        See `ColumnBlock`.
    unsupported : str
        Kind of the columns, if their type does not determine it.
    encoding : str
        Encoding of strings; UTF-8 if empty.
    missing : str, optional
        String that marks a missing value.

    Returns
    -------
    ColumnBlock
    """
    import h5py

    width, form = 1, kind.get_class()
    if form == h5py.h5t.ARRAY:
        # A table of pandas has one field for all columns of a type.
        width, kind = math.prod(kind.get_array_dims()) // len(labels), kind.get_super()
        form = kind.get_class()
    if form == h5py.h5t.BITFIELD and kind.get_size() == 1:
        # PyTables keeps booleans as bit fields.
        return ColumnBlock(labels, np.dtype(bool), lambda raw: cut(raw).astype(bool), width, unsupported)
    if form == h5py.h5t.STRING:

        def strings(raw: Any) -> Array:
            field = cut(raw)
            flat = [value.decode(encoding or "utf-8") if isinstance(value, bytes) else value for value in field.ravel()]
            return objects([np.nan if value == missing else value for value in flat]).reshape(field.shape)

        return ColumnBlock(labels, np.dtype(object), strings, width, unsupported)
    try:
        dtype = kind.dtype
    except TypeError:
        return ColumnBlock(
            labels, np.dtype(object), cut, width, unsupported or "values of a type that NumPy lacks, such as times"
        )
    if dtype.kind in "biufc":
        # Native bytes: PyTorch takes no others.
        return ColumnBlock(labels, dtype.newbyteorder("="), cut, width, unsupported)
    what = {h5py.h5t.VLEN: "rows of different lengths", h5py.h5t.COMPOUND: "columns within a column"}
    return ColumnBlock(labels, dtype, cut, width, unsupported or what.get(form, f"values of type {dtype}"))


def plan(
    where: str, blocks: list[ColumnBlock], names: list[str], columns: Sequence[str] | None
) -> tuple[np.dtype[Any], int, Callable[[Any, int], Array]]:
    """Plan how columns are assembled from blocks.

    Parameters
    ----------
    where : str
        Name of the table in errors.
    blocks : list of ColumnBlock
    names : list of str
        Names of all columns.
    columns : sequence of str, optional
        The requested columns; by default all.

    Returns
    -------
    dtype : numpy.dtype
        Common dtype of the columns.
    width : int
        Number of values per row.
    assemble : callable
        Returns the array (rows, width) of raw data and a number of rows.

    Raises
    ------
    DataError
        If there is no such column, or a column holds neither numbers nor strings.
    """
    wanted = list(names if columns is None else columns)
    spots = {label: (block, j) for block in blocks for j, label in enumerate(block.labels)}
    for name in wanted:
        if name not in spots:
            raise DataError(f"{where}: has no column {name!r}. {available_names(name, names)}")
    if not wanted or len(set(names)) < len(names):
        raise DataError(f"{where}: has {'columns of the same name' if wanted else 'no columns to read'}")
    text = [name for name in wanted if spots[name][0].dtype.kind == "O"]
    numbers = [name for name in names if spots[name][0].dtype.kind in "biufc" and not spots[name][0].unsupported]
    for name in wanted:
        unsupported = spots[name][0].unsupported or (
            name in text and (columns is None or len(text) < len(wanted)) and "strings"
        )
        if unsupported:
            raise DataError(
                f"{where}: column {name!r} holds {unsupported}, not numbers. Columns of numbers: {listed(numbers)}"
            )
    # By block, each of which is cut once in a read, however many of its columns are wanted.
    moves: dict[int, tuple[ColumnBlock, list[int], list[int]]] = {}
    total = 0
    for block, j in (spots[name] for name in wanted):
        _, take, put = moves.setdefault(id(block), (block, [], []))
        take += range(j * block.width, (j + 1) * block.width)
        put += range(total, total + block.width)
        total += block.width
    dtype = np.result_type(*(block.dtype for block, _, _ in moves.values()))
    steps = [(block, _span(take), _span(put)) for block, take, put in moves.values()]

    def assemble(raw: Any, rows: int) -> Array:
        out = np.empty((rows, total), dtype)
        for block, take, put in steps:
            out[:, put] = block.cut(raw).reshape(rows, len(block.labels) * block.width)[:, take]
        return out

    return dtype, total, assemble


def _span(places: list[int]) -> slice | list[int]:
    """Return adjacent places as a slice, which NumPy copies much faster than a list of places."""
    whole = range(places[0], places[-1] + 1)
    return slice(whole.start, whole.stop) if places == list(whole) else places


def field_of(name: str) -> Callable[[Any], Array]:
    """Return a function that selects the field `name` of a structured array."""
    return lambda raw: np.asarray(raw[name])


def objects(values: Any) -> Array:
    """Return values (n,) of any types as an array of objects."""
    out = np.empty(len(values), object)
    out[:] = list(values)
    return out
