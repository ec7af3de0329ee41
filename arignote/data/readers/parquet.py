"""Reader of Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arignote.data.readers.base import Array
from arignote.data.readers.chunked import CHUNK_ROWS, ChunkedReader
from arignote.data.values.columns import Mixed
from arignote.errors import DataError

__all__ = ["ParquetReader"]


class ParquetReader(ChunkedReader):
    """Reader of columns of a Parquet file, one row group at a time.

    Parameters
    ----------
    path : str or Path
        The file.
    columns : str or sequence of str, optional
        One name: (rows,), or (rows, n) if it holds lists of n numbers. Several, or by default all: the columns side
        by side, (rows, n_columns). A column of strings can only be read by its name, alone, or with `mixed`.
    mixed : bool, or tuple of str
        Whether columns of strings may stand beside others of numbers, or the names of those that are text. Rows are
        then objects: floats, text, and None for missing text.

    Attributes
    ----------
    dtype : numpy.dtype
        Common dtype of the columns; integers of which some are missing are float64 with NaN.
    chunk_rows : int
        Rows of a row group, or 4096 if the groups differ in size.

    Raises
    ------
    DataError
        If there is no such column, it holds no numbers, lists differ in length, or the file is broken.
    """

    def __init__(self, path: str | Path, columns: str | Sequence[str] | None = None, *, mixed: Mixed = False):
        super().__init__(path, columns)
        self._mixed = mixed
        with self.raising_data_errors(), self._open() as file:
            self._metadata, kinds = file.metadata, file.schema_arrow
            sizes = {g: file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)}
            self._groups = [group for group, size in sizes.items() if size]
            if not self._groups:
                raise DataError(f"{self.where}: holds no rows")
            self.names = list(kinds.names)
            self._names = self.select_columns(self.names)
            kinds_of = [self._kind(file, name, kinds.field(name).type) for name in self._names]
        *whole, last = [sizes[group] for group in self._groups]
        self.starts = np.cumsum([0, *whole])
        # `order_of` finds the group of a row from its number alone: all groups but the last must have one size.
        is_even = not whole or (len(set(whole)) == 1 and last <= whole[0])
        self.chunk_rows = (whole or [last])[0] if is_even else CHUNK_ROWS
        self.dtype, self._widths = np.result_type(*(dtype for dtype, _ in kinds_of)), [width for _, width in kinds_of]
        inner = () if self.is_single_column and self._widths == [0] else (sum(width or 1 for width in self._widths),)
        self.shape = (sum(sizes.values()), *inner)
        self.columns = () if any(self._widths) else tuple(self._names)
        self.text = (
            () if self.is_single_column else tuple(at for at, (kind, _) in enumerate(kinds_of) if kind.hasobject)
        )

    @classmethod
    def names_in(cls, path: Path) -> list[str]:
        """Return the names of all columns of a file, of any type."""
        # Without `__init__`, which raises for columns of other types.
        reader = cls.__new__(cls)
        ChunkedReader.__init__(reader, path, None)
        with reader.raising_data_errors(), reader._open() as file:
            return list(file.schema_arrow.names)

    @classmethod
    def unreadable_in(cls, path: Path) -> list[str]:
        """Return the names of the columns of a file that are neither numbers, lists of them nor text, such as dates."""
        reader = cls.__new__(cls)
        ChunkedReader.__init__(reader, path, None)
        reader._mixed, wrong = True, []
        with reader.raising_data_errors(), reader._open() as file:
            kinds, counts = file.schema_arrow, map(file.metadata.row_group, range(file.num_row_groups))
            reader._groups = [number for number, group in enumerate(counts) if group.num_rows]
            for name in kinds.names if reader._groups else ():
                try:
                    reader._kind(file, name, kinds.field(name).type)
                except DataError:
                    wrong.append(name)
        return wrong

    def _open(self, metadata: Any = None) -> Any:
        try:
            import pyarrow.parquet as parquet
        except ImportError:
            raise DataError(f"{self.where}: needs pyarrow: pip install 'arignote[tables]'") from None
        return parquet.ParquetFile(self.path, metadata=metadata)

    def _kind(self, file: Any, name: str, kind: Any) -> tuple[np.dtype[Any], int]:
        """Return the dtype of a column, and the length of its lists (0: no lists)."""
        import pyarrow.types as types

        value, width = (kind.value_type if types.is_dictionary(kind) else kind), 0
        if types.is_fixed_size_list(kind):
            value, width = kind.value_type, kind.list_size
        elif types.is_list(kind) or types.is_large_list(kind):
            # Lists may have any length: that of row 0 is expected of all, and `_values` compares them.
            first = next(file.iter_batches(1, [self._groups[0]], [name])).column(0)[0].as_py()
            value, width = kind.value_type, len(first or ())
        is_listed = value is not kind and not types.is_dictionary(kind)
        if is_listed and not width:
            raise DataError(f"{self.where}: column {name!r}: row 0 holds no list of numbers")
        is_string = types.is_string(value) or types.is_large_string(value) or types.is_string_view(value)
        may_be_text = self.is_single_column or (self._mixed if isinstance(self._mixed, bool) else name in self._mixed)
        if may_be_text and not is_listed and is_string:
            return np.dtype(object), 0
        if not (types.is_integer(value) or types.is_floating(value) or types.is_boolean(value)):
            what = f"lists of {value}, not of numbers" if is_listed else f"{kind}, not numbers"
            if not is_listed and is_string:
                what = 'strings: leave it out, or encode it with preprocess [["OneHot"]]'
            raise DataError(f"{self.where}: column {name!r} holds {what}")
        is_whole = types.is_floating(value) or not self._has_nulls(file, name)
        return np.dtype(value.to_pandas_dtype()) if is_whole else np.dtype(float), width

    def _has_nulls(self, file: Any, name: str) -> bool:
        for group in map(file.metadata.row_group, self._groups):
            for leaf in map(group.column, range(group.num_columns)):
                # The values of a list are a leaf below its column, such as "x.list.element".
                if leaf.path_in_schema == name or leaf.path_in_schema.startswith(f"{name}."):
                    known = leaf.statistics
                    # Statistics are optional: without them, nulls are assumed.
                    if known is None or not known.has_null_count or known.null_count:
                        return True
        return False

    def read_chunk(self, number: int) -> Array:
        with self.raising_data_errors(), self._open(self._metadata) as file:
            # Threads of pyarrow do not survive a fork.
            table = file.read_row_group(self._groups[number], columns=self._names, use_threads=False)
            parts = [
                self._values(table.column(name), name, width, int(self.starts[number]), at in self.text)
                for at, (name, width) in enumerate(zip(self._names, self._widths, strict=True))
            ]
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        return whole.reshape(len(whole), *self.shape[1:])

    def _values(self, column: Any, name: str, width: int, first: int, is_text: bool) -> Array:
        """Return a column as (rows, values of a row)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        n_rows = len(column)
        if width:
            wrong = np.flatnonzero(pc.fill_null(pc.list_value_length(column), -1).to_numpy() != width)
            if len(wrong):
                length = pc.list_value_length(column)[int(wrong[0])].as_py()
                held = "no list" if length is None else f"{length} values"
                raise DataError(f"{self.where}: column {name!r}: row {first + wrong[0]} holds {held}, row 0 {width}")
            column = pc.list_flatten(column)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_boolean(column.type) and column.null_count:
            # pyarrow makes booleans with nulls objects, but integers with nulls float64 with NaN.
            column = column.cast(pa.uint8())
        values: Array = column.to_numpy()
        if is_text:
            values = values.astype(object)
        elif self.is_single_column and self.dtype == object:
            values = np.array([np.nan if value is None else value for value in values], object)
        elif self.dtype == object:
            values = values.astype(np.float64)
        return values.astype(self.dtype, copy=False).reshape(n_rows, width or 1)
