"""Rows of a text table, with the bytes and the line at which each begins."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO

from arignote.data.readers.dialect import Dialect
from arignote.errors import DataError

__all__ = ["CSVRecord", "CSVRecords", "uneven", "without_comments"]

CSVRecord = tuple[int, int, int, list[str]]


class CSVRecords:
    """Rows of a file, each as (first byte, byte after the last, number of the first line, fields).

    Attributes
    ----------
    comments : list of (int, int)
        First byte, and byte after the last, of the comment lines so far.
    """

    def __init__(self, file: BinaryIO, where: str, dialect: Dialect):
        self._file, self._where, self._dialect = file, where, dialect
        self._comment = (dialect.comment or "").encode()
        self._at = self._number = self._start = 0
        self._line, self._raw = 1, b""
        self.comments: list[tuple[int, int]] = []

    def _lines(self) -> Iterator[str]:
        for raw in self._file:
            self._raw, begin, is_first = raw, self._at, self._number == 0
            self._at, self._number = begin + len(raw), self._number + 1
            # The byte order mark, which Excel writes before UTF-8.
            bare = raw.removeprefix(b"\xef\xbb\xbf") if is_first else raw
            # Within quotes, the line belongs to a field.
            if self._comment and begin == self._start and bare.startswith(self._comment):
                self.comments.append((begin, self._at))
                self._start, self._line = self._at, self._number + 1
                continue
            yield bare.decode()

    def __iter__(self) -> Iterator[CSVRecord]:
        try:
            # csv.reader reads no more lines than a row needs, so that `_at` is where the row ends.
            for fields in self._dialect.rows(self._lines()):
                # A row whose only field is "" in quotes is no empty line.
                if len(fields) > 1 or self._raw.strip(b" \t\r\n"):
                    yield self._start, self._at, self._line, fields
                self._start, self._line = self._at, self._number + 1
        except UnicodeDecodeError as error:
            message = f"{self._where}, line {self._number}: is not UTF-8 ({error.reason}); save it as UTF-8"
            raise DataError(message) from None
        except csv.Error as error:
            message = f"{self._where}, line {self._line}: is not a row of CSV (an unclosed quote?): {error}"
            raise DataError(message) from None


def without_comments(raw: bytes, start: int, comments: list[tuple[int, int]]) -> bytes:
    """Return bytes of a file, from `start` on, without its comment lines.

    Parameters
    ----------
    raw : bytes
    start : int
        Place of its first byte in the file.
    comments : list of (int, int)
        See `CSVRecords`.
    """
    inside = [(a - start, b - start) for a, b in comments if a >= start and b <= start + len(raw)]
    if not inside:
        return raw
    cuts = [0, *(cut for pair in inside for cut in pair), len(raw)]
    return b"".join(raw[a:b] for a, b in zip(cuts[::2], cuts[1::2], strict=True))


def uneven(where: str, line: int, n_fields: int, first_line: int, n_first: int, dialect: Dialect) -> DataError:
    """Return the error of a row that has another number of fields than the first one, which lies in `first_line`.

    Parameters
    ----------
    where : str
        Name of the file.
    line, first_line : int
        Numbers of the lines of this row and of the first one, from 1.
    n_fields, n_first : int
        Their numbers of fields.
    dialect : Dialect
    """
    first_row, way = ("header", "") if dialect.header else ("first row", "")
    if line == first_line + 1 and n_fields > n_first:
        way = f". Remove line {first_line} if it is a title"
    elif line <= first_line and not dialect.header:
        way = "; set csv: {header: true} if it is a header"
    return DataError(f"{where}, line {line}: has {n_fields} fields; the {first_row} has {n_first} ({dialect}){way}")
