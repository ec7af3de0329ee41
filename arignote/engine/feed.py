"""Batches on the device of the network: copied one by one, or gathered from rows that stay on the device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arignote.data.epoch.batches import Batch
from arignote.data.values.fields import fields_of

__all__ = ["DeviceBatch", "ResidentRows", "batch_to_device", "fields_to_device", "fits_on_device"]


class DeviceBatch(NamedTuple):
    """A minibatch on the device of the network.

    Attributes
    ----------
    x : tuple of Tensor (rows, ...)
        Features of each input layer.
    y : tuple of Tensor (rows,) or (rows, n_outputs)
        Encoded targets of each output, such as class numbers.
    weights : Tensor (rows,), optional
        Weight of each row in the loss.
    """

    x: tuple[Tensor, ...]
    y: tuple[Tensor, ...]
    weights: Tensor | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows; a shard without rows has no features."""
        return self.x[0].shape[0] if self.x else 0


# Bytes. The alignment of tensors that torch allocates, and the one that MKL requires for reproducible results
# ("Obtaining Numerically Reproducible Results", Developer Guide for oneMKL).
ALIGNMENT = 64


def _to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """Return an array as a tensor on the device of the network; on the CPU without a copy if its memory is aligned.

    Kernels may round differently at other addresses: a product with one column does, by the address modulo 16.
    """
    tensor = torch.from_numpy(array)
    if device.type != "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return _aligned(tensor)


def fields_to_device(array: NDArray[Any], device: torch.device) -> tuple[Tensor, ...]:
    """Return features, or encoded targets, on the device: one tensor for each input or output of the network."""
    if array.dtype.names is None:
        return (_to_device(np.ascontiguousarray(array), device),)
    # NumPy calls the field of a single row contiguous, whatever its strides are; torch does not.
    return tuple(_to_device(field.copy(), device) for field in fields_of(array).values())


def _aligned(tensor: Tensor) -> Tensor:
    return tensor if tensor.data_ptr() % ALIGNMENT == 0 else tensor.clone()


def batch_to_device(batch: Batch, device: torch.device) -> DeviceBatch:
    """Return a batch on the device of the network."""
    if not batch.n_rows:
        return DeviceBatch((), ())
    assert batch.y is not None
    weights = None if batch.weights is None else _to_device(batch.weights, device)
    return DeviceBatch(fields_to_device(batch.x, device), fields_to_device(batch.y, device), weights)


# Bytes. On a CPU, rows that stay are a second copy of the data, which is made once instead of batch by batch: of a
# small network that takes a tenth of a step.
_CPU_BYTES = 2**26


def fits_on_device(n_bytes: int, device: torch.device) -> bool:
    """Return whether rows of `n_bytes` may stay on the device: in half of the free memory of a GPU, or in 64 MiB."""
    return n_bytes <= (torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else _CPU_BYTES)


# Bytes. Small batches are cut from a block of rows that is gathered at once, and small enough for the cache of a core:
# of a small network gathering each batch is a tenth of a step.
_BLOCK_BYTES = 2**20
# Batches that a block has at least.
_BATCHES_OF_BLOCK = 8


class ResidentRows:
    """Rows that stay on the device; batches gathered there have the same bits as those that are copied.

    Parameters
    ----------
    x : array (rows, ...) of float32
    y : array (rows, ...)
        Encoded targets.
    weights : array (rows,) of float32, optional
    device : torch.device
    """

    def __init__(self, x: NDArray[Any], y: NDArray[Any], weights: NDArray[Any] | None, device: torch.device):
        of_x, of_y = fields_to_device(x, device), fields_to_device(y, device)
        of_weights = () if weights is None else (_to_device(weights, device),)
        self._values, self._n_x, self._n_y = (*of_x, *of_y, *of_weights), len(of_x), len(of_y)
        self._device = device
        row_bytes = sum(int(values[:1].nbytes) for values in self._values)
        self._block_rows = _BLOCK_BYTES // max(row_bytes, 1)
        self._block: list[DeviceBatch] = []
        # Order of the epoch, number of rows of a batch, and position in the order of the first row of the block.
        self._block_of: tuple[NDArray[np.int64] | None, int, int] = (None, 0, 0)

    def __call__(self, batch: Batch) -> DeviceBatch:
        """Return the rows of a batch, gathered by their numbers."""
        rows = batch.rows
        if not batch.n_rows:
            return DeviceBatch((), ())
        if isinstance(rows, slice):
            return self._batch(_aligned(values[rows]) for values in self._values)
        size = len(rows)
        n_batches = self._block_rows // size
        if batch.order is None or n_batches < _BATCHES_OF_BLOCK or batch.begin % size:
            return self._batch(self._gathered(rows))
        number, at = divmod(batch.begin // size, n_batches)
        first = number * n_batches * size
        if self._block_of[0] is not batch.order or self._block_of[1:] != (size, first):
            gathered = self._gathered(batch.order[first : first + n_batches * size])
            cut: list[tuple[Tensor, ...]] = [torch.split(values, size) for values in gathered]
            self._block = [self._batch(map(_aligned, values)) for values in zip(*cut, strict=True)]
            self._block_of = batch.order, size, first
        return self._block[at]

    def _gathered(self, rows: NDArray[np.int64]) -> list[Tensor]:
        """Return values of rows by their numbers, in memory of their own, which is aligned."""
        numbers = torch.from_numpy(np.ascontiguousarray(rows))
        if self._device.type != "cpu":
            numbers = numbers.pin_memory().to(self._device, non_blocking=True)
        return [values.index_select(0, numbers) for values in self._values]

    def _batch(self, given: Iterable[Tensor]) -> DeviceBatch:
        values = list(given)
        n_x, n_xy = self._n_x, self._n_x + self._n_y
        return DeviceBatch(tuple(values[:n_x]), tuple(values[n_x:n_xy]), *values[n_xy:])
