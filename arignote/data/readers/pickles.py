"""Readers of data pickles, without running the code that they name, and of MNIST in its usual formats."""

from __future__ import annotations

import gzip
import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.memory_check import check_memory
from arignote.data.readers.npy import arrays_in, read_npz
from arignote.errors import DataError
from arignote.safe.byte_source import ByteSource
from arignote.safe.memory import available_bytes
from arignote.safe.pickle import Limits, PickleError, load_pickle

__all__ = ["read_pickle", "unpickled"]

Pair = tuple[NDArray[Any], NDArray[Any]]

# A pickle may use this fraction of free memory: it is held as bytes, in pieces, and as the resulting objects.
_COPIES = 4


def unpickled(stream: BinaryIO, n_bytes: int | None = None) -> Any:
    """Load the plain data of an open pickle: numbers, arrays, tuples, lists, dicts, sets and strings.

    Parameters
    ----------
    stream : binary file
    n_bytes : int, optional
        Size of the pickle in bytes; by default at most a fourth of the free memory is read.

    Returns
    -------
    object

    Raises
    ------
    PickleError
        If the pickle is broken, too large, or names anything that plain data does not need; no code of it is run.
    """
    most = available_bytes() // _COPIES
    most = most if n_bytes is None else min(most, n_bytes)
    return load_pickle(ByteSource(stream, most), Limits(most))


def read_pickle(path: str | Path) -> Any:
    """Read a data pickle, or MNIST in one of its other usual formats.

    Parameters
    ----------
    path : str or Path
        A .pkl or .pkl.gz (also of Python 2); mnist.npz with the usual keys, or the folder of the four IDX files.

    Returns
    -------
    object
        Numbers, arrays, tuples, lists, dicts and strings. MNIST is ((X, y), (X, y), (X, y)): 50,000 rows to train
        on, 10,000 to validate, 10,000 to test; X float32 (rows, 784) in [0, 1], y int64.

    Raises
    ------
    DataError
        If the file is missing, broken, larger than memory, or names anything that plain data does not need.
    """
    path = Path(path)
    if path.is_dir():
        return _mnist(path, *(_idx(path, name) for name in _IDX))
    if path.suffix == ".npz":
        keys = ("x_train", "y_train", "x_test", "y_test")
        missing = [key for key in keys if key not in arrays_in(path)]
        if missing:
            raise DataError(f"{path}: has no array {missing[0]!r}; a .npz of MNIST has {', '.join(keys)}")
        return _mnist(path, *(read_npz(path, key) for key in keys))
    try:
        with open(path, "rb") as file:
            if path.suffix == ".gz":
                return unpickled(gzip.GzipFile(fileobj=file))  # type: ignore[arg-type]
            return unpickled(file, os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except PickleError as error:
        hint = ". Save the arrays with numpy.savez instead" if "names " in str(error) else ""
        raise DataError(f"{path}: {error}{hint}") from None
    except Exception as error:
        # A broken gzip file may raise nearly any error.
        raise DataError(f"{path}: is not a data pickle, or is truncated: {type(error).__name__}: {error}") from None


_IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def _idx(folder: Path, name: str) -> NDArray[Any]:
    """Read a file in the IDX format: a magic number with the number of axes, the sizes, the bytes (yann.lecun.com)."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            break
    else:
        raise DataError(f"{folder}: has no {name} (nor {name}.gz)")
    n_axes = int(name.partition("-idx")[2][0])
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            head = file.read(4 + 4 * n_axes)
            # 8 is the code of unsigned bytes.
            if head[:4] != bytes([0, 0, 8, n_axes]) or len(head) < 4 + 4 * n_axes:
                raise DataError(f"{path}: must begin as an IDX file of bytes with {n_axes} axes; got {head[:4]!r}")
            sizes = [int(size) for size in np.frombuffer(head, ">u4", n_axes, 4)]
            n_bytes = math.prod(sizes)
            check_memory(_COPIES * n_bytes, str(path), f"images or labels of the declared shape {sizes}")
            # One byte more, to see whether the file ends there.
            data = ByteSource(file, n_bytes + 1)
            values = np.frombuffer(data.take(n_bytes), np.uint8)
            if not data.ends_within(0):
                raise DataError(f"{path}: is longer than its shape {sizes} declares")
        return values.reshape(sizes)
    except DataError:
        raise
    except Exception as error:
        # A broken gzip file may raise nearly any error.
        raise DataError(f"{path}: is not a complete IDX file: {error}") from None


def _mnist(
    path: Path, x: NDArray[Any], y: NDArray[Any], x_test: NDArray[Any], y_test: NDArray[Any]
) -> tuple[Pair, Pair, Pair]:
    for images, labels in ((x, y), (x_test, y_test)):
        if not (images.ndim >= 2 and labels.ndim == 1 and 0 < len(images) == len(labels)):
            raise DataError(
                f"{path}: must hold images (rows, height, width) and as many labels (rows,); "
                f"got the shapes {images.shape} and {labels.shape}"
            )
        if images.dtype.kind not in "biuf" or labels.dtype.kind not in "biu":
            raise DataError(
                f"{path}: must hold numbers, and labels that are integers; got {images.dtype}, {labels.dtype}"
            )
        # 4 bytes a pixel, twice: before and after the division.
        check_memory(2 * 4 * images.size, str(path), "its images as float32")

    def part(images: NDArray[Any], labels: NDArray[Any]) -> Pair:
        flat = images.reshape(len(images), math.prod(images.shape[1:]))
        return flat.astype(np.float32) / np.float32(255), labels.astype(np.int64)

    # As in mnist.pkl.gz of the Deep Learning Tutorials: of 60,000 rows the last 10,000 validate.
    n_train = len(x) - len(x) // 6
    return part(x[:n_train], y[:n_train]), part(x[n_train:], y[n_train:]), part(x_test, y_test)
