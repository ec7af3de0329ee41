"""What stands beside the data of an HDF5 file: attributes, filters, types; and one word for all that is broken.

PyTables and pandas open files by unpickling attributes, which can run code. Here only the attributes that a layout
needs are unpickled, as plain data: numbers, strings, containers and arrays and nothing else.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from arignote.data.readers.pickles import unpickled as plain_data
from arignote.data.readers.room import check_memory
from arignote.errors import DataError
from arignote.safe.pickle import PickleError

__all__ = [
    "attribute",
    "check_inside",
    "child",
    "dataset",
    "dtype_of",
    "plain_of",
    "see_filters",
    "telling",
    "text_of",
    "unpickled",
    "whole",
]


def attribute(item: Any, name: str) -> Any:
    """Return an attribute, None where it is absent; DataError where it declares more bytes than the file has."""
    if name not in item.attrs:
        return None
    n_bytes, there = item.attrs.get_id(name).get_storage_size(), item.file.id.get_filesize()
    if n_bytes > there:
        raise DataError(f"{item.file.filename}: {item.name}: {name!r} declares {n_bytes} bytes; the file has {there}")
    return item.attrs[name]


def text_of(item: Any, name: str) -> str:
    """Return an attribute that is text, "" where it is absent or something else."""
    value = attribute(item, name)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def plain_of(item: Any, name: str) -> Any:
    """Return an attribute that PyTables may have pickled."""
    if name not in item.attrs:
        raise DataError(f"{item.file.filename}: {item.name}: lacks the attribute {name!r}: written only in part?")
    value = attribute(item, name)
    if isinstance(value, np.void):
        value = value.tobytes()
    return unpickled(item, name, bytes(value)) if isinstance(value, bytes) else value


def child(group: Any, path: str, n_links: int = 16) -> Any:
    """Return what lies at a path within a group, None where nothing does.

    DataError where the path leads into another file: nobody named that one.
    """
    import h5py

    for word in filter(None, path.split("/")):
        # A link alone opens no other file.
        link = group.get(word, None, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            where = f"{group.file.filename}: {group.name.rstrip('/')}/{word}"
            raise DataError(
                f"{where}: is a link into another file, {link.filename!r}, which is not read: name that file instead"
            )
        if isinstance(link, h5py.SoftLink):
            if not n_links:
                raise DataError(f"{group.file.filename}: {path}: is a link to a link to a link, without an end")
            group = child(group.file if link.path.startswith("/") else group, link.path, n_links - 1)
        else:
            group = group[word]
    return group


def unpickled(item: Any, name: str, data: bytes) -> Any:
    """Return what a pickled attribute holds; DataError where it names more than plain data."""
    try:
        return plain_data(io.BytesIO(data), len(data))
    except PickleError as fault:
        raise DataError(f"{item.file.filename}: {item.name}: {name!r} {fault}") from None


def dataset(group: Any, name: str) -> Any:
    """Return a dataset of a group, whose values lie in this file."""
    where = f"{group.file.filename}: {group.name}"
    data = child(group, name)
    if data is None:
        raise DataError(f"{where}: lacks {name!r}: written only in part?")
    check_inside(data, f"{where}/{name}")
    return data


def whole(data: Any, where: str) -> Any:
    """Return all values of a dataset, where they fit into memory."""
    check_memory(data.size * data.dtype.itemsize, where)
    return data[:]


def check_inside(data: Any, where: str) -> None:
    """DataError where the values of a dataset lie in other files, which nobody named."""
    settings = data.id.get_create_plist()
    if settings.get_external_count():
        file = settings.get_external(0)[0].decode(errors="replace")
        raise DataError(f"{where}: its values lie in another file, {file!r}, which is not read: name that file instead")
    if data.is_virtual:
        files = sorted({source.file_name for source in data.virtual_sources()} - {"."})
        if files:
            told = ", ".join(map(repr, files[:3]))
            raise DataError(
                f"{where}: is a virtual dataset of other files ({told}), which are not read: name them one by one, or "
                "copy their rows into one file"
            )


def see_filters(data: Any, where: str) -> None:
    """Make sure that the data lies in this file, and that what packed it can unpack it."""
    import h5py

    check_inside(data, where)

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
    except MemoryError:
        raise DataError(f"{where}: needs more memory than there is{more}") from None
    except (OSError, LookupError, TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError) as fault:
        told = f"{type(fault).__name__}: {fault}{more}"
        raise DataError(f"{where}: cannot be read, is broken or cut short: {told}") from None


def dtype_of(data: Any) -> np.dtype[Any]:
    """Return the dtype of a dataset; DataError where NumPy has none for it."""
    try:
        kind: np.dtype[Any] = data.id.get_type().dtype
        return kind
    except TypeError:
        return np.dtype(object)
