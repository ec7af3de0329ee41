"""Columns of CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from arignote.data.reader import Array
from arignote.data.tabular import CHUNK_ROWS, Pieces
from arignote.errors import DataError

__all__ = ["CSVReader"]


class CSVReader(Pieces):
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

    chunk_rows = CHUNK_ROWS

    def __init__(self, path: str | Path, columns: str | Sequence[str] | None = None, *, text: bool = False):
        super().__init__(path, columns)
        _pandas(self.where)
        if text and not self.alone:
            raise DataError(f"{self.where}: text=True is for a single column, asked for by its name")
        self._is_text = text
        with self.telling(), self.path.open("rb") as file:
            self._scan(_records(file, self.where))

    @classmethod
    def names_in(cls, path: Path) -> list[str]:
        """Return the names of all columns of a file."""
        with path.open("rb") as file:
            _, _, _, header = next(_records(file, str(path)), (0, 0, 0, []))
        return header

    def _scan(self, records: Iterator[tuple[int, int, int, list[str]]]) -> None:
        _, _, _, header = next(records, (0, 0, 0, []))
        if not header:
            raise DataError(f"{self.where}: is empty")
        if all(map(_is_number, header)) and not all(name.isdigit() for name in header):
            raise DataError(f"{self.where}, line 1: holds numbers, where the names of the columns are expected")
        self._names, self._width = self.chosen(header), len(header)
        self._places = [header.index(name) for name in self._names]
        seen = [_Seen() for _ in self._names]
        lines: list[int] = []
        self._offsets: list[int] = []
        n_rows = end = 0
        for start, stop, line, record in records:
            if len(record) != len(header):
                raise DataError(f"{self.where}, line {line}: has {len(record)} fields; the header has {len(header)}")
            if len(lines) == CHUNK_ROWS:
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
        self.starts = np.arange(0, n_rows, CHUNK_ROWS)
        self.shape = (n_rows,) if self.alone else (n_rows, len(self._names))
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
            if column.text and (column.has_numbers or not self.alone):
                way = f"; if these are names of classes: CSVReader(..., {name!r}, text=True)" if self.alone else ""
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

    def piece(self, number: int) -> Array:
        first, start, end = int(self.starts[number]), *self._offsets[number : number + 2]
        # "NA" may be the name of a class; nothing at all is not.
        how = {"dtype": str, "keep_default_na": False, "na_values": [""]} if self._is_text else {}
        with self.telling():
            frame = self._frame(start, end, min(CHUNK_ROWS, len(self) - first), **how)
            if self._is_text:
                text: Array = frame[self._places[0]].to_numpy(object)
                return text
            columns = [_numbers(frame[place]).to_numpy() for place in self._places]
        if not all(np.can_cast(column.dtype, self.dtype, "same_kind") for column in columns):
            raise DataError(f"{self.where}: rows from {first} on hold other values than before: has it changed?")
        table = np.stack(columns, axis=1).astype(self.dtype)
        return table[:, 0] if self.alone else table


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
