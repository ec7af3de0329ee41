"""Rows selected from a reader, converted to the input of the network, and their fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Alter
from arignote.data.missing_values import first_not_finite, not_finite_error
from arignote.data.readers.base import IN_MEMORY, ArrayReader, Reader
from arignote.errors import DataError

__all__ = ["BLOCK_BYTES", "Rows"]

Array = NDArray[Any]

# Bytes read at a time; three such blocks may be in memory at once.
BLOCK_BYTES = 32_000_000


@dataclass(frozen=True)
class Rows:
    """Rows of a reader, with labels and the steps from stored features to the input of the network.

    Attributes
    ----------
    reader : Reader
        Source of the features.
    y : array (n, ...) or None
        Labels, or other values of the target, as the user passed them.
    index : array (n,) of int64 or None
        Row numbers in the reader; None: all rows.
    what : str
        Name of the data in errors.
    axes : str or None
        Order of the axes of images: "NCHW", "NHWC" or "NHW".
    lenient : bool
        Whether NaN and infinity are allowed.
    preprocess : callable, optional
        Fitted preprocessing, a function of an array (rows, ...).
    alter : callable, optional
        `alter_features` of a `Data`, applied to each batch after `preprocess`.
    stamp : object
        `stamp()` of the reader when the rows were opened.
    labels_where : str
        Name of the labels in errors.
    image : tuple of int or None
        (channels, height, width) of images that are stored as flat rows, or without a channel axis.
    """

    reader: Reader
    y: Array | None = None
    index: NDArray[np.int64] | None = None
    what: str = "X"
    axes: str | None = None
    lenient: bool = False
    preprocess: Alter | None = None
    alter: Alter | None = None
    stamp: object = None
    labels_where: str = "X"
    image: tuple[int, int, int] | None = None

    def __len__(self) -> int:
        return len(self.reader) if self.index is None else len(self.index)

    def raw(self, rows: Any) -> Array:
        """Read features as they are stored.

        Parameters
        ----------
        rows : slice or array (n,) of int64
            Positions in these rows.

        Returns
        -------
        array (n, ...)

        Raises
        ------
        DataError
            If the reader returns another number of rows, or a value is not finite and `lenient` is False.
        """
        found = self.reader.read(rows if self.index is None else self.index[rows])
        n_rows = len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(rows)
        if len(found) != n_rows:
            raise DataError(f"{self.reader.where}: {n_rows} rows were requested, but {len(found)} were returned")
        if not isinstance(self.reader, ArrayReader) and not self.lenient and found.dtype.kind == "f":
            at = first_not_finite(found)
            if at is not None:
                numbers = np.arange(len(self))[rows]
                row = int(numbers[at] if self.index is None else self.index[numbers[at]])
                raise not_finite_error(f"{self.reader.where} row {row}", found[at], self.reader.columns)
        return found

    def seen(self, raw: Array) -> NDArray[np.float32]:
        """Convert stored features to the input of the network: channels first, preprocessed, altered.

        Parameters
        ----------
        raw : array (n, ...)
            As returned by `raw`; not changed.

        Returns
        -------
        array (n, ...) of float32
        """
        raw = self._channels_first(raw)
        if self.preprocess is not None:
            raw = self.preprocess(raw)
        x = np.ascontiguousarray(raw, dtype=np.float32)
        if not x.flags.writeable or (self.alter is not None and not x.flags.owndata):
            # `alter` may work in place, which must not change the data of the user.
            x = x.copy()
        return x if self.alter is None else np.ascontiguousarray(self.alter(x), dtype=np.float32)

    def _channels_first(self, raw: Array) -> Array:
        if self.axes == "NHWC":
            return np.moveaxis(raw, -1, 1)
        raw = raw[:, None] if self.axes == "NHW" else raw
        return raw if self.image is None else raw.reshape(len(raw), *self.image)

    def as_images(self, size: tuple[int, int, int] | None) -> Rows:
        """Return rows whose examples are reshaped to images, if they are flat or lack a channel axis.

        Parameters
        ----------
        size : tuple of int, or None
            (channels, height, width) of an input layer of images.

        Returns
        -------
        Rows
            These rows themselves if their shape does not fit `size`.
        """
        shape = self._channels_first(np.empty((0, *self.reader.shape[1:]))).shape[1:]
        is_image = size is not None and shape in ((prod(size),), size[1:] if size[0] == 1 else ())
        return replace(self, image=size) if is_image else self

    def blocks(self) -> Iterator[Array]:
        """Yield all rows as they are stored, channels first, in blocks of about `BLOCK_BYTES`."""
        row_bytes = max(self.reader.dtype.itemsize * int(np.prod(self.reader.shape[1:])), 1)
        step = max(BLOCK_BYTES // row_bytes, self.reader.chunk_rows or 1)
        for at in range(0, len(self), step):
            yield self._channels_first(self.raw(slice(at, at + step)))

    def features(self, rows: Any) -> NDArray[np.float32]:
        """Return the input of the network, float32 (n, ...), for a slice or row numbers; see `raw` and `seen`."""
        return self.seen(self.raw(rows))

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Return the rows at positions (n,) of int64, with their labels; nothing is read."""
        index = rows if self.index is None else self.index[rows]
        return replace(self, index=index, y=None if self.y is None else self.y[rows])

    @property
    def n_in(self) -> tuple[int, ...]:
        """Shape of one example as the network sees it."""
        return tuple(self.features(slice(0, 1)).shape[1:])

    def fingerprint(self, known: dict[int, str] | None = None) -> dict[str, Any]:
        """Return what identifies the data of a run.

        Parameters
        ----------
        known : dict of int to str, optional
            Digests of readers by their id; filled in, so that a reader that parts share is read once.

        Returns
        -------
        dict
            "features" and "labels", each with shape, dtype and SHA-256: of all data up to 256 MB, else of a fixed
            sample.
        """
        features: dict[str, Any] = {"shape": [len(self), *self.reader.shape[1:]], "dtype": str(self.reader.dtype)}
        if isinstance(self.reader, ArrayReader):
            features["sha256"] = _sha256(self.reader.array, self.index)
        else:
            known = {} if known is None else known
            if id(self.reader) not in known:
                known[id(self.reader)] = _sha256_of_reader(self.reader)
            features["sha256"] = known[id(self.reader)]
            if self.index is not None:
                features["rows"] = _sha256(self.index)
        labels = None
        if self.y is not None:
            labels = {"shape": list(self.y.shape), "dtype": str(self.y.dtype), "sha256": _sha256(self.y)}
        return {"features": features, "labels": labels}


def _sha256(array: Array, index: NDArray[np.int64] | None = None) -> str:
    n_rows = len(array) if index is None else len(index)
    if array.dtype.hasobject:
        chosen = array if index is None else array[index]
        return hashlib.sha256(repr(chosen.tolist()).encode()).hexdigest()
    n_bytes = n_rows * (array.nbytes // max(len(array), 1))
    at = np.linspace(0, n_rows - 1, 4096).astype(np.int64) if n_bytes > IN_MEMORY else None
    digest = hashlib.sha256()
    if at is None and index is None:
        digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
    rows = at if index is None else index if at is None else index[at]
    assert rows is not None
    for start in range(0, len(rows), 4096):
        digest.update(np.ascontiguousarray(array[rows[start : start + 4096]]).data)
    return digest.hexdigest()


def _sha256_of_reader(reader: Reader) -> str:
    """Return the digest of all rows, or of 64 blocks of rows if they exceed `IN_MEMORY` bytes."""
    n_rows, step = len(reader), reader.chunk_rows or 1024
    row_bytes = reader.dtype.itemsize * int(np.prod(reader.shape[1:]))
    starts = np.arange(0, n_rows, step)
    if n_rows * row_bytes > IN_MEMORY:
        starts = starts[np.linspace(0, len(starts) - 1, 64).astype(np.int64)]
    digest = hashlib.sha256()
    for start in starts.tolist():
        chunk = reader.read(slice(start, min(start + step, n_rows)))
        digest.update(repr(chunk.tolist()).encode() if chunk.dtype.hasobject else np.ascontiguousarray(chunk).data)
    return digest.hexdigest()
