"""Metadata of HDF5 files: attributes, links, filters, types; and the reporting of errors of broken files.

PyTables and pandas unpickle attributes, which can run code. Here only the attributes that a layout needs are unpickled,
as plain data: numbers, strings, containers and arrays.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from arignote.data.readers.memory_check import check_memory
from arignote.errors import DataError

__all__ = [
    "attribute",
    "check_filters",
    "check_inside",
    "child",
    "dataset",
    "dtype_of",
    "pickled_attribute",
    "plain_of",
    "reporting",
    "text_of",
    "whole",
]


def attribute(item: Any, name: str) -> Any:
    """Return an attribute, None if it is absent; DataError if it declares more bytes than the file has."""
    if name not in item.attrs:
        return None
    n_bytes, file_bytes = item.attrs.get_id(name).get_storage_size(), item.file.id.get_filesize()
    if n_bytes > file_bytes:
        where = f"{item.file.filename}: {item.name}"
        raise DataError(f"{where}: {name!r} declares {n_bytes} bytes; the file has {file_bytes}")
    return item.attrs[name]


def text_of(item: Any, name: str) -> str:
    """Return an attribute that is text, "" if it is absent or of another type."""
    value = attribute(item, name)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def plain_of(item: Any, name: str) -> Any:
    """Return an attribute that PyTables may have pickled; DataError if it is absent."""
    if name not in item.attrs:
        raise DataError(
            f"{item.file.filename}: {item.name}: the attribute {name!r} is missing: was the file only partly written?"
        )
    value = attribute(item, name)
    if isinstance(value, np.void):
        value = value.tobytes()
    return pickled_attribute(item, name, bytes(value)) if isinstance(value, bytes) else value


def child(group: Any, path: str, n_links: int = 16) -> Any:
    """Return the object at a path within a group.

    Parameters
    ----------
    group : h5py.Group
    path : str
        Relative to the group.
    n_links : int
        Number of soft links that are followed at most.

    Returns
    -------
    h5py.Group, h5py.Dataset or None
        None if there is no such object.

    Raises
    ------
    DataError
        If the path leads into another file, which the user has not named, or through too many links.
    """
    import h5py

    for word in filter(None, path.split("/")):
        # Reading a link, unlike following it, opens no other file.
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
                raise DataError(f"{group.file.filename}: {path}: is a cycle, or a long chain, of links")
            group = child(group.file if link.path.startswith("/") else group, link.path, n_links - 1)
        else:
            group = group[word]
    return group


def pickled_attribute(item: Any, name: str, data: bytes) -> Any:
    """Return the plain data of a pickled attribute; DataError if it names anything else."""
    # Few files have such attributes.
    from arignote.data.readers.pickles import unpickled
    from arignote.safe.pickle import PickleError

    try:
        return unpickled(io.BytesIO(data), len(data))
    except PickleError as error:
        raise DataError(f"{item.file.filename}: {item.name}: {name!r} {error}") from None


def dataset(group: Any, name: str) -> Any:
    """Return a dataset of a group; DataError if it is missing, or its values are stored in another file."""
    where = f"{group.file.filename}: {group.name}"
    data = child(group, name)
    if data is None:
        raise DataError(f"{where}: {name!r} is missing: was the file only partly written?")
    check_inside(data, f"{where}/{name}")
    return data


def whole(data: Any, where: str) -> Any:
    """Return all values of a dataset; DataError if they do not fit into memory."""
    check_memory(data.size * data.dtype.itemsize, where)
    return data[:]


def check_inside(data: Any, where: str) -> None:
    """Raise DataError if the values of a dataset are stored in other files, which the user has not named."""
    settings = data.id.get_create_plist()
    if settings.get_external_count():
        file = settings.get_external(0)[0].decode(errors="replace")
        raise DataError(f"{where}: its values lie in another file, {file!r}, which is not read: name that file instead")
    if data.is_virtual:
        # "." is this file.
        files = sorted({source.file_name for source in data.virtual_sources()} - {"."})
        if files:
            names = ", ".join(map(repr, files[:3]))
            raise DataError(
                f"{where}: is a virtual dataset of other files ({names}), which are not read: name them one by one, or "
                "copy their rows into one file"
            )


def check_filters(data: Any, where: str) -> None:
    """Raise DataError if the data is not stored in this file, or a filter that compressed it is not available."""
    import h5py

    check_inside(data, where)

    settings = data.id.get_create_plist()
    for code, _, _, name in (settings.get_filter(i) for i in range(settings.get_nfilters())):
        if h5py.h5z.filter_avail(code):
            continue
        message = (
            f"{where}: is compressed with {name.decode(errors='replace') or 'an unknown filter'} (HDF5 filter {code})"
        )
        try:
            # The import registers its filters with HDF5.
            importlib.import_module("hdf5plugin")
        except ImportError:
            raise DataError(f"{message}, which h5py lacks: pip install hdf5plugin") from None
        if not h5py.h5z.filter_avail(code):
            raise DataError(f"{message}, which hdf5plugin lacks, too: rewrite the file with ptrepack --complib=zlib")


@contextmanager
def reporting(where: str, more: str = "") -> Iterator[None]:
    """Raise errors of h5py and NumPy as DataErrors that begin with `where`; `more` is added to the message."""
    try:
        yield
    except DataError:
        raise
    except MemoryError:
        raise DataError(f"{where}: needs more memory than is free{more}") from None
    except (OSError, LookupError, TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError) as error:
        cause = f"{type(error).__name__}: {error}{more}"
        raise DataError(f"{where}: cannot be read, is broken or truncated: {cause}") from None


def dtype_of(data: Any) -> np.dtype[Any]:
    """Return the dtype of a dataset; object if NumPy has none for it."""
    try:
        kind: np.dtype[Any] = data.id.get_type().dtype
        return kind
    except TypeError:
        return np.dtype(object)
