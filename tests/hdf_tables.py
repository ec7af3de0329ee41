"""Tables in HDF5 files for tests: a table read whole and in pieces, frames, and panels as pandas wrote them in 2015."""

from __future__ import annotations

import pickle

import h5py
import numpy as np
import pandas as pd

from arignote.data.readers.hdf import open_table

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(50, 3)), columns=list("abc"))
MIXED = pd.DataFrame({"a": np.arange(50), "b": RNG.normal(size=50), "c": np.arange(50, dtype="int8"), "d": np.ones(50)})


def whole(file, path, **kw):
    """The table read at once, after seeing that odd slices give the same."""
    table = open_table(file, path, **kw)
    found = table.read(0, len(table))
    assert found.shape == table.shape and found.dtype == table.dtype
    pieces = [table.read(start, start + 7) for start in range(0, len(table), 7)]
    assert all(piece.shape[1:] == table.shape[1:] for piece in pieces)
    assert not pieces or pd.DataFrame(np.concatenate(pieces).reshape(len(table), -1)).equals(
        pd.DataFrame(found.reshape(len(table), -1))
    )
    assert table.read(3, 3).shape == (0, *table.shape[1:])
    return found


def write_panel(path, images, *, labels=None, items=None, axes=("labels", "major_axis", "minor_axis"), name="images"):
    """Write as the pandas of 2015: a line for every label of the indexed axes, with the values along the other axis.

    Its own attributes are pickled as PyTables pickles them (protocol 0).
    """
    order = ["labels", "items", "major_axis", "minor_axis"][4 - images.ndim :]
    ticks = dict(zip(order, [list(range(size)) for size in images.shape], strict=True))
    ticks[order[0]] = labels or ticks[order[0]]
    ticks["items"] = items or ticks["items"]
    (loose,) = set(order) - set(axes)
    values = np.moveaxis(images, [order.index(axis) for axis in (*axes, loose)], range(images.ndim))
    lines = np.empty(
        values[..., 0].size,
        [
            *((axis, np.array(ticks[axis]).dtype.str.replace("U", "S")) for axis in axes),
            ("values_block_0", images.dtype, (values.shape[-1],)),
        ],
    )
    grid = np.meshgrid(*(np.array(ticks[axis]) for axis in axes), indexing="ij")
    for axis, column in zip(axes, grid, strict=True):
        lines[axis] = column.ravel()
    lines["values_block_0"] = values.reshape(len(lines), -1)
    with h5py.File(path, "a") as file:
        if name in file:
            table = file[name]["table"]
            table.resize(len(table) + len(lines), 0)
            table[-len(lines) :] = lines
            return
        group = file.create_group(name)
        table = group.create_dataset("table", data=lines, maxshape=(None,), chunks=(64,), compression="gzip")

        def put(item, **attributes):
            for key, value in attributes.items():
                item.attrs[key] = np.bytes_(value if isinstance(value, str) else pickle.dumps(value, protocol=0))

        put(group, pandas_type="wide_table", table_type="appendable_ndim", nan_rep="nan", encoding="UTF-8", info={})
        put(group, index_cols=[(order.index(axis), axis) for axis in axes], values_cols=["values_block_0"])
        put(group, non_index_axes=[(order.index(loose), ticks[loose])], data_columns=[])
        put(table, values_block_0_kind=ticks[loose], values_block_0_meta=None, values_block_0_dtype=str(images.dtype))
