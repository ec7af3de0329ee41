"""Rows of CSV and Parquet files, of which one piece at a time is in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from arignote.data.reader import Array, Reader, Rows
from arignote.errors import DataError, did_you_mean

__all__ = ["CSVReader", "ParquetReader"]

_CHUNK_ROWS = 4096


class _Pieces(Reader):
    """Rows that lie in pieces, each of which is read as a whole; the last one read is kept."""

    def __init__(self, path: str | Path, columns: str | Sequence[str] | None):
        self.path, self.where = Path(path), str(path)
        self._alone = isinstance(columns, str)
        self._wanted = [columns] if isinstance(columns, str) else columns
        self._starts = np.zeros(0, np.int64)
        self._last: tuple[int, Array] | None = None
        if not self.path.is_file():
            raise DataError(f"{self.where}: there is no such file")

    def _piece(self, number: int) -> Array:
        raise NotImplementedError

    def read(self, rows: Rows) -> Array:
        """Return rows (n, ...): those of a slice of step 1, or of row numbers in any order."""
        rows = np.arange(*rows.indices(len(self))[:2]) if isinstance(rows, slice) else np.asarray(rows, np.int64)
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        if not len(rows):
            return out
        if rows.min() < 0 or rows.max() >= len(self):
            raise IndexError(f"{self.where}: rows {rows.min()} to {rows.max()} were asked for, of {len(self)}")
        pieces = np.searchsorted(self._starts, rows, side="right") - 1
        order = np.argsort(pieces, kind="stable")
        numbers, firsts = np.unique(pieces[order], return_index=True)
        for number, places in zip(numbers.tolist(), np.split(order, firsts[1:]), strict=True):
            last = self._last
            if last is None or last[0] != number:
                # One assignment, so that threads see a whole pair.
                self._last = last = (number, self._piece(number))
            out[places] = last[1][rows[places] - self._starts[number]]
        return out

    def stamp(self) -> tuple[int, int]:
        """Return size and time of the file."""
        found = self.path.stat()
        return found.st_size, found.st_mtime_ns

    def _chosen(self, there: list[str]) -> list[str]:
        if len(set(there)) < len(there):
            twice = next(name for i, name in enumerate(there) if name in there[:i])
            raise DataError(f"{self.where}: has columns of the same name, {twice!r}")
        wanted = list(there if self._wanted is None else self._wanted)
        shown = ", ".join(there[:20]) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
        for name in wanted:
            if name not in there:
                raise DataError(f"{self.where}: has no column {name!r}. {did_you_mean(name, there)} There are: {shown}")
        if not wanted:
            raise DataError(f"{self.where}: no columns to read. There are: {shown}")
        return wanted

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except DataError:
            raise
        except (OSError, ValueError, TypeError, NotImplementedError, KeyError) as fault:
            raise DataError(f"{self.where}: cannot be read, is broken or cut short: {fault}") from None


def columns_in(path: Path) -> list[str]:
    """Return the names of the columns of a CSV or Parquet file."""
    if path.suffix.lower() == ".parquet":
        return ParquetReader.names_in(path)
    with path.open("rb") as file:
        _, _, _, header = next(_records(file, str(path)), (0, 0, 0, []))
    return header


class CSVReader(_Pieces):
    """Columns of a CSV file: commas, a header, UTF-8; quoted fields may hold commas and line ends.

    The file is read once to find where every 4096th row begins and what each column holds. Empty lines are passed over.

    Parameters
    ----------
    path : str or Path
        The file.
    columns : str or sequence of str, optional
        One name: (rows,). Several, or all if left out: (rows, n_columns), in this order.
    text : bool
        Whether a single column is read as strings, letter by letter. One without any number is read so anyhow.

    Attributes
    ----------
    dtype : numpy.dtype
        The common one of the columns, where a missing number is NaN; object for strings (a missing one is NaN).

    Raises
    ------
    DataError
        For a column that is not there, text among numbers, rows of different lengths, another encoding; with the line.
    """

    chunk_rows = _CHUNK_ROWS

    def __init__(self, path: str | Path, columns: str | Sequence[str] | None = None, *, text: bool = False):
        super().__init__(path, columns)
        _pandas(self.where)
        if text and not self._alone:
            raise DataError(f"{self.where}: text=True is for a single column, asked for by its name")
        self._is_text = text
        with self._telling(), self.path.open("rb") as file:
            self._scan(_records(file, self.where))

    def _scan(self, records: Iterator[tuple[int, int, int, list[str]]]) -> None:
        _, _, _, header = next(records, (0, 0, 0, []))
        if not header:
            raise DataError(f"{self.where}: is empty")
        if all(map(_is_number, header)) and not all(name.isdigit() for name in header):
            raise DataError(f"{self.where}, line 1: holds numbers, where the names of the columns are expected")
        self._names, self._width = self._chosen(header), len(header)
        self._places = [header.index(name) for name in self._names]
        seen = [_Seen() for _ in self._names]
        lines: list[int] = []
        self._offsets: list[int] = []
        n_rows = end = 0
        for start, stop, line, record in records:
            if len(record) != len(header):
                raise DataError(f"{self.where}, line {line}: has {len(record)} fields; the header has {len(header)}")
            if len(lines) == _CHUNK_ROWS:
                self._look(seen, n_rows, end, lines)
                lines = []
            if not lines:
                self._offsets.append(start)
            lines.append(line)
            n_rows, end = n_rows + 1, stop
        if not n_rows:
            raise DataError(f"{self.where}: has a header and no rows")
        self._look(seen, n_rows, end, lines)
        self._offsets.append(end)
        self._starts = np.arange(0, n_rows, _CHUNK_ROWS)
        self.shape = (n_rows,) if self._alone else (n_rows, len(self._names))
        self._is_text = self._is_text or bool(seen[0].text)
        self.dtype = np.dtype(object) if self._is_text else np.result_type(*(column.dtype for column in seen))

    def _look(self, seen: list[_Seen], n_rows: int, end: int, lines: list[int]) -> None:
        """Note what a piece holds: the rows before `n_rows`, of these lines; tell text among numbers."""
        frame = None if self._is_text else self._frame(self._offsets[-1], end, len(lines))
        for name, place, column in zip(self._names, self._places, seen, strict=True):
            if frame is None:
                return
            numbers = _numbers(frame[place])
            odd = np.flatnonzero(numbers.isna() & frame[place].notna())
            column.has_numbers |= bool(numbers.notna().any())
            column.dtype = np.result_type(column.dtype, numbers.dtype)
            if len(odd) and not column.text:
                row, value = n_rows - len(lines) + int(odd[0]), str(frame[place][odd[0]])[:60]
                column.text = f"row {row} (line {lines[odd[0]]}) holds {value!r}"
            if column.text and (column.has_numbers or not self._alone):
                way = f"; if these are names of classes: CSVReader(..., {name!r}, text=True)" if self._alone else ""
                raise DataError(f"{self.where}: column {name!r}: {column.text}, where numbers are expected{way}")

    def _frame(self, start: int, end: int, n_rows: int, **how: Any) -> Any:
        with self.path.open("rb") as file:
            file.seek(start)
            raw = io.BytesIO(file.read(end - start))
        how |= {"header": None, "names": range(self._width), "usecols": sorted(set(self._places)), "index_col": False}
        pandas = _pandas(self.where)
        if tuple(map(int, pandas.__version__.split(".")[:2])) < (3, 1):
            # From 3.1 on, every number is the nearest to what is written anyhow.
            how["float_precision"] = "round_trip"
        frame = pandas.read_csv(raw, low_memory=False, **how)
        if len(frame) != n_rows:
            raise DataError(
                f"{self.where}: bytes {start} to {end} are {len(frame)} rows, not {n_rows}: has it changed?"
            )
        return frame

    def _piece(self, number: int) -> Array:
        first, start, end = int(self._starts[number]), *self._offsets[number : number + 2]
        # "NA" may be the name of a class; nothing at all is not.
        how = {"dtype": str, "keep_default_na": False, "na_values": [""]} if self._is_text else {}
        with self._telling():
            frame = self._frame(start, end, min(_CHUNK_ROWS, len(self) - first), **how)
            if self._is_text:
                text: Array = frame[self._places[0]].to_numpy(object)
                return text
            columns = [_numbers(frame[place]).to_numpy() for place in self._places]
        if not all(np.can_cast(column.dtype, self.dtype, "same_kind") for column in columns):
            raise DataError(f"{self.where}: rows from {first} on hold other values than before: has it changed?")
        table = np.stack(columns, axis=1).astype(self.dtype)
        return table[:, 0] if self._alone else table


@dataclass
class _Seen:
    """What a column was seen to hold; `text` tells the first that is not a number."""

    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(bool))
    has_numbers: bool = False
    text: str = ""


def _records(file: BinaryIO, where: str) -> Iterator[tuple[int, int, int, list[str]]]:
    """Yield (first byte, byte after the last, number of the first line, fields) of all that is not an empty line."""
    at, number, raw = 0, 0, b""

    def lines() -> Iterator[str]:
        nonlocal at, number, raw
        for raw in file:
            at, number = at + len(raw), number + 1
            yield raw.decode("utf-8-sig" if number == 1 else "utf-8")

    start, line = 0, 1
    try:
        # The reader takes no line more than a record needs, so that `at` is where the record ends.
        for fields in csv.reader(lines()):
            if len(fields) > 1 or raw.strip(b" \t\r\n"):
                yield start, at, line, fields
            start, line = at, number + 1
    except UnicodeDecodeError as fault:
        raise DataError(f"{where}, line {number}: is not UTF-8 ({fault.reason}); save it as UTF-8") from None
    except csv.Error as fault:
        raise DataError(f"{where}, line {line}: is no row of CSV (a quote that does not end?): {fault}") from None


def _numbers(column: Any) -> Any:
    """Return a column of pandas as numbers, NaN for all else."""
    return column if column.dtype.kind in "biuf" else _pandas("").to_numeric(column, errors="coerce")


def _is_number(word: str) -> bool:
    try:
        return bool(float(word)) or True
    except ValueError:
        return False


def _pandas(where: str) -> Any:
    try:
        import pandas
    except ImportError:
        raise DataError(f"{where}: needs pandas: pip install 'arignote[tables]'") from None
    return pandas


class ParquetReader(_Pieces):
    """Columns of a Parquet file, read one row group at a time.

    Parameters
    ----------
    path : str or Path
        The file.
    columns : str or sequence of str, optional
        One name: (rows,), or (rows, n) where it holds lists of n numbers. Several, or all if left out: the columns
        side by side, (rows, n_columns). Strings come only by name, alone.

    Attributes
    ----------
    dtype : numpy.dtype
        The common one of the columns; whole numbers of which some are missing are float64 with NaN.
    chunk_rows : int
        Rows of a row group, or 4096 where the groups differ.

    Raises
    ------
    DataError
        For a column that is not there or holds no numbers, lists of different lengths, a broken file.
    """

    def __init__(self, path: str | Path, columns: str | Sequence[str] | None = None):
        super().__init__(path, columns)
        with self._telling(), self._open() as file:
            self._metadata, kinds = file.metadata, file.schema_arrow
            sizes = {g: file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)}
            self._groups = [group for group, size in sizes.items() if size]
            if not self._groups:
                raise DataError(f"{self.where}: holds no rows")
            self.names = list(kinds.names)
            self._names = self._chosen(self.names)
            found = [self._kind(file, name, kinds.field(name).type) for name in self._names]
        *whole, last = [sizes[group] for group in self._groups]
        self._starts = np.cumsum([0, *whole])
        is_even = not whole or (len(set(whole)) == 1 and last <= whole[0])
        self.chunk_rows = (whole or [last])[0] if is_even else _CHUNK_ROWS
        self.dtype, self._widths = np.result_type(*(dtype for dtype, _ in found)), [width for _, width in found]
        inner = () if self._alone and self._widths == [0] else (sum(width or 1 for width in self._widths),)
        self.shape = (sum(sizes.values()), *inner)

    @classmethod
    def names_in(cls, path: Path) -> list[str]:
        """Return the names of all columns of a file, whatever they hold."""
        found = cls.__new__(cls)
        _Pieces.__init__(found, path, None)
        with found._telling(), found._open() as file:
            return list(file.schema_arrow.names)

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
            first = next(file.iter_batches(1, [self._groups[0]], [name])).column(0)[0].as_py()
            value, width = kind.value_type, len(first or ())
        is_listed = value is not kind and not types.is_dictionary(kind)
        if is_listed and not width:
            raise DataError(f"{self.where}: column {name!r}: row 0 holds no list of numbers")
        if self._alone and not is_listed and (types.is_string(value) or types.is_large_string(value)):
            return np.dtype(object), 0
        if not (types.is_integer(value) or types.is_floating(value) or types.is_boolean(value)):
            what = f"lists of {value}, not of numbers" if is_listed else f"{kind}, not numbers"
            if not is_listed and (types.is_string(value) or types.is_large_string(value)):
                what = "strings, which come only by name, alone"
            raise DataError(f"{self.where}: column {name!r} holds {what}")
        is_whole = types.is_floating(value) or not self._has_nulls(file, name)
        return np.dtype(value.to_pandas_dtype()) if is_whole else np.dtype(float), width

    def _has_nulls(self, file: Any, name: str) -> bool:
        for group in map(file.metadata.row_group, self._groups):
            for leaf in map(group.column, range(group.num_columns)):
                if leaf.path_in_schema == name or leaf.path_in_schema.startswith(f"{name}."):
                    known = leaf.statistics
                    # A writer need not count them: then they are taken to be there.
                    if known is None or not known.has_null_count or known.null_count:
                        return True
        return False

    def _piece(self, number: int) -> Array:
        with self._telling(), self._open(self._metadata) as file:
            # Its threads would not outlive a fork.
            table = file.read_row_group(self._groups[number], columns=self._names, use_threads=False)
            parts = [
                self._values(table.column(name), name, width, int(self._starts[number]))
                for name, width in zip(self._names, self._widths, strict=True)
            ]
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        return whole.reshape(len(whole), *self.shape[1:])

    def _values(self, column: Any, name: str, width: int, first: int) -> Array:
        """Return a column as (rows, values of a row)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        n_rows = len(column)
        if width:
            wrong = np.flatnonzero(pc.fill_null(pc.list_value_length(column), -1).to_numpy() != width)
            if len(wrong):
                length = pc.list_value_length(column)[int(wrong[0])].as_py()
                told = "no list" if length is None else f"{length} values"
                raise DataError(f"{self.where}: column {name!r}: row {first + wrong[0]} holds {told}, row 0 {width}")
            column = pc.list_flatten(column)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_boolean(column.type) and column.null_count:
            column = column.cast(pa.uint8())
        values: Array = column.to_numpy()
        if self.dtype == object:
            values = np.array([np.nan if value is None else value for value in values], object)
        return values.astype(self.dtype, copy=False).reshape(n_rows, width or 1)
