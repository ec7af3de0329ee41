"""Datasets of PyTorch and Hugging Face as readers; neither is imported."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from arignote.data.readers.base import Array, Reader, RowIndex
from arignote.errors import ArignoteError, DataError, available_names

__all__ = ["DatasetReader", "features_and_labels", "is_dataset"]

_LABELS = ("label", "labels", "target", "targets", "class", "y")


class DatasetReader(Reader):
    """One part of the items of a dataset that has a length and gives any item by its number.

    An item must be the same each time: augment with `augment`, not in the dataset. Tensors and images come as
    `numpy.asarray` sees them; a coloured image of Pillow is (height, width, 3).

    Parameters
    ----------
    dataset : torch.utils.data.Dataset, datasets.Dataset, or object with `__len__` and `__getitem__`
        Of tuples, dicts, or arrays alone.
    item : int or str
        Which part of a tuple, or which key of a dict.

    Raises
    ------
    DataError
        For a dataset without length or rows; an item without this part, of another shape or type, or no number.
    """

    def __init__(self, dataset: Any, item: int | str = 0):
        self.dataset, self.item = dataset, item
        # Datasets are seldom made for several threads at once.
        self._lock = threading.RLock()
        self.where = f"{type(dataset).__name__}[{item!r}]"
        n_rows = _length(dataset)
        if item in (getattr(dataset, "column_names", None) or ()):
            self.dataset = _column(dataset, item)
        first = self._one(0, _part(self._got(0), item, self.where))
        self.shape, self.dtype = (n_rows, *first.shape), first.dtype
        self._is_batched = self._sees_batches()

    def _one(self, row: int, value: Any) -> Array:
        """Return a value as numbers of the first one's shape and type, or as a string."""
        found = _array(value)
        if found.dtype.kind in "US" and not found.ndim:
            found = found.astype(object)
        elif found.dtype.kind not in "biuf":
            raise DataError(f"{self.where}: row {row} holds {_kind(value, found)}, not numbers")
        if row and found.shape != self.shape[1:]:
            raise DataError(f"{self.where}: row {row} has shape {found.shape}; row 0 has {self.shape[1:]}")
        if row and ((found.dtype.kind == "O") != (self.dtype.kind == "O") or not np.can_cast(found.dtype, self.dtype)):
            raise DataError(f"{self.where}: row {row} holds {found.dtype}; row 0 holds {self.dtype}")
        return found

    def _got(self, rows: Any) -> Any:
        """Return an item, or several; an error that the dataset raises is reported with its name and row."""
        try:
            return self.dataset[rows]
        except ArignoteError:
            raise
        except Exception as fault:
            raise DataError(f"{self.where}: row {rows}: {type(fault).__name__}: {fault}") from fault

    def _sees_batches(self) -> bool:
        """Whether several items come at once, as from Hugging Face: a dict of lists."""
        if not isinstance(self.dataset[0], Mapping):
            return False
        try:
            batches = [self.dataset[0:1], self.dataset[[0]]]
            return all(
                len(batch[self.item]) == 1 and self._one(0, batch[self.item][0]).shape == self.shape[1:]
                for batch in batches
            )
        except Exception:
            # A dataset that knows rows alone may raise anything for what is no row.
            return False

    def read(self, rows: RowIndex) -> Array:
        """Return rows (n, ...): those of a slice of step 1, or of row numbers in any order."""
        with self._lock:
            return self._read(rows)

    def _read(self, rows: RowIndex) -> Array:
        numbers = list(range(len(self))[rows]) if isinstance(rows, slice) else [int(row) for row in rows]
        out = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        if self._is_batched and numbers:
            values = self._got(rows if isinstance(rows, slice) else numbers)[self.item]
        else:
            values = (_part(self._got(row), self.item, f"{self.where}: row {row}") for row in numbers)
        for place, (row, value) in enumerate(zip(numbers, values, strict=True)):
            found = self._one(row, value)
            out[place] = found[()] if found.dtype == object else found
        return out

    def stamp(self) -> object:
        """Return what Hugging Face knows a dataset by; None for others."""
        return getattr(self.dataset, "_fingerprint", None)


def is_dataset(x: Any) -> bool:
    """Whether something is neither an array nor what becomes one, but gives items by number."""
    if isinstance(x, str | bytes | list | tuple | Mapping):
        return False
    is_array = any(hasattr(x, name) for name in ("__array__", "dtype", "iter_epoch"))
    # The error for a stream, or a DataLoader, says what it lacks.
    return not is_array and (hasattr(x, "__getitem__") or hasattr(x, "__iter__"))


def features_and_labels(
    dataset: Any, features: str | None = None, labels: str | None = None
) -> tuple[Reader, Array | Reader | None]:
    """Return the features of a dataset, and its labels where it has them.

    Parameters
    ----------
    dataset : object with `__len__` and `__getitem__`
        Of tuples (features, label), dicts, or arrays alone.
    features, labels : str, optional
        Keys of a dict. Left out, "label" and the like are labels, and what else there is are the features.

    Returns
    -------
    features : DatasetReader
        Not read yet.
    labels : array, DatasetReader or None
        An array from Hugging Face, which gives a column without the others; None where items have no label.

    Raises
    ------
    DataError
        Where it is not clear which part is which.
    """
    where = type(dataset).__name__
    _length(dataset)
    first = dataset[0]
    if isinstance(first, Mapping):
        keys = [str(key) for key in first]
        if labels is None:
            labels = next((key for key in _LABELS if key in keys and key != features), None)
        others = [key for key in keys if key != labels]
        if features is None and len(others) != 1:
            raise DataError(
                f"{where}: which are the features? Say features_and_labels(dataset, features=..., labels=...); "
                f"there are: {', '.join(keys)}"
            )
        reader = DatasetReader(dataset, features or others[0])
        if labels is None:
            return reader, None
        answers = DatasetReader(dataset, labels)
        return reader, answers.read(slice(0, len(answers))) if answers.dataset is not dataset else answers
    if features or labels:
        raise DataError(f"{where}: its items are no dicts: {features or labels!r} cannot be chosen")
    if not isinstance(first, tuple | list):
        return DatasetReader(dataset), None
    if len(first) > 2:
        raise DataError(
            f"{where}: its items have {len(first)} parts, not features and label: say DatasetReader(dataset, item)"
        )
    return DatasetReader(dataset, 0), DatasetReader(dataset, 1) if len(first) == 2 else None


def _length(dataset: Any) -> int:
    where = type(dataset).__name__
    try:
        n_rows = len(dataset)
    except (TypeError, NotImplementedError, AttributeError):
        raise DataError(f"{where}: has no length (is it a stream?); rows are read by their number") from None
    if not hasattr(dataset, "__getitem__"):
        raise DataError(
            f"{where}: gives no item by its number: it lacks __getitem__ (give the dataset of a DataLoader)"
        )
    if not n_rows:
        raise DataError(f"{where}: has no rows")
    return n_rows


def _column(dataset: Any, item: int | str) -> Any:
    """Return a Hugging Face dataset of one column, so that the others are not decoded."""
    custom = (getattr(dataset, "format", None) or {}).get("type") == "custom"
    return dataset.select_columns([item]) if hasattr(dataset, "select_columns") and not custom else dataset


def _part(found: Any, item: int | str, where: str) -> Any:
    if isinstance(found, Mapping):
        if item not in found:
            keys = [str(key) for key in found]
            raise DataError(f"{where}: no key {item!r}. {available_names(str(item), keys)}")
        return found[item]
    if isinstance(found, tuple | list):
        if not isinstance(item, int) or not -len(found) <= item < len(found):
            raise DataError(f"{where}: no part {item!r}: items have {len(found)} parts")
        return found[item]
    if item != 0:
        raise DataError(f"{where}: no part {item!r}: items are {type(found).__name__}, with no parts")
    return found


def _array(value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        return np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except (TypeError, ValueError, RuntimeError):
        # Lists of different lengths, and types that NumPy lacks (bfloat16).
        return np.asarray(None)


def _kind(value: Any, found: Array) -> str:
    return str(found.dtype) if found.dtype != object else f"{type(value).__name__} {str(value)[:40]!r}"
