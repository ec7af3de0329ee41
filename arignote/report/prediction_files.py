"""Formats of predictions, each of which is written block by block: CSV, Parquet, HDF5 and npy."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.targets import Memory, Target
from arignote.data.targets.base import LabelsPerRow

__all__ = ["Blocks", "PredictedOutput", "write_csv", "write_hdf5", "write_npy", "write_parquet"]

# Predictions of each output layer (n, n_outputs), of blocks of rows in their order.
Blocks = Iterable[Mapping[str, NDArray[Any]]]
# Bytes of a row group of Parquet, which is read as a whole.
_ROW_GROUP = 16_000_000


@dataclass(frozen=True)
class PredictedOutput:
    """What is written of an output layer.

    Attributes
    ----------
    name : str
    target : Target
    memory : dict
        What the target has learned.
    first : array (0 or 1, ...)
        Predictions of the first row, from which shapes and dtypes follow.
    """

    name: str
    target: Target
    memory: Memory
    first: NDArray[Any]

    @property
    def labels(self) -> LabelsPerRow:
        """How many labels a row, or a step of a row, has."""
        return self.target.of_step.labels_per_row

    @property
    def classes(self) -> NDArray[Any] | None:
        """Labels in the order of the outputs; None if the target is numbers."""
        if self.labels == "none":
            return None
        classes = self.target.classes(self.memory)
        # Of objects the dtype that they have: labels are of one type.
        return np.array(classes.tolist()) if classes.dtype == object else classes

    def predicted(self, block: NDArray[Any]) -> NDArray[Any] | None:
        """Return the labels (n, ...) or the numbers (n, ...) of a block; None if a row has several labels."""
        if self.labels == "several":
            return None
        decoded = self.target.decode(block, self.memory)
        return decoded if self.classes is None else decoded.astype(self.classes.dtype, copy=False)

    def probabilities(self, block: NDArray[Any]) -> NDArray[Any] | None:
        """Return the probabilities (n, ..., n_classes) of a block; None if the target is numbers."""
        return None if self.labels == "none" else block

    @property
    def columns(self) -> list[str]:
        """Names of its columns in a table."""
        if self.classes is None:
            n = self.target.size(self.memory)
            return ["predicted"] if n == 1 else [f"predicted_{column}" for column in range(n)]
        probabilities = [f"p_{label}" for label in self.classes]
        return ["predicted", *probabilities] if self.labels == "one" else probabilities

    def arrays(self, block: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Yield the columns (n,) of a block in a table."""
        for values in (self.predicted(block), self.probabilities(block)):
            if values is not None:
                yield from values.reshape(len(block), prod(values.shape[1:])).T


def _table_columns(outputs: Sequence[PredictedOutput]) -> list[str]:
    """Return the names of all columns; with several outputs they begin with their names."""
    prefixed = len(outputs) > 1
    return ["row", *(f"{one.name}_{column}" if prefixed else column for one in outputs for column in one.columns)]


def write_csv(file: IO[str], outputs: Sequence[PredictedOutput], blocks: Blocks, n_rows: int) -> None:
    """Write a table: row, what is predicted, and the probability of each class, if there are classes."""
    writer = csv.writer(file)
    writer.writerow(_table_columns(outputs))
    row = 0
    for block in blocks:
        by_output = [_cells(one, block[one.name]) for one in outputs]
        for cells in zip(*by_output, strict=True):
            writer.writerow([row, *(cell for some in cells for cell in some)])
            row += 1


def _cells(output: PredictedOutput, block: NDArray[Any]) -> Iterator[list[Any]]:
    """Yield the cells of each row, numbers with the digits that they have."""
    decoded = output.predicted(block)
    if output.classes is None:
        assert decoded is not None
        for values in decoded.reshape(len(block), -1):
            yield [f"{value:.9g}" for value in values]
        return
    for row, p in enumerate(block):
        yield [*([] if decoded is None else [decoded[row]]), *(f"{value:.9g}" for value in p)]


def write_parquet(file: IO[bytes], outputs: Sequence[PredictedOutput], blocks: Blocks, n_rows: int) -> None:
    """Write the columns of the CSV file with their types, in row groups of about 16 MB."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    kinds = [pa.array(values).type for one in outputs for values in one.arrays(one.first)]
    schema = pa.schema(list(zip(_table_columns(outputs), [pa.int64(), *kinds], strict=True)))
    with parquet.ParquetWriter(file, schema) as writer:
        row, waiting = 0, list[Any]()
        for block in blocks:
            arrays = [values for one in outputs for values in one.arrays(block[one.name])]
            after = row + len(block[outputs[0].name])
            columns = [pa.array(values, type=kind) for kind, values in zip(kinds, arrays, strict=True)]
            waiting.append(pa.record_batch([pa.array(np.arange(row, after)), *columns], schema=schema))
            row = after
            if sum(batch.nbytes for batch in waiting) >= _ROW_GROUP:
                _write_row_group(writer, waiting)
                waiting = []
        if waiting:
            _write_row_group(writer, waiting)


def _write_row_group(writer: Any, batches: list[Any]) -> None:
    import pyarrow as pa

    table = pa.Table.from_batches(batches)
    writer.write_table(table, row_group_size=table.num_rows)


def write_hdf5(file: IO[bytes], outputs: Sequence[PredictedOutput], blocks: Blocks, n_rows: int) -> None:
    """Write the datasets /predicted, /probabilities and /classes, of several outputs in a group for each."""
    import h5py

    # The library is given the open file: where it writes by itself to a full disk, it ends the process.
    with h5py.File(file, "w") as root:
        datasets = []
        for one in outputs:
            group = root.create_group(one.name) if len(outputs) > 1 else root
            if one.classes is not None:
                group.create_dataset("classes", data=one.classes.tolist(), dtype=_dtype_in_hdf5(one.classes))
            for name, values_of in (("predicted", one.predicted), ("probabilities", one.probabilities)):
                like = values_of(one.first)
                if like is not None:
                    dataset = group.create_dataset(name, (n_rows, *like.shape[1:]), _dtype_in_hdf5(like))
                    datasets.append((dataset, one.name, values_of))
        row = 0
        for block in blocks:
            after = row + len(block[outputs[0].name])
            for dataset, output, values_of in datasets:
                found = values_of(block[output])
                assert found is not None
                dataset[row:after] = found.astype(object) if found.dtype.kind == "U" else found
            row = after


def _dtype_in_hdf5(values: NDArray[Any]) -> Any:
    """Return the dtype of values in a file; text is UTF-8 of variable length."""
    import h5py

    return h5py.string_dtype() if values.dtype.kind == "U" else values.dtype


def write_npy(file: IO[bytes], outputs: Sequence[PredictedOutput], blocks: Blocks, n_rows: int) -> None:
    """Write one array: the probabilities (rows, n_classes) of classes, or the numbers (rows,) or (rows, n)."""
    (output,) = outputs
    values_of = output.predicted if output.classes is None else output.probabilities
    like = values_of(output.first)
    assert like is not None
    header = {"descr": np.lib.format.dtype_to_descr(like.dtype), "fortran_order": False}
    np.lib.format.write_array_header_1_0(file, header | {"shape": (n_rows, *like.shape[1:])})
    for block in blocks:
        file.write(np.ascontiguousarray(values_of(block[output.name]), dtype=like.dtype).tobytes())
