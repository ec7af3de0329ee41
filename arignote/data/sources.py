"""Sources named in a config or on the command line: "file.h5:/path", "file.npy", "file.npz:key" -> arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from arignote.errors import DataError, did_you_mean

__all__ = ["read_source", "source_shape"]

T = TypeVar("T")


def read_source(source: str, base: Path | None = None) -> NDArray[Any]:
    """Return the array that a source names.

    Parameters
    ----------
    source : str
        "file.h5:/path/in/file", "file.npz:key" or "file.npy"; the part after the colon may be left out where the
        file holds one array.
    base : Path, optional
        Folder from which a relative path starts.

    Raises
    ------
    DataError
        Where the file is missing or broken, or has no such array (with those there are).
    """
    return _open(source, base, lambda dataset: np.asarray(dataset[()]))


def source_shape(source: str, base: Path | None = None) -> tuple[int, ...]:
    """Return the shape of the array that a source names."""
    return _open(source, base, lambda dataset: tuple(dataset.shape))


def _open(source: str, base: Path | None, take: Callable[[Any], T]) -> T:
    name, _, key = source.partition(":")
    path = (base or Path()) / name
    if not path.is_file():
        raise DataError(f"{path}: there is no such file (source {source!r})")
    try:
        if path.suffix in (".npy", ".npz"):
            return _numpy(path, key, take)
        return _hdf5(path, key, take)
    except (OSError, ValueError, EOFError) as fault:
        if isinstance(fault, DataError):
            raise
        raise DataError(f"{path}: cannot be read as {path.suffix or 'HDF5'}: {fault}") from None


def _numpy(path: Path, key: str, take: Callable[[Any], T]) -> T:
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return take(loaded)
    with loaded:
        return take(loaded[_chosen(path, key, list(loaded.files))])


def _hdf5(path: Path, key: str, take: Callable[[Any], T]) -> T:
    import h5py

    with h5py.File(path, "r") as file:
        found: list[str] = []
        file.visititems(lambda name, item: found.append("/" + name) if isinstance(item, h5py.Dataset) else None)
        return take(file[_chosen(path, "/" + key.strip("/") if key else "", found)])


def _chosen(path: Path, key: str, there: list[str]) -> str:
    if not key and len(there) == 1:
        return there[0]
    if key in there:
        return key
    if not key:
        raise DataError(f"{path}: holds several arrays; name one: {', '.join(f'{path.name}:{name}' for name in there)}")
    raise DataError(f"{path}: has no array {key!r}. {did_you_mean(key, there)} There are: {', '.join(there)}")
