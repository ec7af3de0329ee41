"""Sample data: `digits()` works offline; `mnist` is the path of MNIST, which is downloaded once if it is missing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import DataError

if TYPE_CHECKING:
    mnist: str

__all__ = ["digits", "mnist"]

_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_FILES = {
    "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
}


def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Load the digits data set of scikit-learn: 1,797 images of 8x8 pixels.

    Returns
    -------
    X : array (1797, 64) of float32
        Pixels in [0, 1].
    y : array (1797,) of int64
        Digits 0 to 9.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.data / 16).astype(np.float32), data.target.astype(np.int64)


def __getattr__(name: str) -> Any:
    if name == "mnist":
        return _mnist_path()
    raise AttributeError(f"module 'arignote.sample_data' has no attribute {name!r}")


def _mnist_path() -> str:
    """Return the path of MNIST: in the folder ARIGNOTE_DATA, else in the user's cache, downloaded once and verified."""
    tried: list[str] = []
    folder = os.environ.get("ARIGNOTE_DATA")
    if folder:
        for path in (Path(folder) / "mnist.npz", Path(folder) / "mnist.pkl.gz"):
            if path.is_file():
                return str(path)
            tried.append(str(path))
        if any((Path(folder) / ("train-images-idx3-ubyte" + end)).is_file() for end in ("", ".gz")):
            return folder
        tried.append(f"{folder}/train-images-idx3-ubyte[.gz]")
    try:
        import pooch
    except ImportError:
        raise DataError(
            "MNIST was not found. Set the environment variable ARIGNOTE_DATA to a folder with mnist.npz, or download "
            "it: pip install 'arignote[download]'"
        ) from None

    cache = Path(pooch.os_cache("arignote")) / "mnist"
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        _fetch(cache, tried)
    finally:
        logger.setLevel(level)
    return str(cache)


def _fetch(cache: Path, tried: list[str]) -> None:
    """Download missing files, each from the first mirror that has it; DataError lists all that was tried."""
    import pooch

    for file, checksum in _FILES.items():
        for mirror in _MIRRORS:
            try:
                pooch.retrieve(mirror + file, checksum, fname=file, path=cache)
                break
            except (OSError, ValueError) as error:
                tried.append(f"{mirror}{file} ({type(error).__name__})")
        else:
            raise DataError(
                "MNIST was not found and cannot be downloaded. Tried: "
                + "; ".join(tried)
                + ". Set the environment variable ARIGNOTE_DATA to a folder with mnist.npz, mnist.pkl.gz or IDX files"
            )
