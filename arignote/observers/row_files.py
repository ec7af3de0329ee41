"""Text files with a row for each validation or batch; after kills they are those of a run that was never killed."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from arignote.errors import Complaint, ConfigError, warn
from arignote.observers.appended_file import AppendedFile
from arignote.observers.base import NamedObserver, kept
from arignote.observers.events import Event
from arignote.registry import PathForm, register
from arignote.replacing import replacing

__all__ = ["CSVLog", "JSONLinesLog"]

# What is raised for a line that is no row of a log.
_NO_ROW = (ValueError, LookupError, TypeError, csv.Error)

_BATCH = ("epoch", "batch", "n_updates", "examples_seen", "loss")


def _of_batch(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _BATCH}


class _RowFile(AppendedFile, ABC):
    """The file of one fit.

    Rows are written when their event happens, before the state that contains it is saved. When a run is resumed, the
    rows after its state are cut off.
    """

    # With which each file begins.
    beginning: ClassVar[bytes]

    def __init__(self, path: str, kinds: tuple[str, ...]):
        super().__init__(Path(path))
        self.kinds = kinds
        if self.path.is_dir() or (self.path.is_file() and not self._is_own()):
            message = f"{path} exists, and is no log that this observer wrote with these parameters. Name another file"
            raise ConfigError(Complaint(("fit", "observers"), message))

    def __call__(self, event: Event) -> None:
        if event.kind == "start":
            self._resume(event)
        elif event.kind in self.kinds:
            self.append(self.row(event).encode())

    def _is_own(self) -> bool:
        with self.path.open("rb") as file:
            first = file.readline()
        if not first.endswith(b"\n"):
            # Of a process that was killed at once, not even the first row is whole.
            return first.startswith(self.beginning) or self.beginning.startswith(first)
        try:
            return self.position(first.decode())[0] in (*self.kinds, "")
        except _NO_ROW:
            return False

    def _resume(self, start: Event) -> None:
        """Cut off what lies after the state, and note where the file ends."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.end, self.pending = 0, b""
        counts = dict.fromkeys(self.kinds, 0)
        with self.path.open("a+b") as file:
            file.seek(0)
            for line in file if start.examples_seen else ():
                try:
                    kind, examples_seen = self.position(line.decode())
                except _NO_ROW:
                    break
                if not line.endswith(b"\n") or (kind and not kept(start, kind, examples_seen)):
                    break
                self.end += len(line)
                counts[kind] = examples_seen
            file.truncate(self.end)
        expected = {"batch": start.examples_seen, "validation": start.record.get("examples_seen", 0)}
        if any(counts[kind] != expected[kind] for kind in self.kinds):
            warn(f"{self.path}: rows before the {start.examples_seen} examples at which the run is resumed are missing")

    @abstractmethod
    def position(self, row: str) -> tuple[str, int]:
        """Return the kind of a row, empty for the names of columns, and examples seen; or raise one of `_NO_ROW`."""

    @abstractmethod
    def row(self, event: Event) -> str:
        """Return the row of an event."""


class _CSVFile(_RowFile):
    beginning = b"epoch,"

    def __init__(self, path: str, kind: str):
        self._columns: list[str] = []
        super().__init__(path, (kind,))

    def position(self, row: str) -> tuple[str, int]:
        (cells,) = csv.reader([row])
        if cells[0] == "epoch":
            is_own = tuple(cells) == _BATCH if self.kinds == ("batch",) else cells[1] == "examples_seen"
            if not is_own:
                raise ValueError
            self._columns = cells
            return "", 0
        return self.kinds[0], int(cells[self._columns.index("examples_seen")])

    def row(self, event: Event) -> str:
        values = _of_batch(event) if event.kind == "batch" else event.record
        is_first = not self.end and not self.pending
        # Those of a file that is replaced are not those of this run.
        known = [] if is_first else self._columns
        columns = [*known, *(name for name in values if name not in known)]
        if not is_first and columns != known:
            try:
                self._add_columns(columns)
            except OSError:
                # With the columns of the file; written with what follows.
                self.pending += _line(_cell(values.get(name, "")) for name in known).encode()
                raise
        self._columns = columns
        return (_line(columns) if is_first else "") + _line(_cell(values.get(name, "")) for name in columns)

    def _add_columns(self, columns: list[str]) -> None:
        """Rewrite the file with the names of all columns, and without values in those that are new."""
        rows = (self.path.read_bytes()[: self.end] + self.pending).decode().splitlines()
        empty = "," * (len(columns) - len(self._columns))
        text = _line(columns) + "".join(f"{row}{empty}\n" for row in rows[1:])
        with replacing(self.path) as file:
            file.write(text)
        self.end, self.pending = len(text.encode()), b""


def _line(cells: Iterable[str]) -> str:
    """Return cells as a line; a name of a column, such as that of a layer, may contain a comma or a quote."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _cell(value: Any) -> str:
    return "" if value != value else str(value)


class _JSONLinesFile(_RowFile):
    beginning = b'{"kind": "'

    def position(self, row: str) -> tuple[str, int]:
        record = json.loads(row)
        if record["kind"] not in ("batch", "validation"):
            raise ValueError
        return record["kind"], int(record["examples_seen"])

    def row(self, event: Event) -> str:
        values = _of_batch(event) if event.kind == "batch" else {"n_updates": event.n_updates, **event.record}
        # JSON has no NaN and no infinity.
        finite = {name: value if isfinite(value) else None for name, value in values.items()}
        best = {"is_best": event.is_best} if event.kind == "validation" else {}
        return json.dumps({"kind": event.kind, **finite, **best}) + "\n"


@register()
class CSVLog(NamedObserver):
    """Writes a table of comma-separated values: the columns of the history, or a row for each update.

    Parameters
    ----------
    path : str
        File to write. One that this observer wrote for another run is replaced; any other is an error.
    rows : "validations" or "batches", default "validations"
        What a row is: a validation, with the columns of `history_`, or an update, with epoch, batch, n_updates,
        examples_seen and loss. NaN is an empty cell.

    Examples
    --------
    >>> CSVLog(path="runs/digits.csv").rows
    'validations'
    """

    path: Annotated[str, PathForm.PATH]
    rows: Literal["validations", "batches"] = "validations"

    def opened(self) -> Callable[[Event], None]:
        return _CSVFile(self.path, "validation" if self.rows == "validations" else "batch")


@register()
class JSONLinesLog(NamedObserver):
    """Writes a JSON object in a line of its own for each validation, and if asked for each update.

    Parameters
    ----------
    path : str
        File to write. One that this observer wrote for another run is replaced; any other is an error.
    batches : bool, default False
        Whether there is a line for each update too, with the loss of its batch.

    Examples
    --------
    >>> JSONLinesLog(path="runs/digits.jsonl").batches
    False
    """

    path: Annotated[str, PathForm.PATH]
    batches: bool = False

    def opened(self) -> Callable[[Event], None]:
        return _JSONLinesFile(self.path, ("batch", "validation") if self.batches else ("validation",))
