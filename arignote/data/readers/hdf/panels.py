"""Panel and Panel4D of pandas in 2015, which current pandas cannot open: images, read by rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.hdf.attributes import check_filters, dataset, plain_of
from arignote.data.readers.hdf.blocks import HDFTable
from arignote.data.readers.hdf.column_blocks import plan
from arignote.data.readers.hdf.frames import value_blocks
from arignote.data.readers.memory_check import check_memory
from arignote.errors import DataError, listed

__all__ = ["panel"]

Array = NDArray[Any]


def panel(group: Any, where: str, color: int | str | None) -> HDFTable:
    """Open a Panel, (rows, h, w), or Panel4D, (rows, colours, h, w).

    A line of the stored table holds a label for each indexed axis, and the values along the one axis that is not
    indexed. Rows are in the order of the file, each as often as it was appended; pandas in 2015 sorted them by label,
    and kept the last row of each label.

    Parameters
    ----------
    group : h5py.Group
    where : str
        Name of the object in errors.
    color : int or str, optional
        The colour of a Panel4D that is read: a label, or else a position.

    Returns
    -------
    HDFTable

    Raises
    ------
    DataError
        If there is no such colour, or lines are missing or out of order.
    """
    lines = _Lines(group, where)
    shape, at = lines.shape, None
    if color is not None:
        if len(shape) != 4:
            raise DataError(f"{where}: color= is for images of a Panel4D, but this is a Panel: {shape}")
        at, shape = _colour(where, lines.labels(1), color), (shape[0], 1, *shape[2:])

    def read(start: int, stop: int) -> Array:
        values = lines.read(start, stop)
        return values if at is None else values[:, at : at + 1]

    data = lines.data
    if not lines.by_rows:
        return HDFTable(where, shape, lines.dtype, read, scattered=True)
    chunk = data.chunks[0] if data.chunks else None
    return HDFTable(where, shape, lines.dtype, read, chunk, lines=lines.per, row_bytes=lines.per * data.dtype.itemsize)


class _Lines:
    """The lines of a stored table, and how they form images.

    Attributes
    ----------
    shape : tuple of int
        Shape of all images.
    by_rows : bool
        Whether the lines of a row are consecutive; else each line holds one pixel of all rows.
    per : int
        Lines of a row if `by_rows`, else of all rows.
    """

    def __init__(self, group: Any, where: str):
        self.where, self.data = where, dataset(group, "table")
        check_filters(self.data, where)
        blocks, names = value_blocks(group, self.data, where)
        self.dtype, self._width, self._assemble = plan(where, blocks, names, None)
        self._indexed = {str(name): int(axis) for axis, name in plain_of(group, "index_cols")}
        ((self._loose, self._loose_labels),) = plain_of(group, "non_index_axes")
        self._first, *others = self._indexed
        self.by_rows = self._indexed[self._first] == 0
        n_lines, indexed, loose = len(self.data), self._indexed, self._loose
        all_axes = sorted((loose, *indexed.values())) == list(range(len(indexed) + 1))
        if not n_lines or not all_axes or not (self.by_rows or not loose):
            raise DataError(f"{where}: is empty, or its rows are not consecutive: axes {indexed}, {n_lines} lines")
        self._inner = others if self.by_rows else [self._first, *others]
        fields = self.data.fields(list(indexed))
        check_memory(
            n_lines * sum(self.data.dtype[name].itemsize for name in indexed), where, "the labels of its lines"
        )
        self._head = fields[: _period(fields, n_lines, self._first, others)] if self.by_rows else fields[:]
        self._sizes = [len(np.unique(self._head[name])) for name in self._inner]
        self.per = len(self._head)
        self._check_complete()
        # For each axis of what is read (rows, inner axes, values), its axis in the result.
        axes = [indexed[name] for name in self._inner]
        read_axes = [0, *axes, loose] if self.by_rows else [*axes, 0]
        lengths = [n_lines // self.per, *self._sizes, self._width] if self.by_rows else [*self._sizes, self._width]
        self._order = np.argsort(read_axes)
        self.shape = tuple(lengths[at] for at in self._order)

    def _check_complete(self) -> None:
        """Raise DataError if lines of a row are missing or out of order."""
        n_lines, sizes = len(self.data), self._sizes
        if math.prod(sizes) != self.per or n_lines % self.per:
            layout = " x ".join(map(str, sizes))
            raise DataError(f"{self.where}: its {n_lines} lines are not whole rows of {layout}: is it truncated?")
        for axis, name in enumerate(self._inner):
            # Along the axes of the others, a label must not change.
            grid = self._head[name].reshape(sizes)
            if (grid != grid[tuple(slice(None) if i == axis else slice(1) for i in range(len(sizes)))]).any():
                raise DataError(f"{self.where}: the lines of one row are out of order ({name})")

    def labels(self, axis: int) -> Sequence[Any]:
        """Return the labels of an axis of the images."""
        if self._loose == axis:
            return list(self._loose_labels)
        name = next(name for name, place in self._indexed.items() if place == axis)
        return list(dict.fromkeys(self._head[name].tolist()))

    def read(self, start: int, stop: int) -> Array:
        """Return the images from `start` to `stop`."""
        values = self._rows(start, stop) if self.by_rows else self._pixels(start, stop)
        return values.transpose(self._order)

    def _rows(self, start: int, stop: int) -> Array:
        raw = self.data[start * self.per : stop * self.per]
        axis = raw[self._first].reshape(-1, self.per)
        wrong = (axis != axis[:, :1]).any(1)
        for name in self._inner:
            wrong |= (raw[name].reshape(-1, self.per) != self._head[name]).any(1)
        if wrong.any():
            row = start + int(wrong.argmax())
            raise DataError(f"{self.where}: row {row} has lines missing or out of order, so it is not {self.shape[1:]}")
        return self._assemble(raw, len(raw)).reshape(stop - start, *self._sizes, self._width)

    def _pixels(self, start: int, stop: int) -> Array:
        step = min(self.per, (self.data.chunks or (self.per,))[0])
        check_memory(step * self.data.dtype.itemsize, self.where, "the lines of a chunk")
        # Each line has all rows: chunk by chunk, those that are wanted are kept.
        raws = (self.data[at : at + step] for at in range(0, self.per, step))
        return np.concatenate([self._assemble(raw, len(raw))[:, start:stop] for raw in raws]).reshape(
            *self._sizes, stop - start
        )


def _period(fields: Any, n_lines: int, first: str, others: list[str]) -> int:
    """Return the number of lines of the first row: until its label changes, or its first pixel occurs again."""
    # Read in pieces that grow, as all lines may be those of one row.
    size = min(n_lines, 4096)
    while True:
        head = fields[:size]
        again = np.logical_and.reduce([head[name] == head[name][0] for name in others]) | (
            head[first] != head[first][0]
        )
        ends = np.flatnonzero(again[1:])
        if ends.size or size == n_lines:
            return int(ends[0]) + 1 if ends.size else n_lines
        size = min(n_lines, 4 * size)


def _colour(where: str, known: Sequence[Any], color: int | str) -> int:
    labels = [label.decode() if isinstance(label, bytes) else label for label in known]
    # A label before a position, as labels may be numbers.
    if color in labels:
        return labels.index(color)
    if isinstance(color, int) and 0 <= color < len(labels):
        return color
    raise DataError(f"{where}: has no colour {color!r}. There are: {listed(labels)}")
