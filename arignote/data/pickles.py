"""Data pickles, read without running what they name."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import DataError

__all__ = ["RestrictedUnpickler", "read_pickle"]

Pair = tuple[NDArray[Any], NDArray[Any]]

# What numbers, arrays, tuples, lists, dicts and strings are made of, under Python 2 and 3, NumPy 1 and 2.
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *(
        (module, name)
        for module in ("builtins", "__builtin__")
        for name in ("complex", "set", "frozenset", "bytearray")
    ),
    *(
        (f"numpy.{core}.{module}", name)
        for core in ("core", "_core")
        for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
    ),
}


class RestrictedUnpickler(pickle.Unpickler):
    """Loads plain data; whatever else a pickle names is refused before anything of it runs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise DataError(
                f"names {module}.{name}, which a data pickle does not need; it was refused and nothing was run. "
                "Save the arrays with numpy.savez instead"
            )
        return super().find_class(module.replace("numpy.core.", "numpy._core."), name)


def read_pickle(path: str | Path) -> Any:
    """Return what a data pickle holds; MNIST in its other usual forms too.

    Parameters
    ----------
    path : str or Path
        A .pkl or .pkl.gz (Python 2 pickles too); mnist.npz of the usual keys, or the folder of the four IDX files.

    Returns
    -------
    object
        Numbers, arrays, tuples, lists, dicts and strings. MNIST is ((X, y), (X, y), (X, y)): 50,000 rows to train
        on, 10,000 to validate, 10,000 to test; X float32 (rows, 784) in [0, 1], y int64.

    Raises
    ------
    DataError
        Where the file is missing or broken, or names anything that data does not need.
    """
    path = Path(path)
    if path.is_dir():
        return _mnist(*(_idx(path, name) for name in _IDX))
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return _mnist(*(file[key] for key in ("x_train", "y_train", "x_test", "y_test")))
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as stream:
            return RestrictedUnpickler(stream, encoding="latin1").load()
    except DataError as fault:
        raise DataError(f"{path}: {fault}") from None
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except Exception as fault:
        # A broken pickle may raise nearly anything.
        raise DataError(f"{path}: is not a data pickle, or is cut short: {type(fault).__name__}: {fault}") from None


_IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def _idx(folder: Path, name: str) -> NDArray[Any]:
    """Read one file of the IDX format: magic with the number of axes, the sizes, then bytes (yann.lecun.com)."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            break
    else:
        raise DataError(f"{folder}: has no {name} (nor {name}.gz)")
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        n_axes = data[3]
        sizes = np.frombuffer(data, ">i4", n_axes, 4)
        return np.frombuffer(data, np.uint8, offset=4 + 4 * n_axes).reshape(sizes)
    except (OSError, EOFError, ValueError, IndexError) as fault:
        raise DataError(f"{path}: is not a whole IDX file: {fault}") from None


def _mnist(x: NDArray[Any], y: NDArray[Any], x_test: NDArray[Any], y_test: NDArray[Any]) -> tuple[Pair, Pair, Pair]:
    def part(images: NDArray[Any], labels: NDArray[Any]) -> Pair:
        return images.reshape(len(images), -1).astype(np.float32) / np.float32(255), labels.astype(np.int64)

    n_train = len(x) - len(x) // 6
    return part(x[:n_train], y[:n_train]), part(x[n_train:], y[n_train:]), part(x_test, y_test)
