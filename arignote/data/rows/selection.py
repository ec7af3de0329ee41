"""Rows selected from a reader, converted to the input of the network, and their fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Alter
from arignote.data.inputs import Conversion
from arignote.data.readers.base import IN_MEMORY, ArrayReader, Reader, text_columns
from arignote.data.readers.joined import JoinedReader
from arignote.data.readers.sequences import valid_steps
from arignote.data.values.columns import Names
from arignote.data.values.fields import ALONE, ExampleShape, fields_of, joined
from arignote.errors import DataError

__all__ = ["BLOCK_BYTES", "Rows"]

Array = NDArray[Any]

# Bytes read at a time; three such blocks may be in memory at once.
BLOCK_BYTES = 32_000_000


@dataclass(frozen=True)
class Rows:
    """Rows of a reader, with labels and the steps from stored features to the input of the network.

    Of several channels, stored features and inputs of the network are structured arrays with a field for each.

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
    conversions : dict of str to Conversion
        By channel; of the only one under the name `ALONE`.
    lenient : bool
        Whether NaN and infinity are allowed.
    alter : callable, optional
        `alter_features` of a `Data`, applied to each batch after `conversions`.
    stamp : object
        `stamp()` of the reader when the rows were opened.
    labels_where : str
        Name of the labels in errors.
    """

    reader: Reader
    y: Array | None = None
    index: NDArray[np.int64] | None = None
    what: str = "X"
    conversions: Mapping[str, Conversion] = field(default_factory=lambda: {ALONE: Conversion()})
    lenient: bool = False
    alter: Alter | None = None
    stamp: object = None
    labels_where: str = "X"

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
        stored = self.reader.read(rows if self.index is None else self.index[rows])
        # A slice may end behind the last row.
        n_rows = len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(rows)
        if len(stored) != n_rows:
            raise DataError(f"{self.reader.where}: {n_rows} rows were requested, but {len(stored)} were returned")
        self._check_values(stored, rows)
        return stored

    def _check_values(self, found: Array, rows: Any) -> None:
        """Raise DataError if a value is not finite, or no token; those in memory were checked before."""
        for name, conversion in self.conversions.items():
            reader, values = self.readers[name], fields_of(found)[name]
            at = None if reader.in_memory else conversion.first_wrong(values, lenient=self.lenient)
            if at is not None:
                numbers = np.arange(len(self))[rows]
                row = int(numbers[at] if self.index is None else self.index[numbers[at]])
                raise conversion.error(f"{reader.where} row {row}", values[at], reader.columns)

    @property
    def readers(self) -> Mapping[str, Reader]:
        """The reader of each channel; of the only one under the name `ALONE`."""
        return self.reader.readers if isinstance(self.reader, JoinedReader) else {ALONE: self.reader}

    @property
    def counts(self) -> NDArray[np.bool_] | None:
        """Mask (rows, steps) of the steps that count; None without lengths or a mask.

        Raises
        ------
        DataError
            If there are several lengths or masks.
        """
        by_steps = {one.steps: name for name, one in self.conversions.items() if one.steps is not None}
        if len(by_steps) > 1:
            raise DataError(
                f"{self.what} has sequences of several lengths, {', '.join(by_steps)}: give y as a list with the "
                "values of each row"
            )
        for steps, name in by_steps.items():
            return valid_steps(self.readers[steps].read(slice(0, len(self.reader))), self.readers[name].shape[1])
        return None

    @property
    def columns(self) -> Names | dict[str, Names]:
        """Names of the columns, or their positions, as of `Reader`; of several channels by name."""
        by_channel = {name: reader.columns for name, reader in self.readers.items()}
        return by_channel.get(ALONE, by_channel)

    @property
    def text(self) -> Names | dict[str, Names]:
        """Names of the columns of text, or their positions, as `columns`."""
        by_channel = {name: text_columns(reader) for name, reader in self.readers.items()}
        return by_channel.get(ALONE, by_channel)

    def seen(self, raw: Array) -> Array:
        """Convert stored features to the input of the network: channels first, preprocessed, altered.

        Parameters
        ----------
        raw : array (n, ...)
            As returned by `raw`; not changed.

        Returns
        -------
        array (n, ...) of float32
        """
        stored = fields_of(raw)
        converted = dict(stored)
        for name, conversion in self.conversions.items():
            converted[name] = conversion(stored[name], None if conversion.steps is None else stored[conversion.steps])
        x = joined(converted)
        if self.alter is None:
            return x
        # `alter` may work in place, which must not change the data of the user.
        x = self.alter(x if x.flags.owndata else x.copy())
        return x if x.dtype.names else np.ascontiguousarray(x, dtype=np.float32)

    def blocks(self, channel: str = ALONE) -> Iterator[Array]:
        """Yield all rows of a channel as they are stored, channels first, in blocks of about `BLOCK_BYTES`.

        Of sequences the steps that count are yielded, as rows of their own.
        """
        conversion, reader = self.conversions[channel], self.readers[channel]
        # Other channels are not read.
        needed = {name: self.readers[name] for name in (channel, conversion.steps) if name is not None}
        rows = (
            self if ALONE in needed else replace(self, reader=JoinedReader(needed), conversions={channel: conversion})
        )
        row_bytes = max(reader.dtype.itemsize * int(np.prod(reader.shape[1:])), 1)
        # At least a chunk, as smaller blocks would read it several times.
        step = max(BLOCK_BYTES // row_bytes, reader.chunk_rows or 1)
        for at in range(0, len(self), step):
            fields = fields_of(rows.raw(slice(at, at + step)))
            block = conversion.channels_first(fields[channel])
            if conversion.steps is None:
                yield block
            else:
                yield conversion.counted(block, valid_steps(fields[conversion.steps], block.shape[1]))

    def features(self, rows: Any) -> Array:
        """Return the input of the network, float32 (n, ...), for a slice or row numbers; see `raw` and `seen`."""
        return self.seen(self.raw(rows))

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Return the rows at positions (n,) of int64, with their labels; nothing is read."""
        index = rows if self.index is None else self.index[rows]
        return replace(self, index=index, y=None if self.y is None else self.y[rows])

    @property
    def n_in(self) -> ExampleShape:
        """Shape of one example as the network sees it, of several inputs by channel."""
        return self.example_shape(self.features(slice(0, 1)))

    def example_shape(self, x: Array) -> ExampleShape:
        """Return the shape of one example of a batch (rows, ...), of several inputs by channel."""
        fields = fields_of(x)
        shapes = {name: fields[name].shape[1:] for name in self.conversions}
        return next(iter(shapes.values())) if len(shapes) == 1 else shapes

    def fingerprint(self, known: dict[int, str] | None = None) -> dict[str, Any]:
        """Return what identifies the data of a run.

        Parameters
        ----------
        known : dict of int to str, optional
            Digests of readers by their id; filled in, so that a reader that subsets share is read once.

        Returns
        -------
        dict
            "features" and "labels", each with shape, dtype and SHA-256: of all data up to 256 MB, else of a fixed
            sample. Of several channels "features" has the shape (rows,), and these by name.
        """
        by_channel = {name: self._of_reader(reader, known) for name, reader in self.readers.items()}
        features = by_channel[ALONE] if ALONE in by_channel else {"shape": [len(self)], "channels": by_channel}
        labels = None
        if self.y is not None:
            labels = {"shape": list(self.y.shape), "dtype": str(self.y.dtype), "sha256": _sha256(self.y)}
        return {"features": features, "labels": labels}

    def _of_reader(self, reader: Reader, known: dict[int, str] | None) -> dict[str, Any]:
        """Return what identifies the rows of one channel."""
        entry: dict[str, Any] = {"shape": [len(self), *reader.shape[1:]], "dtype": str(reader.dtype)}
        # Of an array the selected rows are read; all rows of another source are, once for the subsets that share it.
        if isinstance(reader, ArrayReader):
            entry["sha256"] = _sha256(reader.array, self.index)
        else:
            known = {} if known is None else known
            if id(reader) not in known:
                known[id(reader)] = reader.digest() or _sha256_of_reader(reader)
            entry["sha256"] = known[id(reader)]
            if self.index is not None:
                entry["rows"] = _sha256(self.index)
        return entry


def _sha256(array: Array, index: NDArray[np.int64] | None = None) -> str:
    n_rows = len(array) if index is None else len(index)
    # The bytes of such an array are addresses.
    if array.dtype.hasobject:
        chosen = array if index is None else array[index]
        return hashlib.sha256(repr(chosen.tolist()).encode()).hexdigest()
    n_bytes = n_rows * (array.nbytes // max(len(array), 1))
    # Evenly spread rows, the same ones for the same number of rows.
    at = np.linspace(0, n_rows - 1, 4096).astype(np.int64) if n_bytes > IN_MEMORY else None
    digest = hashlib.sha256()
    if at is None and index is None:
        digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
    rows = at if index is None else index if at is None else index[at]
    assert rows is not None
    # Indexing copies: a piece at a time.
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
