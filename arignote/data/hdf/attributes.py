"""What stands beside the data of an HDF5 file: attributes, filters, types; and one word for all that is broken.

PyTables and pandas open files by unpickling attributes, which can run code. Here only the attributes that a layout
needs are unpickled, by the unpickler that lets through numbers, strings, containers and arrays and nothing else.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from arignote.data.pickles import RestrictedUnpickler
from arignote.errors import DataError

__all__ = ["dtype_of", "plain_of", "see_filters", "telling", "text_of", "unpickled"]


def text_of(item: Any, name: str) -> str:
    """Return an attribute that is text, "" where it is absent or something else."""
    value = item.attrs.get(name)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def plain_of(item: Any, name: str) -> Any:
    """Return an attribute that PyTables may have pickled."""
    if name not in item.attrs:
        raise DataError(f"{item.file.filename}: {item.name}: lacks the attribute {name!r}: written only in part?")
    value = item.attrs[name]
    return unpickled(item, name, bytes(value)) if isinstance(value, bytes) else value


def unpickled(item: Any, name: str, data: bytes) -> Any:
    """Return what a pickled attribute holds; DataError where it names more than plain data."""
    try:
        return RestrictedUnpickler(io.BytesIO(data), encoding="latin1").load()
    except DataError as fault:
        raise DataError(f"{item.file.filename}: {item.name}: {name!r} {fault}") from None
    except Exception as fault:
        # A broken pickle may raise nearly anything.
        raise DataError(f"{item.file.filename}: {item.name}: {name!r} is a broken pickle: {fault}") from None


def see_filters(data: Any, where: str) -> None:
    """Make sure that what packed the data can unpack it."""
    import h5py

    settings = data.id.get_create_plist()
    for code, _, _, name in (settings.get_filter(i) for i in range(settings.get_nfilters())):
        if h5py.h5z.filter_avail(code):
            continue
        told = f"{where}: is packed with {name.decode(errors='replace') or 'an unknown filter'} (HDF5 filter {code})"
        try:
            importlib.import_module("hdf5plugin")
        except ImportError:
            raise DataError(f"{told}, which h5py lacks: pip install hdf5plugin") from None
        if not h5py.h5z.filter_avail(code):
            raise DataError(f"{told}, which hdf5plugin lacks too: rewrite the file with ptrepack --complib=zlib")


@contextmanager
def telling(where: str, more: str = "") -> Iterator[None]:
    """Say of whatever breaks where that was."""
    try:
        yield
    except DataError:
        raise
    except (OSError, KeyError, IndexError, TypeError, ValueError, RuntimeError, AttributeError) as fault:
        told = f"{type(fault).__name__}: {fault}{more}"
        raise DataError(f"{where}: cannot be read, is broken or cut short: {told}") from None


def dtype_of(data: Any) -> np.dtype[Any]:
    """Return the dtype of a dataset; DataError where NumPy has none for it."""
    try:
        kind: np.dtype[Any] = data.id.get_type().dtype
        return kind
    except TypeError:
        return np.dtype(object)
