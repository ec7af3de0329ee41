"""Readers of sequences of different lengths: padded with zeros to one number of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.base import Array, ArrayReader, Reader, RowIndex
from arignote.errors import DataError

__all__ = ["PaddedReader", "RaggedReader", "lengths_from_offsets", "ragged", "valid_steps"]


def valid_steps(steps: NDArray[Any], n_steps: int) -> NDArray[np.bool_]:
    """Return whether each step of each row (rows, n_steps) counts.

    Parameters
    ----------
    steps : array (rows,) of int, or (rows, n_steps) of bool
        Lengths of the sequences, or a mask.
    n_steps : int
        Number of steps with the padding.
    """
    return np.arange(n_steps) < steps[:, None] if steps.ndim == 1 else steps.astype(bool)


class PaddedReader(Reader):
    """Rows of another reader (rows, steps, ...), whose steps that do not count are zero, whatever they hold.

    Parameters
    ----------
    reader : Reader
        The sequences, padded with any values.
    steps : array (rows,) of int, or (rows, steps) of bool
        See `valid_steps`.
    what : str
        Name of the data in errors.

    Raises
    ------
    DataError
        If lengths are outside of 1 to the number of steps, or a mask has another shape, or a row without a step.
    """

    def __init__(self, reader: Reader, steps: NDArray[Any], what: str):
        self._reader, self._steps = reader, steps
        self.shape, self.dtype, self.where = reader.shape, reader.dtype, reader.where
        self.chunk_rows, self.is_sequential, self.in_memory = reader.chunk_rows, reader.is_sequential, reader.in_memory
        if len(self.shape) < 2 or len(steps) != len(self):
            raise DataError(
                f"{what} must be sequences (rows, steps, ...) of as many rows as their lengths or mask have, "
                f"{len(steps)}; got {self.shape}"
            )
        n_steps = self.shape[1]
        if steps.ndim == 2 and steps.shape[1] != n_steps:
            raise DataError(f"the mask of {what} must have the shape {self.shape[:2]}; got {steps.shape}")
        lengths = steps if steps.ndim == 1 else steps.sum(axis=1)
        wrong = np.flatnonzero((lengths < 1) | (lengths > n_steps))
        if len(wrong):
            raise DataError(
                f"{what} row {wrong[0]} must have 1 to {n_steps} steps that count; got {int(lengths[wrong[0]])}"
            )

    def read(self, rows: RowIndex) -> Array:
        sequences = self._reader.read(rows)
        is_padding = ~valid_steps(self._steps[rows], self.shape[1])
        if is_padding.any():
            # Rows in memory are those of the user.
            sequences = sequences.copy()
            sequences[is_padding] = 0
        return sequences

    def stamp(self) -> object:
        return self._reader.stamp()


class RaggedReader(Reader):
    """Sequences that lie one behind the other, each padded with zeros when it is read.

    Parameters
    ----------
    values : Reader
        All steps of all sequences (steps, ...).
    lengths : array (rows,) of int >= 1
        Number of steps of each sequence; their sum is the number of steps of `values`.
    what : str
        Name of the data in errors.
    n_steps : int, optional
        Number of steps with the padding; by default the largest length.

    Raises
    ------
    DataError
        If the lengths do not fit.
    """

    def __init__(self, values: Reader, lengths: NDArray[np.int64], what: str, n_steps: int | None = None):
        self._values, self.lengths = values, lengths
        if len(lengths) == 0 or lengths.min() < 1:
            row = int(lengths.argmin()) if len(lengths) else 0
            raise DataError(f"{what} row {row} is a sequence without a step")
        longest = int(lengths.max())
        if n_steps is not None and longest > n_steps:
            n_in = [longest, *values.shape[1:]]
            raise DataError(
                f"{what} row {int(lengths.argmax())} has {longest} steps, the network takes {n_steps}: set n_in of the "
                f"input layer to {n_in}, and train again, or cut the sequences"
            )
        if lengths.sum() != len(values):
            raise DataError(f"the lengths of {what} add up to {lengths.sum()} steps; there are {len(values)}")
        self._starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        self.shape = (len(lengths), n_steps or longest, *values.shape[1:])
        self.dtype, self.where, self.in_memory = values.dtype, values.where, values.in_memory
        self.is_sequential = values.is_sequential
        if values.chunk_rows is not None:
            # Sequences that begin in a chunk of steps, on average.
            self.chunk_rows = max(int(values.chunk_rows / lengths.mean()), 1)

    def read(self, rows: RowIndex) -> Array:
        lengths, starts = self.lengths[rows], self._starts[rows]
        padded = np.zeros((len(lengths), *self.shape[1:]), self.dtype)
        if len(lengths) == 0:
            return padded
        # Of each step that is there: its row among those read, and its number in the sequence.
        of_row = np.repeat(np.arange(len(lengths)), lengths)
        step = np.arange(len(of_row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        # Neighbours adjoin each other in `values`.
        if isinstance(rows, slice):
            values = self._values.read(slice(int(starts[0]), int(starts[-1] + lengths[-1])))
        else:
            values = self._values.read(np.repeat(starts, lengths) + step)
        padded[of_row, step] = values
        return padded

    def stamp(self) -> object:
        return self._values.stamp()


def ragged(sequences: Sequence[Any], what: str, n_steps: int | None) -> RaggedReader:
    """Return the reader of a list of arrays (steps, ...), which differ in their number of steps alone.

    Parameters
    ----------
    sequences : sequence of array (steps, ...)
    what : str
        Name of the data in errors.
    n_steps : int or None
        Steps with the padding; None: those of the longest.
    """
    arrays = [np.asarray(one) for one in sequences]
    for row, one in enumerate(arrays):
        if one.ndim < 1:
            raise DataError(
                f"{what} must be a list of sequences, arrays (steps, ...); row {row} is {sequences[row]!r:.60}"
            )
        if one.dtype.kind not in "biuf" or one.shape[1:] != arrays[0].shape[1:]:
            shape = ", ".join(["steps", *map(str, arrays[0].shape[1:])])
            raise DataError(
                f"{what} row {row} must be an array ({shape}) of numbers; got {one.dtype} of the shape {one.shape}"
            )
    if not arrays:
        raise DataError(f"{what} is empty: it has no row")
    lengths = np.array([len(one) for one in arrays], dtype=np.int64)
    return RaggedReader(ArrayReader(np.concatenate(arrays)), lengths, what, n_steps)


def lengths_from_offsets(offsets: NDArray[np.int64], n_steps: int, what: str) -> NDArray[np.int64]:
    """Return the lengths of sequences that begin at offsets; the last offset may be the end, `n_steps`.

    Parameters
    ----------
    offsets : array (rows,) or (rows + 1,) of int64
    n_steps : int
        Number of steps of all sequences together.
    what : str
        Name of the data in errors.

    Raises
    ------
    DataError
        If the offsets do not begin with 0 and rise to the number of steps.
    """
    ends = offsets if len(offsets) and offsets[-1] == n_steps else np.append(offsets, n_steps)
    if ends[0] != 0 or (np.diff(ends) < 1).any():
        raise DataError(f"the offsets of {what} must begin with 0 and rise to the number of steps, {n_steps}")
    return np.diff(ends)
