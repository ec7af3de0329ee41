"""Formats of predictions, each of which is written block by block: CSV, Parquet, HDF5 and npy."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.targets import Target, TargetState
from arignote.data.targets.base import LabelsPerRow

__all__ = ["Blocks", "PredictedOutput", "write_csv", "write_hdf5", "write_npy", "write_parquet"]

# Predictions of each output layer (n, n_outputs), of blocks of rows in their order.
Blocks = Iterable[Mapping[str, NDArray[Any]]]
# Bytes of a row group of Parquet, which is read as a whole.
_ROW_GROUP = 16_000_000


@dataclass(frozen=True)
class PredictedOutput:
    """Values of an output layer that are written.

    Attributes
    ----------
    name : str
    target : Target
    target_state : dict
        What the target has learned.
    first : array (0 or 1, ...)
        Predictions of the first row, from which shapes and dtypes follow.
    """

    name: str
    target: Target
    target_state: TargetState
    first: NDArray[Any]

    @property
    def labels(self) -> LabelsPerRow:
        """Number of labels of a row, or of a step of a row."""
        return self.target.of_step.labels_per_row

    @property
    def classes(self) -> NDArray[Any] | None:
        """Labels in the order of the outputs; None if the target is numbers."""
        if self.labels == "none":
            return None
        classes = self.target.classes(self.target_state)
        # Of objects the dtype that they have: labels are of one type.
        return np.array(classes.tolist()) if classes.dtype == object else classes

    @property
    def n_steps(self) -> int | None:
        """Number of steps for each of which there is a prediction; None if there is one for each row."""
        return self.first.shape[1] if self.target.has_steps else None

    def predicted(self, block: NDArray[Any]) -> NDArray[Any] | None:
        """Return the labels (n, ...) or the numbers (n, ...) of a block; None if a row has several labels."""
        if self.labels == "several":
            return None
        decoded = self.target.decode(block, self.target_state)
        return decoded if self.classes is None else decoded.astype(self.classes.dtype, copy=False)

    def probabilities(self, block: NDArray[Any]) -> NDArray[Any] | None:
        """Return the probabilities (n, ..., n_classes) of a block; None if the target is numbers."""
        return None if self.labels == "none" else block

    @property
    def columns(self) -> list[str]:
        """Names of its columns in a table."""
        if self.classes is None:
            n = self.target.size(self.target_state)
            return ["predicted"] if n == 1 else [f"predicted_{column}" for column in range(n)]
        probabilities = [f"p_{label}" for label in self.classes]
        return ["predicted", *probabilities] if self.labels == "one" else probabilities

    def arrays(self, block: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Yield the columns (n,) of a block in a table, or (n * steps,) if there is a prediction for each step."""
        n_lines = len(block) * (self.n_steps or 1)
        for values in (self.predicted(block), self.probabilities(block)):
            if values is not None:
                # Not -1, which reshape cannot determine for an array without values.
                yield from values.reshape(n_lines, values.size // n_lines if n_lines else 1).T


def _table_columns(outputs: Sequence[PredictedOutput]) -> list[str]:
    """Return the names of all columns; with several outputs they begin with their names."""
    prefixed = len(outputs) > 1
    names = (f"{one.name}_{column}" if prefixed else column for one in outputs for column in one.columns)
    return ["row", *(["step"] if outputs[0].n_steps else []), *names]


def _numbers_of_lines(outputs: Sequence[PredictedOutput], rows: range) -> list[NDArray[np.int64]]:
    """Return the first columns of a table: the number of the row, and that of the step if there is a line for each."""
    n_steps, numbers = outputs[0].n_steps, np.arange(rows.start, rows.stop)
    return [numbers] if n_steps is None else [np.repeat(numbers, n_steps), np.tile(np.arange(n_steps), len(rows))]


def write_csv(file: IO[str], outputs: Sequence[PredictedOutput], blocks: Blocks, n_rows: int) -> None:
    """Write a table: row, step, what is predicted, and the probability of each class, if there are classes.

    Parameters
    ----------
    file : file
        Open for writing.
    outputs : sequence of PredictedOutput
        The outputs of the network, the main one first.
    blocks : iterable of dict of str to array
        Predictions of each output, of blocks of rows in their order.
    n_rows : int
        Rows in all.
    """
    writer = csv.writer(file)
    writer.writerow(_table_columns(outputs))
    row = 0
    for block in blocks:
        rows = range(row, row + len(block[outputs[0].name]))
        numbers = [column.tolist() for column in _numbers_of_lines(outputs, rows)]
        writer.writerows(
            zip(*numbers, *(cells for one in outputs for cells in _cells(one, block[one.name])), strict=True)
        )
        row = rows.stop


def _cells(output: PredictedOutput, block: NDArray[Any]) -> Iterator[list[Any]]:
    """Yield the cells of each column: labels as they are, numbers with the digits that they have."""
    for column, values in zip(output.columns, output.arrays(block), strict=True):
        is_label = output.labels == "one" and column == "predicted"
        # 9 digits are enough to read the same float32 again (IEEE 754-2008, 5.12.2).
        yield values.tolist() if is_label else [f"{value:.9g}" for value in values]


def write_parquet(file: IO[bytes], outputs: Sequence[PredictedOutput], blocks: Blocks, n_rows: int) -> None:
    """Write the columns of the CSV file with their types, in row groups of about 16 MB."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    numbers = _numbers_of_lines(outputs, range(0))
    first = [*numbers, *(values for one in outputs for values in one.arrays(one.first))]
    schema = pa.schema([(name, pa.array(v).type) for name, v in zip(_table_columns(outputs), first, strict=True)])
    with parquet.ParquetWriter(file, schema) as writer:
        row, waiting = 0, list[Any]()
        for block in blocks:
            rows = range(row, row + len(block[outputs[0].name]))
            arrays = [values for one in outputs for values in one.arrays(block[one.name])]
            columns = [*_numbers_of_lines(outputs, rows), *arrays]
            waiting.append(
                pa.record_batch(
                    [pa.array(v, type=k) for v, k in zip(columns, schema.types, strict=True)], schema=schema
                )
            )
            row = rows.stop
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
                values = values_of(block[output])
                assert values is not None
                # h5py has no type for the text of NumPy, of fixed width in UTF-32.
                dataset[row:after] = values.astype(object) if values.dtype.kind == "U" else values
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
    # The header alone: rows follow as they are predicted, and never are one array in memory.
    np.lib.format.write_array_header_1_0(file, header | {"shape": (n_rows, *like.shape[1:])})
    for block in blocks:
        file.write(np.ascontiguousarray(values_of(block[output.name]), dtype=like.dtype).tobytes())
