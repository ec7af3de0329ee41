"""Readers of datasets of PyTorch and Hugging Face; neither library is imported."""

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
    """Reader of one part of the items of a map-style dataset, which has a length and items by number.

    An item must be the same each time: augment with the setting `augmentation`, not in the dataset. Tensors and images
    are converted by `numpy.asarray`; a colour image of Pillow has the shape (height, width, 3).

    Parameters
    ----------
    dataset : torch.utils.data.Dataset, datasets.Dataset, or object with `__len__` and `__getitem__`
        Its items are tuples, dicts or arrays.
    item : int or str
        Position in a tuple, or key of a dict.

    Raises
    ------
    DataError
        If the dataset has no length or no rows; when read, if an item lacks this part, has another shape or type than
        the first, or is not a number.
    """

    def __init__(self, dataset: Any, item: int | str = 0):
        self.dataset, self.item = dataset, item
        # Few datasets are thread-safe.
        self._lock = threading.RLock()
        self.where = f"{type(dataset).__name__}[{item!r}]"
        n_rows = _length(dataset)
        if item in (getattr(dataset, "column_names", None) or ()):
            self.dataset = _column(dataset, item)
        first = self._value(0, _part(self._get(0), item, self.where))
        self.shape, self.dtype = (n_rows, *first.shape), first.dtype
        self._is_batched = self._reads_batches()

    def _value(self, row: int, value: Any) -> Array:
        """Return a value as an array of the shape and type of row 0, or as a string."""
        array = _array(value)
        if array.dtype.kind in "US" and not array.ndim:
            array = array.astype(object)
        elif array.dtype.kind not in "biuf":
            raise DataError(f"{self.where}: row {row} holds {_kind(value, array)}, not numbers")
        if row and array.shape != self.shape[1:]:
            raise DataError(f"{self.where}: row {row} has shape {array.shape}; row 0 has {self.shape[1:]}")
        if row and ((array.dtype.kind == "O") != (self.dtype.kind == "O") or not np.can_cast(array.dtype, self.dtype)):
            raise DataError(f"{self.where}: row {row} holds {array.dtype}; row 0 holds {self.dtype}")
        return array

    def _get(self, rows: Any) -> Any:
        """Return one item or several; errors of the dataset are raised as DataErrors with its name and the row."""
        try:
            return self.dataset[rows]
        except ArignoteError:
            raise
        except Exception as error:
            raise DataError(f"{self.where}: row {rows}: {type(error).__name__}: {error}") from error

    def _reads_batches(self) -> bool:
        """Return whether the dataset returns several items at once as a dict of lists, as Hugging Face does."""
        if not isinstance(self.dataset[0], Mapping):
            return False
        try:
            # Both forms, as `read` passes either on.
            batches = [self.dataset[0:1], self.dataset[[0]]]
            return all(
                len(batch[self.item]) == 1 and self._value(0, batch[self.item][0]).shape == self.shape[1:]
                for batch in batches
            )
        except Exception:
            # A dataset of single items may raise any error for a slice or a list.
            return False

    def read(self, rows: RowIndex) -> Array:
        """Return rows (n, ...): those of a slice of step 1, or of row numbers in any order."""
        with self._lock:
            return self._read(rows)

    def _read(self, rows: RowIndex) -> Array:
        numbers = list(range(len(self))[rows]) if isinstance(rows, slice) else [int(row) for row in rows]
        out = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        if self._is_batched and numbers:
            values = self._get(rows if isinstance(rows, slice) else numbers)[self.item]
        else:
            values = (_part(self._get(row), self.item, f"{self.where}: row {row}") for row in numbers)
        for place, (row, value) in enumerate(zip(numbers, values, strict=True)):
            array = self._value(row, value)
            # [()]: NumPy would store the array of no axes itself among the objects.
            out[place] = array[()] if array.dtype == object else array
        return out

    def stamp(self) -> object:
        """Return the fingerprint of a Hugging Face dataset; None for other datasets."""
        return getattr(self.dataset, "_fingerprint", None)


def is_dataset(x: Any) -> bool:
    """Return whether `x` is a dataset: iterable or indexable, but not an array or convertible to one."""
    if isinstance(x, str | bytes | list | tuple | Mapping):
        return False
    is_array = any(hasattr(x, name) for name in ("__array__", "dtype", "iter_epoch"))
    # Streams and DataLoaders count as datasets, so that an error names what they lack.
    return not is_array and (hasattr(x, "__getitem__") or hasattr(x, "__iter__"))


def features_and_labels(
    dataset: Any, features: str | None = None, labels: str | None = None
) -> tuple[Reader, Array | Reader | None]:
    """Return the features of a dataset, and its labels if it has any.

    Parameters
    ----------
    dataset : object with `__len__` and `__getitem__`
        Its items are tuples (features, label), dicts or arrays.
    features, labels : str, optional
        Keys of a dict. By default "label" and similar keys are the labels, and the only other key the features.

    Returns
    -------
    features : DatasetReader
        Not read yet.
    labels : array, DatasetReader or None
        An array for Hugging Face, of which a single column can be read; None if items have no label.

    Raises
    ------
    DataError
        If it is ambiguous which part is which.
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
                f"{where}: features are ambiguous; call features_and_labels(dataset, features=..., labels=...). "
                f"There are: {', '.join(keys)}"
            )
        reader = DatasetReader(dataset, features or others[0])
        if labels is None:
            return reader, None
        answers = DatasetReader(dataset, labels)
        return reader, answers.read(slice(0, len(answers))) if answers.dataset is not dataset else answers
    if features or labels:
        raise DataError(f"{where}: its items are not dicts: {features or labels!r} cannot be selected")
    if not isinstance(first, tuple | list):
        return DatasetReader(dataset), None
    if len(first) > 2:
        raise DataError(
            f"{where}: its items have {len(first)} parts, not features and label: use DatasetReader(dataset, item)"
        )
    return DatasetReader(dataset, 0), DatasetReader(dataset, 1) if len(first) == 2 else None


def _length(dataset: Any) -> int:
    where = type(dataset).__name__
    try:
        n_rows = len(dataset)
    except (TypeError, NotImplementedError, AttributeError):
        raise DataError(f"{where}: has no length (is it a stream?); rows are read by their number") from None
    if not hasattr(dataset, "__getitem__"):
        raise DataError(f"{where}: has no items by number: __getitem__ is missing (pass the dataset of a DataLoader)")
    if not n_rows:
        raise DataError(f"{where}: has no rows")
    return n_rows


def _column(dataset: Any, item: int | str) -> Any:
    """Return a Hugging Face dataset with one column, so that the others are not decoded; other datasets as they are."""
    # A function set by `set_transform` may need the other columns.
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
    # `numpy` of a tensor raises if it requires a gradient or lies on a GPU.
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        return np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except (TypeError, ValueError, RuntimeError):
        # Lists of different lengths, and types that NumPy lacks (bfloat16).
        return np.asarray(None)


def _kind(value: Any, found: Array) -> str:
    return str(found.dtype) if found.dtype != object else f"{type(value).__name__} {str(value)[:40]!r}"
