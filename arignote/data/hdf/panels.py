"""The Panel and Panel4D of the pandas of 2015, which today's pandas cannot open: images by rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.hdf.attributes import plain_of, see_filters
from arignote.data.hdf.frames import blocks
from arignote.data.hdf.parts import Table, plan
from arignote.errors import DataError, listed

__all__ = ["panel"]

Array = NDArray[Any]


def panel(group: Any, where: str, color: int | str | None) -> Table:
    """Return a Panel (rows, h, w) or Panel4D (rows, colours, h, w) of 2015, one line per row of pixels' values.

    A line of the table holds a label for every indexed axis, and the values along the one axis that is not. Rows come
    in the order of the file, each as often as it was appended: the pandas of 2015 sorted them by label and kept the
    last of a label.
    """
    data = group["table"]
    see_filters(data, where)
    parts, names = blocks(group, data, where)
    dtype, width, assemble = plan(where, parts, names, None)
    indexed = {str(name): int(axis) for axis, name in plain_of(group, "index_cols")}
    ((loose, labels),) = plain_of(group, "non_index_axes")
    first, *others = indexed
    by_rows = indexed[first] == 0
    if (
        not len(data)
        or sorted((loose, *indexed.values())) != list(range(len(indexed) + 1))
        or not (by_rows or not loose)
    ):
        raise DataError(f"{where}: holds nothing, or its rows do not lie together: axes {indexed}, {len(data)} lines")
    inner = others if by_rows else [first, *others]
    fields = data.fields(list(indexed))
    head = fields[: _period(fields, len(data), first, others)] if by_rows else fields[:]
    sizes = [len(np.unique(head[name])) for name in inner]
    per = len(head)
    if math.prod(sizes) != per or len(data) % per:
        raise DataError(
            f"{where}: its {len(data)} lines are not whole rows of {' x '.join(map(str, sizes))}: cut short?"
        )
    for axis, name in enumerate(inner):
        grid = head[name].reshape(sizes)
        if (grid != grid[tuple(slice(None) if i == axis else slice(1) for i in range(len(sizes)))]).any():
            raise DataError(f"{where}: the lines of one row do not lie in order ({name})")
    # Where each axis of the result stands in what is read: rows, inner axes, values.
    lies = [0, *(indexed[name] for name in inner), loose] if by_rows else [*(indexed[name] for name in inner), 0]
    lengths = dict(zip(lies, [len(data) // per, *sizes, width] if by_rows else [*sizes, width], strict=True))
    shape = tuple(lengths[axis] for axis in range(len(lies)))
    at = None
    if color is not None:
        if len(shape) != 4:
            raise DataError(f"{where}: color= is for the images of a Panel4D, but this is a Panel: {shape}")
        known = (
            labels if loose == 1 else list(dict.fromkeys(head[next(n for n in indexed if indexed[n] == 1)].tolist()))
        )
        at, shape = _colour(where, known, color), (shape[0], 1, *shape[2:])

    def read(start: int, stop: int) -> Array:
        if by_rows:
            raw = data[start * per : stop * per]
            own = raw[first].reshape(-1, per)
            wrong = (own != own[:, :1]).any(1)
            for name in inner:
                wrong |= (raw[name].reshape(-1, per) != head[name]).any(1)
            if wrong.any():
                row = start + int(wrong.argmax())
                raise DataError(f"{where}: row {row} has lines missing or out of order, so it is not {shape[1:]}")
            values = assemble(raw, len(raw)).reshape(stop - start, *sizes, width)
        else:
            step = (data.chunks or (len(data),))[0]
            values = np.concatenate(
                [assemble(raw, len(raw))[:, start:stop] for raw in (data[i : i + step] for i in range(0, per, step))]
            ).reshape(*sizes, stop - start)
        values = values.transpose(np.argsort(lies))
        return values if at is None else values[:, at : at + 1]

    if not by_rows:
        return Table(where, shape, dtype, read, scattered=True)
    chunk = data.chunks[0] if data.chunks else None
    return Table(where, shape, dtype, read, chunk, lines=per, row_bytes=per * data.dtype.itemsize)


def _period(fields: Any, n_lines: int, first: str, others: list[str]) -> int:
    """Return after how many lines the first row ends: its label changes, or its first pixel comes again."""
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
    if color in labels:
        return labels.index(color)
    if isinstance(color, int) and 0 <= color < len(labels):
        return color
    raise DataError(f"{where}: has no colour {color!r}. There are: {listed(labels)}")
