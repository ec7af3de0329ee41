"""What the input layers of a network declare of the data: the channel of each, and how its rows are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Alter
from arignote.data.readers.sequences import valid_steps
from arignote.data.values.columns import Names
from arignote.data.values.missing_values import first_not_finite, not_finite_error
from arignote.errors import DataError

__all__ = ["Axes", "Conversion", "Input", "channels_of", "of_channel"]

# Order of the axes of images.
Axes = Literal["NCHW", "NHWC", "NHW"]


@dataclass(frozen=True)
class Input:
    """Declaration of what an input layer takes of the data.

    Attributes
    ----------
    channel : str or None
        Name of its channel; None if it takes the only one.
    image : tuple of int or None
        (channels, height, width) of images, to which flat rows are reshaped.
    lengths, offsets, mask : str or None
        Names of further channels of sequences: their lengths, where they begin among the rows, or which of their steps
        count. If `lengths` is True, rows are sequences of their own lengths.
    steps : str or None
        Name of the field of a batch with the lengths or the mask of sequences.
    n_steps : int or None
        Number of steps that sequences of different lengths are padded to; None: that of the longest.
    n_tokens : int or None
        Set if rows are whole numbers from 0 to n_tokens - 1, which stay integers.
    """

    channel: str | None = None
    image: tuple[int, int, int] | None = None
    lengths: str | bool | None = None
    offsets: str | None = None
    mask: str | None = None
    steps: str | None = None
    n_steps: int | None = None
    n_tokens: int | None = None

    @property
    def channels(self) -> list[str | None]:
        """Names of all channels that it takes; None is the only one of the data."""
        further = (self.lengths if isinstance(self.lengths, str) else None, self.offsets, self.mask)
        return [self.channel, *(name for name in further if name is not None)]

    @property
    def field(self) -> str:
        """Name of its field in a batch of several fields."""
        return self.channel or "x"


@dataclass(frozen=True)
class Conversion:
    """The steps from stored rows of one channel to an input of the network.

    Attributes
    ----------
    axes : str or None
        Order of the axes of images: "NCHW", "NHWC" or "NHW".
    image : tuple of int or None
        (channels, height, width) of images that are stored as flat rows, or without a channel axis.
    preprocess : callable, optional
        Fitted preprocessing, a function of an array (rows, ...); of sequences (steps, ...).
    steps : str or None
        See `Input`.
    n_tokens : int or None
        See `Input`.
    text : tuple of int
        Positions of the columns of text of a table.
    may_miss : tuple of int
        Positions of the columns of numbers whose missing values preprocessing replaces or encodes.
    """

    axes: str | None = None
    image: tuple[int, int, int] | None = None
    preprocess: Alter | None = None
    steps: str | None = None
    n_tokens: int | None = None
    text: tuple[int, ...] = ()
    may_miss: tuple[int, ...] = ()

    def channels_first(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Return stored rows (rows, ...) with the axes of a network; rows (n,) become (n, 1)."""
        if raw.ndim == 1:
            return raw[:, None]
        if self.axes == "NHWC":
            return np.moveaxis(raw, -1, 1)
        raw = raw[:, None] if self.axes == "NHW" else raw
        return raw if self.image is None else raw.reshape(len(raw), *self.image)

    def __call__(self, raw: NDArray[Any], steps: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return stored rows (rows, ...), which are not changed, as the network takes them: contiguous, writeable.

        Parameters
        ----------
        raw : array (rows, ...)
        steps : array (rows,) of int, or (rows, n_steps) of bool; optional
            Lengths or mask of sequences, whose padding is zero and stays zero.

        Returns
        -------
        array (rows, ...) of float32, or of int64 if they are tokens
        """
        raw = self.channels_first(raw)
        if self.preprocess is None and self.text:
            # Before preprocessing is fitted, text has a place, and no value.
            raw = self.checkable(raw)
        if self.preprocess is not None:
            raw = self.preprocess(raw) if steps is None else self._by_step(raw, valid_steps(steps, raw.shape[1]))
        x = np.ascontiguousarray(raw, dtype=np.float32 if self.n_tokens is None else np.int64)
        # PyTorch warns of arrays that are read-only, as rows of a memory map are.
        return x if x.flags.writeable else x.copy()

    def _by_step(self, raw: NDArray[Any], is_valid: NDArray[np.bool_]) -> NDArray[Any]:
        """Return sequences whose steps are preprocessed as rows of their own."""
        assert self.preprocess is not None
        of_steps = self.preprocess(self.counted(raw, is_valid))
        # Without the axis that `counted` has added to steps of one number.
        of_steps = of_steps[:, 0] if raw.ndim == 2 and of_steps.shape[1:] == (1,) else of_steps
        out = np.zeros((*raw.shape[:2], *of_steps.shape[1:]), of_steps.dtype)
        out[is_valid] = of_steps
        return out

    def counted(self, raw: NDArray[Any], is_valid: NDArray[np.bool_]) -> NDArray[Any]:
        """Return the steps that count (n, ...), of one number each (n, 1)."""
        of_steps = raw[is_valid]
        return of_steps[:, None] if of_steps.ndim == 1 else of_steps

    def checkable(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return stored rows of a table as numbers, 0 for text and for what may be missing; other rows as they are."""
        if not (self.text or self.may_miss) or values.ndim < 2:
            return values
        numbers = values.copy()
        # Before astype, which raises for text.
        numbers[..., self.text] = 0
        numbers = numbers.astype(np.float64)
        for place in self.may_miss:
            numbers[np.isnan(numbers[..., place]), place] = 0
        return numbers

    def first_wrong(self, values: NDArray[Any], *, lenient: bool) -> int | None:
        """Return the first row of stored values that is not finite (unless `lenient`), or holds no token."""
        if not len(values):
            return None
        values = self.checkable(values)
        if self.n_tokens is not None:
            flat = values.reshape(len(values), -1)
            good = ((flat >= 0) & (flat < self.n_tokens) & (flat == np.round(flat))).all(axis=1)
            return None if good.all() else int(np.argmin(good))
        return None if lenient or values.dtype.kind != "f" else first_not_finite(values)

    def error(self, where: str, row: NDArray[Any], columns: Names) -> DataError:
        """Return the error for a row that `first_wrong` has found."""
        row = self.checkable(row[None])[0]
        if self.n_tokens is None:
            return not_finite_error(where, row, columns)
        flat = row.reshape(-1)
        wrong = flat[~((flat >= 0) & (flat < self.n_tokens) & (flat == np.round(flat)))][0]
        bounds = f"0 .. {self.n_tokens - 1}, below n_tokens of the EmbeddingLayer"
        return DataError(f"{where} holds {wrong:.15g}; tokens must be whole numbers in {bounds}")

    def fits_image(self, size: tuple[int, int, int], shape: tuple[int, ...]) -> bool:
        """Return whether stored examples of a shape are images of a size that are flat or lack a channel axis."""
        shape = self.channels_first(np.empty((0, *shape))).shape[1:]
        return shape in ((prod(size),), size[1:] if size[0] == 1 else ())


def channels_of(inputs: Sequence[Input]) -> list[str | None]:
    """Return the names of all channels that a network takes, each once; None is the only one of the data."""
    return list(dict.fromkeys(name for one in inputs for name in one.channels))


def of_channel(setting: Any, channel: str | None) -> Any:
    """Return the setting itself, or its entry for the channel if it is a mapping (None if it has none)."""
    return setting.get(channel) if isinstance(setting, Mapping) else setting
