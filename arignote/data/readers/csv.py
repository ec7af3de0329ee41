"""Columns of text tables."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from arignote.data.readers.base import Array
from arignote.data.readers.chunked import CHUNK_ROWS, ChunkedReader
from arignote.data.readers.column_content import ColumnContent, remedy_of
from arignote.data.readers.csv_rows import CSVRecords, uneven, without_comments
from arignote.data.readers.dialect import Dialect, dialect_of
from arignote.data.readers.label_values import LabelValues
from arignote.data.specs import CSVFormat, table_format
from arignote.data.values.columns import Mixed
from arignote.data.values.missing_values import is_missing_marker
from arignote.errors import DataError

__all__ = ["CSVReader"]


class CSVReader(ChunkedReader):
    """Columns of a text table (.csv, .tsv, .txt ...): UTF-8; quoted fields may hold delimiters and line ends.

    Delimiter, header, comment lines and decimal mark are detected in the first lines. The file is read once to index
    every 4096th row and to find the type of each column. Empty lines are skipped.

    Parameters
    ----------
    path : str or Path
        The file.
    columns : str or sequence of str, optional
        One name: (rows,). Several, or all if left out: (rows, n_columns), in this order. The columns of a file without
        header are named by their positions: "0", "1" ...
    text : bool
        Whether a single column is read as strings, unchanged. A column without any number is read as strings by
        default.
    labels : bool
        Whether a single column is read as labels: as integers if all are integers without leading zeros, else as
        floats if all are numbers, else as strings, unchanged.
    mixed : bool, or tuple of str or of int
        Whether columns may hold text beside others that hold numbers: those in which nothing is a number, and those
        that `csv` names as text; or the names of the columns that are text, whatever they hold. Rows are then objects:
        floats, text, and None for missing text.
    csv : dict or CSVFormat, optional
        Settings that are not detected: `header`, `delimiter`, `comment`, `decimal`; and `missing`.

    Attributes
    ----------
    dialect : Dialect
        Dialect of the file.
    dtype : numpy.dtype
        Common dtype of the columns; object for strings. Missing values are NaN: fields such as NA, null and ? in
        columns of numbers and of labels, only empty fields in a single column of text.

    Raises
    ------
    DataError
        If a column does not exist, text is among numbers, rows differ in length, or the file is not UTF-8; the message
        names the line. If the dialect is ambiguous; the message quotes the line, and the settings that resolve it.
    """

    chunk_rows = CHUNK_ROWS

    def __init__(
        self,
        path: str | Path,
        columns: str | Sequence[str] | None = None,
        *,
        text: bool = False,
        labels: bool = False,
        mixed: Mixed = False,
        csv: Mapping[str, Any] | CSVFormat | None = None,
    ):
        super().__init__(path, columns)
        _pandas(self.where)
        for name, is_asked in (("text", text), ("labels", labels)):
            if is_asked and not self.is_single_column:
                raise DataError(f"{self.where}: {name}=True needs a single column, requested by its name")
        given = table_format(csv)
        self._markers, self._mixed = given.missing, mixed
        self._as_text = {*(given.text or ())} if isinstance(mixed, bool) else {*map(str, mixed)}
        self._is_text, self._labels = text or labels, LabelValues(given.missing) if labels and not text else None
        with self.raising_data_errors():
            self.dialect = dialect_of(self.path, given, self.where)
            with self.path.open("rb") as file:
                self._scan(CSVRecords(file, self.where, self.dialect))

    @classmethod
    def head(cls, path: str | Path, csv: Mapping[str, Any] | CSVFormat | None = None) -> tuple[Dialect, list[str]]:
        """Return the dialect of a file, and the names of all columns: their positions if there is no header."""
        dialect = dialect_of(Path(path), table_format(csv), str(path))
        with open(path, "rb") as file:
            rows = iter(CSVRecords(file, str(path), dialect))
            _, _, above, first = next(rows, (0, 0, 0, []))
            _, _, line, second = next(rows, (0, 0, 0, first))
        if len(second) != len(first):
            raise uneven(str(path), line, len(second), above, len(first), dialect)
        return dialect, _names(first, dialect)

    @classmethod
    def names_in(cls, path: str | Path, csv: Mapping[str, Any] | CSVFormat | None = None) -> list[str]:
        """Return the names of all columns of a file."""
        return cls.head(path, csv)[1]

    def _scan(self, records: CSVRecords) -> None:
        rows = iter(records)
        first = next(rows, None)
        if first is None:
            raise DataError(f"{self.where}: is empty")
        available = _names(first[3], self.dialect)
        self._names, self._width = self.select_columns(available), len(available)
        self._places = [available.index(name) for name in self._names]
        self.columns = tuple(self._names) if self.dialect.header else tuple(self._places)
        seen = [ColumnContent() for _ in self._names]
        lines: list[int] = []
        self._offsets: list[int] = []
        self._comments = records.comments
        n_rows = end = 0
        for start, stop, line, record in rows if self.dialect.header else chain([first], rows):
            if len(record) != len(available):
                raise uneven(self.where, line, len(record), first[2], len(available), self.dialect)
            if len(lines) == CHUNK_ROWS:
                self._inspect(seen, n_rows, end, lines)
                lines = []
            if not lines:
                self._offsets.append(start)
            lines.append(line)
            n_rows, end = n_rows + 1, stop
        if not n_rows:
            raise DataError(f"{self.where}: has a header and no rows")
        self._inspect(seen, n_rows, end, lines)
        self._offsets.append(end)
        self.starts = np.arange(0, n_rows, CHUNK_ROWS)
        self.shape = (n_rows,) if self.is_single_column else (n_rows, len(self._names))
        self._set_type(seen)

    def _set_type(self, seen: list[ColumnContent]) -> None:
        """Set the type of the rows, which columns are text, and which have missing numbers."""
        if self._labels is not None:
            self.dtype = self._labels.dtype
            self._is_text = self.dtype.hasobject
            return
        text = [at for at, column in enumerate(seen) if column.text or self._names[at] in self._as_text]
        self.text = () if self.is_single_column else tuple(text)
        self._is_text = self._is_text or (self.is_single_column and bool(text))
        if not self._is_text:
            keys: list[str | int] = [*self.columns]
            self.missing = {
                keys[at]: (column.first_missing, column.n_missing)
                for at, column in enumerate(seen)
                if column.n_missing and at not in self.text
            }
        common = np.result_type(*(column.dtype for column in seen))
        self.dtype = np.dtype(object) if self._is_text or self.text else common

    def _inspect(self, seen: list[ColumnContent], n_rows: int, end: int, lines: list[int]) -> None:
        """Inspect the values of a piece, whose rows end before `n_rows`; raise DataError for text among numbers."""
        if self._labels is not None:
            frame = self._frame(self._offsets[-1], end, len(lines), **_AS_TEXT)
            self._labels.inspect(frame[self._places[0]], self.dialect.decimal)
            return
        frame = None if self._is_text else self._frame(self._offsets[-1], end, len(lines))
        for name, place, column in zip(self._names, self._places, seen, strict=True):
            if frame is None:
                return
            if name in self._as_text:
                continue
            numbers = self._numbers(frame[place])
            are_missing, first_row = numbers.isna(), n_rows - len(lines)
            odd = np.flatnonzero(are_missing & frame[place].notna())
            # Markers that pandas does not know: other capitals, spaces around them.
            odd = odd[[not is_missing_marker(str(frame[place][row]), self._markers) for row in odd]]
            if not column.n_missing and are_missing.any():
                column.first_missing = first_row + int(are_missing.to_numpy().argmax())
            column.n_missing += int(are_missing.sum())
            column.has_numbers |= bool(numbers.notna().any())
            column.dtype = np.result_type(column.dtype, numbers.dtype)
            if len(odd) and not column.text:
                column.row, column.line = first_row + int(odd[0]), lines[odd[0]]
                column.text = str(frame[place][odd[0]])[:60]
        self._report(seen)

    def _report(self, seen: list[ColumnContent]) -> None:
        """Raise DataError if a column holds text among numbers, or if one of several columns holds text."""
        may_be_text = self.is_single_column or self._mixed is True
        remedies = {name: remedy_of(one.text, self.dialect) for name, one in zip(self._names, seen, strict=True)}
        wrong = {
            name: column
            for name, column in zip(self._names, seen, strict=True)
            if column.text and (column.has_numbers or not may_be_text or (not self.is_single_column and remedies[name]))
        }
        if not wrong:
            return
        of_text = [name for name, column in wrong.items() if not column.has_numbers and not remedies[name]]
        name = of_text[0] if of_text else next(iter(wrong))
        reported = wrong[name]
        place = f"row {reported.row} (line {reported.line})"
        if of_text:
            subject = f"the column {name!r} holds" if len(of_text) == 1 else f"the columns {str(of_text)[1:-1]} hold"
            left = ",".join(f"!{name}" for name in of_text)
            raise DataError(
                f"{self.where}: {subject} text, such as {reported.text!r} in {place}, not a number. Leave it "
                f'out, as in columns: "{left}", or encode it: preprocess: [["OneHot"]]'
            )
        way = f"; if these are names of classes: CSVReader(..., {name!r}, text=True)" if self.is_single_column else ""
        way = way or remedies[name]
        way += f". If it holds categories: csv: {{text: [{name!r}]}}" if self._mixed is True else ""
        way = way or f". The file is read with {self.dialect}; csv: {{header:, delimiter: ...}} change that"
        raise DataError(
            f"{self.where}: column {name!r}: {place} holds {reported.text!r}, where numbers are expected{way}"
        )

    def _frame(self, start: int, end: int, n_rows: int, **how: Any) -> Any:
        with self.path.open("rb") as file:
            file.seek(start)
            raw = without_comments(file.read(end - start), start, self._comments)
        how |= {
            "header": None,
            "names": range(self._width + self.dialect.has_trailing),
            "usecols": sorted(set(self._places)),  # pandas ignores their order
            "index_col": False,  # without it, pandas takes surplus fields of a row for an index
        }
        how |= {"sep": r"\s+" if self.dialect.delimiter == " " else self.dialect.delimiter}
        how |= {"decimal": self.dialect.decimal, "skipinitialspace": self.dialect.skips_spaces}
        if "na_values" not in how:
            how |= {"na_values": ["", *(["?"] if self._markers is None else self._markers)]}
            how |= {"keep_default_na": self._markers is None}
        pandas = _pandas(self.where)
        if tuple(map(int, pandas.__version__.split(".")[:2])) < (3, 1):
            # From 3.1 on, numbers are always parsed to the nearest float.
            how["float_precision"] = "round_trip"
        frame = pandas.read_csv(io.BytesIO(raw), low_memory=False, **how)  # low_memory=True infers types piece by piece
        if len(frame) != n_rows:
            raise DataError(
                f"{self.where}: bytes {start} to {end} are {len(frame)} rows, not {n_rows}: did the file change?"
            )
        return frame

    def _numbers(self, column: Any) -> Any:
        """Return a column of pandas as numbers; what is no number becomes NaN."""
        if column.dtype.kind in "biuf":
            return column
        if self.dialect.decimal == ",":
            # pandas does not parse a column that holds any text; a point in it separates thousands.
            words = column.astype(str)
            column = words.mask(words.str.contains(".", regex=False, na=False)).str.replace(",", ".", regex=False)
        return _pandas("").to_numeric(column, errors="coerce")

    def read_chunk(self, number: int) -> Array:
        first, start, end = int(self.starts[number]), *self._offsets[number : number + 2]
        n_rows, as_text = min(CHUNK_ROWS, len(self) - first), self._is_text or self._labels is not None
        with self.raising_data_errors():
            if self.text and not as_text:
                return self._mixed_rows(start, end, n_rows)
            frame = self._frame(start, end, n_rows, **(_AS_TEXT if as_text else {}))
            if self._is_text:
                text: Array = frame[self._places[0]].to_numpy(object)
                return text if self._labels is None else self._labels.words(text)
            if self._labels is not None:
                return self._labels.numbers(frame[self._places[0]], self.dialect.decimal)
            columns = [self._numbers(frame[place]).to_numpy() for place in self._places]
        if not all(np.can_cast(column.dtype, self.dtype, "same_kind") for column in columns):
            raise DataError(f"{self.where}: rows from {first} on hold other values than before: did the file change?")
        table = np.stack(columns, axis=1).astype(self.dtype)
        return table[:, 0] if self.is_single_column else table

    def _mixed_rows(self, start: int, end: int, n_rows: int) -> Array:
        """Return a chunk of a table with columns of text, as objects."""
        frame = self._frame(start, end, n_rows, dtype={self._places[at]: str for at in self.text})
        table = np.empty((n_rows, len(self._places)), object)
        for at, place in enumerate(self._places):
            column = frame[place]
            if at in self.text:
                table[:, at] = [word if isinstance(word, str) else None for word in column]
            else:
                table[:, at] = self._numbers(column).to_numpy(np.float64)
        return table


# "NA" may be the name of a class; an empty field is missing.
_AS_TEXT = {"dtype": str, "keep_default_na": False, "na_values": [""]}


def _names(first: list[str], dialect: Dialect) -> list[str]:
    return first if dialect.header else [str(place) for place in range(len(first))]


def _pandas(where: str) -> Any:
    try:
        import pandas
    except ImportError:
        raise DataError(f"{where}: needs pandas: pip install 'arignote[tables]'") from None
    return pandas
