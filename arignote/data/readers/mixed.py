"""Tables in memory whose columns are numbers, text or categories, of pandas, polars, pyarrow or NumPy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from arignote.data.readers.base import Array, Reader, RowIndex
from arignote.data.values.frames import columns_of_table, is_table, is_text, numbers_of, words_of
from arignote.data.values.missing_values import is_missing
from arignote.errors import DataError

__all__ = ["MixedReader", "mixed_table"]


class MixedReader(Reader):
    """Rows of a table in memory, some columns of which are text: arrays of objects, with None for missing text.

    Parameters
    ----------
    numbers : array (rows, n_numbers) of float64
        Columns of numbers, NaN where one is missing.
    words : array (rows, n_words) of object
        Columns of text or of other names of categories, None where one is missing.
    text : sequence of int
        Positions of the columns of `words` among all.
    names : sequence of str or int
        Names of all columns, or their positions; none if they are not known.

    Examples
    --------
    >>> reader = MixedReader(np.array([[30.0], [41.0]]), np.array([["f"], ["m"]], object), [1], ["age", "sex"])
    >>> reader.read(slice(0, 2)).tolist()
    [[30.0, 'f'], [41.0, 'm']]
    """

    in_memory = True

    def __init__(self, numbers: Array, words: Array, text: Sequence[int], names: Sequence[str | int]):
        self._numbers, self._words = numbers, words
        self.text, self.columns = tuple(text), tuple(names)  # type: ignore[assignment]
        self.shape, self.dtype = (len(words), numbers.shape[1] + words.shape[1]), np.dtype(object)
        self._of_numbers = [place for place in range(self.shape[1]) if place not in self.text]

    @classmethod
    def of(cls, reader: Reader) -> MixedReader:
        """Return the rows of a reader of a file, read chunk by chunk."""
        is_text = np.isin(np.arange(reader.shape[1]), reader.text)
        numbers = np.empty((len(reader), int((~is_text).sum())))
        words = np.empty((len(reader), len(reader.text)), object)
        # Equal words are one object.
        known: dict[Any, Any] = {}
        # Chunk by chunk: the numbers of a chunk are objects of 32 bytes before they are floats of 8.
        for at in range(0, len(reader), reader.chunk_rows or 4096):
            rows = slice(at, min(at + (reader.chunk_rows or 4096), len(reader)))
            chunk = reader.read(rows)
            numbers[rows] = chunk[:, ~is_text]
            words[rows] = [[known.setdefault(word, word) for word in row] for row in chunk[:, is_text].tolist()]
        mixed = cls(numbers, words, reader.text, reader.columns)
        mixed.where, mixed.origin, mixed.missing = reader.where, reader.origin, reader.missing
        return mixed

    def read(self, rows: RowIndex) -> Array:
        words = self._words[rows]
        out = np.empty((len(words), self.shape[1]), object)
        out[:, self._of_numbers], out[:, self.text] = self._numbers[rows], words
        return out

    def digest(self) -> str:
        """Return the SHA-256 of all rows."""
        digest = hashlib.sha256(np.ascontiguousarray(self._numbers).data)
        # repr: the text "None" differs from a missing one, and "1" from 1.
        digest.update(repr((self.text, self._words.tolist())).encode())
        return digest.hexdigest()


def mixed_table(x: Any, names: Sequence[str], what: str, text: Sequence[int] | None = None) -> MixedReader | None:
    """Return the reader of a table, or of an array of objects or strings, if columns of it are text.

    Parameters
    ----------
    x : object
    names : sequence of str
        Names of the columns, if they are known.
    what : str
        Name of the data in errors.
    text : sequence of int, optional
        Positions of the columns that are text, whatever they hold; by default those that hold anything but numbers.

    Returns
    -------
    MixedReader or None
        None if all columns are numbers, or `x` is no table.

    Raises
    ------
    DataError
        If a column holds neither numbers nor text, or both, or another one than those of `text` is text.
    """
    if is_table(x):
        columns, categories = columns_of_table(x)
    else:
        array = x if hasattr(x, "dtype") else np.array(x, dtype=object)
        if array.dtype.kind not in "OUS" or array.ndim != 2:
            return None
        columns, categories = list(array.T), []
    known = [place for place in text or () if place < len(columns)]
    places = [place for place, column in enumerate(columns) if place in categories or is_text(column)]
    if text is not None and (wrong := [place for place in places if place not in known]):
        word = next(value for value in columns[wrong[0]] if not is_missing(value))
        name = names[wrong[0]] if names else wrong[0]
        raise DataError(f"{what}: column {name!r} holds {word!r}; in the training rows it holds numbers")
    text = sorted({*known, *places})
    if not text:
        return None
    numbers = np.empty((len(columns[0]), len(columns) - len(text)))
    words = np.empty((len(columns[0]), len(text)), object)
    for at, place in enumerate(place for place in range(len(columns)) if place not in text):
        numbers[:, at] = numbers_of(columns[place])
    for at, place in enumerate(text):
        words[:, at] = words_of(columns[place], f"{what}: column {names[place] if names else place!r}")
    return MixedReader(numbers, words, text, names)
