"""Tables in memory whose columns are numbers, text or categories, of pandas, polars, pyarrow or NumPy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from arignote.data.frames import columns_of_table, is_missing, is_table, is_text, numbers_of, words_of
from arignote.data.readers.base import Array, Reader, RowIndex
from arignote.errors import DataError

__all__ = ["MixedReader", "mixed_table"]


class MixedReader(Reader):
    """Rows of columns in memory, some of them text: arrays of objects, with floats, text, and None for missing text.

    Parameters
    ----------
    columns : sequence of array (rows,)
        Numbers, or objects, which are text or other names of categories.
    names : sequence of str or int
        Names of the columns, or their positions; none if they are not known.
    what : str
        Name of the data in errors.
    text : sequence of int, optional
        Positions of the columns that are text whatever they hold; others are if they hold anything but numbers.

    Raises
    ------
    DataError
        If a column holds neither numbers nor text, or both.

    Examples
    --------
    >>> reader = MixedReader([np.array([30.0, 41.0]), np.array(["f", "m"], object)], ["age", "sex"])
    >>> reader.text, reader.read(slice(0, 2)).tolist()
    ((1,), [[30.0, 'f'], [41.0, 'm']])
    """

    in_memory = True

    def __init__(self, columns: Sequence[Array], names: Sequence[str | int], what: str = "X", text: Sequence[int] = ()):
        self.columns = tuple(names)  # type: ignore[assignment]
        self.text = tuple(place for place, column in enumerate(columns) if place in text or is_text(column))
        self._of_numbers = [place for place in range(len(columns)) if place not in self.text]
        n_rows = len(columns[0])
        self._numbers = np.empty((n_rows, len(self._of_numbers)))
        self._words = np.empty((n_rows, len(self.text)), object)
        for at, place in enumerate(self._of_numbers):
            self._numbers[:, at] = numbers_of(columns[place])
        for at, place in enumerate(self.text):
            self._words[:, at] = words_of(columns[place], f"{what}: column {names[place] if names else place!r}")
        self.shape, self.dtype = (n_rows, len(columns)), np.dtype(object)

    @classmethod
    def of(cls, table: Array, like: Reader) -> MixedReader:
        """Return all rows (rows, n_columns) of another reader, which have its columns, origin and text."""
        reader = cls(list(table.T), like.columns, like.where, like.text)
        reader.where, reader.origin, reader.missing = like.where, like.origin, like.missing
        return reader

    def read(self, rows: RowIndex) -> Array:
        words = self._words[rows]
        out = np.empty((len(words), self.shape[1]), object)
        out[:, self._of_numbers], out[:, self.text] = self._numbers[rows], words
        return out

    def digest(self) -> str:
        """Return the SHA-256 of all rows."""
        digest = hashlib.sha256(np.ascontiguousarray(self._numbers).data)
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
        As of `MixedReader`; or if another column than those of `text` is text.
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
    return MixedReader(columns, names, what, [*known, *places]) if known or places else None
