"""Detection of the dialect of a text table: delimiter, header, comment lines and decimal mark.

The result depends on the first lines of the file alone. If two dialects fit equally well, `find_dialect` raises, as a
guess could train on wrong numbers. (`csv.Sniffer`, which pandas uses, accepts any letter as a delimiter, and always
guesses.)
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from arignote.data.specs import CSVFormat
from arignote.data.values.missing_values import is_missing_marker
from arignote.errors import DataError

__all__ = ["SAMPLE_BYTES", "SAMPLE_LINES", "Dialect", "dialect_of", "find_dialect", "is_number"]

# Number of lines, and of bytes, that are inspected.
SAMPLE_LINES = 200
SAMPLE_BYTES = 1 << 20
_DELIMITERS = (",", ";", "\t", "|")
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*|\s*[-+]?inf(inity)?\s*", re.I)
_COMMA_NUMBER = re.compile(r"\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*")
# Thousands separated by commas: 1,234 and 12,345,678.
_THOUSANDS = re.compile(r"\s*[-+]?[1-9]\d{0,2}(,\d{3})+\s*")


@dataclass(frozen=True)
class Dialect:
    """Dialect of a text table.

    Attributes
    ----------
    delimiter : str
        One character; a space means any run of spaces and tabs.
    header : bool
        Whether the first row holds the names of the columns.
    comment : str or None
        First character of lines that are skipped.
    decimal : str
        Decimal mark, "." or ",".
    skips_spaces : bool
        Whether spaces after a delimiter are skipped.
    has_trailing : bool
        Whether rows end with a delimiter after which there is no column.
    """

    delimiter: str = ","
    header: bool = True
    comment: str | None = None
    decimal: str = "."
    skips_spaces: bool = False
    has_trailing: bool = False

    def rows(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Return an iterator over the fields of each row; an empty line has none."""
        # csv.reader takes one character: it skips the further spaces of a run, and one at the end would begin a field.
        if self.delimiter == " ":
            lines = (line.replace("\t", " ").rstrip() + "\n" for line in lines)
        skips_spaces = self.skips_spaces or self.delimiter == " "
        rows = csv.reader(lines, delimiter=self.delimiter, skipinitialspace=skips_spaces)
        return (_without_trailing(row) for row in rows) if self.has_trailing else rows

    def __str__(self) -> str:
        delimiter = {"\t": "tab", " ": "spaces"}.get(self.delimiter, repr(self.delimiter))
        words = [f"delimiter {delimiter}", "header" if self.header else "no header"]
        words += [f"comment lines {self.comment!r}"] if self.comment else []
        words += ["a delimiter at the end of rows"] if self.has_trailing else []
        return ", ".join(words + ([f"decimal {self.decimal!r}"] if self.decimal != "." else []))


def _without_trailing(row: list[str]) -> list[str]:
    return row[:-1] if len(row) > 1 and not row[-1].strip() else row


def is_number(word: str, decimal: str = ".") -> bool:
    """Return whether a field is a number with this decimal mark, "." or ","."""
    if decimal == ",":
        return bool(_COMMA_NUMBER.fullmatch(word) or (_NUMBER.fullmatch(word) and "." not in word))
    return bool(_NUMBER.fullmatch(word))


def find_dialect(lines: Sequence[str], settings: CSVFormat, where: str) -> Dialect:
    """Detect the dialect of a text table.

    Parameters
    ----------
    lines : sequence of str
        The first lines of the file, complete, with their line ends.
    settings : CSVFormat
        Settings of the user, which are not detected.
    where : str
        Name of the file in errors.

    Returns
    -------
    Dialect

    Raises
    ------
    DataError
        If two dialects fit; the message quotes the line, and the settings that resolve it.
    """
    filled = [line for line in lines if line.strip()]
    # "" of the user: there are no comment lines, whatever they begin with.
    comment = _comment(filled) if settings.comment is None else settings.comment or None
    kept = [line for line in filled if comment is None or not line.startswith(comment)]
    if not kept:
        return Dialect(settings.delimiter or ",", settings.header is not False, comment, settings.decimal or ".")
    delimiter = settings.delimiter or _delimiter(kept, settings.decimal, where)
    dialect = Dialect(delimiter, True, comment, skips_spaces=_skips_spaces(delimiter, kept))
    rows = _rows(dialect, kept)
    if not rows:
        return dialect
    decimal = settings.decimal or _decimal(rows, delimiter, where)
    # Without a header, a last column that is empty may be one whose numbers are missing.
    has_trailing = settings.header is not False and _has_trailing(rows)
    rows = [_without_trailing(row) for row in rows] if has_trailing else rows
    header = _header(rows, decimal, where, kept[0], settings.missing) if settings.header is None else settings.header
    if comment and settings.comment is None and not header:
        _check_comment(dialect, filled, comment, rows, where)
    return Dialect(delimiter, header, comment, decimal, dialect.skips_spaces, has_trailing and header)


def _ambiguous(where: str, what: str, line: str, *ways: str) -> DataError:
    either = " or ".join(f"csv: {{{way}}}" for way in ways)
    return DataError(f"{where}: {what}; the line is {line.rstrip()[:80]!r}. Set {either}")


def _rows(dialect: Dialect, lines: Sequence[str]) -> list[list[str]]:
    """Return the rows of the sample, up to the first line that cannot be parsed."""
    rows = []
    try:
        for fields in dialect.rows(lines):
            rows.append(fields)
    except csv.Error:
        # CSVReader reports the line when it reads the whole file.
        pass
    # The last row may have been cut within quotes.
    return rows[:-1] if len(rows) > 1 and len(rows[-1]) != len(rows[0]) else rows


def _comment(lines: list[str]) -> str | None:
    """Return the mark of comment lines: on the first line, or on lines whose delimiters differ from all other lines."""
    for mark in ("#", "%"):
        marked = [line for line in lines if line.startswith(mark)]
        if not marked or len(marked) == len(lines):
            continue
        others = Counter(_counts(line) for line in lines if not line.startswith(mark))
        if lines[0].startswith(mark) or all(_counts(line) not in others for line in marked):
            return mark
    return None


def _counts(line: str) -> tuple[int, ...]:
    return tuple(map(line.count, _DELIMITERS))


def _check_comment(dialect: Dialect, lines: list[str], mark: str, rows: list[list[str]], where: str) -> None:
    """Raise DataError if the comment line directly above the rows may hold the names of the columns."""
    first = next(n for n, line in enumerate(lines) if not line.startswith(mark))
    # With spaces as delimiters, any sentence may have as many words as there are columns.
    if not first or not rows or dialect.delimiter == " ":
        return
    fields = _rows(dialect, [lines[first - 1].lstrip(mark)])
    if fields and len(fields[0]) == len(rows[0]) > 1 and not any(map(is_number, fields[0])):
        what = "its last comment line may hold the names of the columns"
        raise _ambiguous(
            where, what, lines[first - 1], f'comment: "{mark}", header: false', 'comment: "", header: true'
        )


def _delimiter(lines: list[str], decimal: str | None, where: str) -> str:
    """Return the best delimiter: rows of equal width, then fields without other delimiters, then most numbers."""
    scores: dict[str, tuple[float, float, float]] = {}
    for delimiter in (*_DELIMITERS, " "):
        rows = _rows(Dialect(delimiter, skips_spaces=_skips_spaces(delimiter, lines)), lines)
        width, n_alike = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
        if width < 2:
            continue
        fields = [field for row in rows for field in row]
        others = [other for other in _DELIMITERS if other != delimiter]
        may_be_comma = delimiter != "," and decimal != "."
        numbers = [is_number(f) or (may_be_comma and is_number(f, ",")) for f in fields]
        clean = [n or not any(o in f for o in others) for f, n in zip(fields, numbers, strict=True)]
        scores[delimiter] = (n_alike / len(rows), sum(clean) / len(fields), sum(numbers) / len(fields))
    alike, _, numbers_by_spaces = scores.pop(" ", (0, 0, 0))
    # Spaces separate words in any text: they are delimiters only if they give more numbers than any other.
    if alike == 1 and numbers_by_spaces > max((share for _, _, share in scores.values()), default=0):
        return " "
    best = [delimiter for delimiter, score in scores.items() if score == max(scores.values())]
    if len(best) > 1:
        what = f"fits the delimiters {' and '.join(map(repr, best))} equally well"
        raise _ambiguous(where, what, lines[0], *(f'delimiter: "{delimiter}"' for delimiter in best))
    return best[0] if best else ","


def _has_trailing(rows: list[list[str]]) -> bool:
    """Whether all rows below a header end with a delimiter, after which the header has no name."""
    first, *below = rows
    n_names = len(_without_trailing(first))
    return bool(below) and all(len(row) == n_names + 1 > 2 and not row[-1].strip() for row in below)


def _skips_spaces(delimiter: str, lines: list[str]) -> bool:
    if delimiter in " \t":
        return False
    later = [field for row in _rows(Dialect(delimiter), lines) for field in row[1:]]
    return bool(later) and all(field.startswith(" ") for field in later)


def _decimal(rows: list[list[str]], delimiter: str, where: str) -> str:
    if delimiter == ",":
        return "."
    fields = [field for row in rows for field in row]
    with_comma = [field for field in fields if "," in field and is_number(field, ",")]
    if any("." in field and is_number(field) for field in fields):
        return "."
    thousands = [field for field in fields if _THOUSANDS.fullmatch(field)]
    if thousands and len(thousands) >= len(with_comma):
        what = f"the commas of numbers such as {thousands[0].strip()} may be decimal marks or separate thousands"
        line = delimiter.join(rows[-1])
        raise _ambiguous(where, what, line, 'decimal: ","', 'decimal: "."')
    return "," if with_comma else "."


def _header(rows: list[list[str]], decimal: str, where: str, line: str, missing: list[str] | None) -> bool:
    """Return whether the first row holds names: words above numbers, or words that do not occur below."""
    first, below = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    if not below:
        return not any(is_number(field, decimal) for field in first)
    columns = [
        [row[place] for row in below if not is_missing_marker(row[place], missing)] for place in range(len(first))
    ]
    are_numbers = [bool(column) and all(is_number(field, decimal) for field in column) for column in columns]
    words = [not is_number(field, decimal) and not is_missing_marker(field, missing) for field in first]
    is_above_numbers = any(word and number for word, number in zip(words, are_numbers, strict=True))
    places = [place for place, field in enumerate(first) if is_number(field, decimal) and are_numbers[place]]
    numbers = [first[place] for place in places]
    if is_above_numbers:
        # Years and other whole numbers may be names beside words; 3.5 is rather a value of a row of data.
        if not all(field.strip().isdigit() for field in numbers):
            raise _ambiguous(where, _UNCLEAR, line, "header: true", "header: false")
        return True
    if len(set(first)) < len(first) or any(
        word and first[place] in columns[place] for place, word in enumerate(words) if not are_numbers[place]
    ):
        return False
    if numbers and numbers == [str(n) for n in range(len(numbers))]:
        # pandas names columns 0, 1 ... if they have no names.
        are_whole = all(field.strip().lstrip("+-").isdigit() for place in places for field in columns[place])
        # Above decimals, or up to 7, the numbers 0, 1, 2 ... are hardly a row of data.
        if len(numbers) >= 8 or (not are_whole and len(numbers) > 1):
            return True
        raise _ambiguous(where, _UNCLEAR, line, "header: true", "header: false")
    return not numbers


_UNCLEAR = "the first line may hold the names of the columns or the first row"


def dialect_of(path: Path, given: CSVFormat, where: str) -> Dialect:
    """Return the dialect of a file, detected in its first lines.

    Parameters
    ----------
    path : Path
    given : CSVFormat
        Settings of the user, which are not detected.
    where : str
        Name of the file in errors.

    Raises
    ------
    DataError
        See `find_dialect`.
    """
    with path.open("rb") as file:
        raw = file.read(SAMPLE_BYTES)
        is_whole = not file.read(1)
    # Split as a file is; `str.splitlines` splits at further characters.
    lines = list(islice(io.BytesIO(raw.removeprefix(b"\xef\xbb\xbf")), SAMPLE_LINES))
    if not is_whole and len(lines) > 1 and not lines[-1].endswith(b"\n"):
        # SAMPLE_BYTES ended within this line.
        lines.pop()
    # What is not UTF-8 is reported when the rows are read, with its line.
    return find_dialect([line.decode(errors="replace") for line in lines], given, where)
