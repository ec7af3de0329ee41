"""Tables in files, and sources that name them, with what is meant within a file after a colon."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arignote.data.readers.base import Reader, TableOrigin
from arignote.data.specs import CSVFormat, table_format
from arignote.data.values.columns import Mixed
from arignote.safe.file_kinds import HDF5, kind_of_file

if TYPE_CHECKING:
    from arignote.data.readers.dialect import Dialect

__all__ = [
    "HDF5_ENDINGS",
    "TEXT",
    "Table",
    "expanded",
    "is_text_file",
    "split_source",
    "table_at",
]

# Suffixes of text tables; .tra, .tes and .data are those of the UCI repository.
TEXT = (".csv", ".tsv", ".tra", ".tes", ".data", ".txt")
HDF5_ENDINGS = (".h5", ".hdf5", ".hdf", ".he5")


@dataclass(frozen=True)
class Table:
    """A table in a file.

    Attributes
    ----------
    path : Path
        The file.
    table : str
        Path of the table in an HDF5 file.
    names : tuple of str
        Names of all columns; their positions if there is no header.
    dialect : Dialect or None
        Dialect of a text table.
    csv : CSVFormat
        Format of a text table, as far as the user has set it.
    """

    path: Path
    table: str
    names: tuple[str, ...]
    dialect: Dialect | None = None
    csv: CSVFormat = field(default_factory=CSVFormat)

    @property
    def where(self) -> str:
        """File and table, as named in errors."""
        return f"{self.path}:{self.table}" if self.table else str(self.path)

    @property
    def has_names(self) -> bool:
        """Whether the columns have names."""
        return self.dialect is None or self.dialect.header

    def is_at(self, path: str | Path, table: str) -> bool:
        """Return whether this is the table `table` of the file `path`."""
        # A file may have several paths, by links.
        return os.path.realpath(path) == os.path.realpath(self.path) and table.strip("/") == self.table.strip("/")

    def open(
        self,
        columns: str | Sequence[str] | None,
        labels: bool = False,
        *,
        is_whole: bool = True,
        mixed: Mixed = False,
    ) -> Reader:
        """Return a reader of some columns.

        Parameters
        ----------
        columns : str, sequence of str or None
            One column, several, or all.
        labels : bool
            Whether a single column of a text table is read as labels.
        is_whole : bool
            Whether the columns were not named one by one; see `TableOrigin`.
        mixed : bool, or tuple of str or of int
            Which columns of a text table or of Parquet may be text; see `CSVReader`.

        Returns
        -------
        Reader
        """
        reader: Reader
        if self.dialect is not None:
            from arignote.data.readers.csv import CSVReader

            # `CSVReader` raises for labels=True and several columns.
            is_single = labels and isinstance(columns, str)
            reader = CSVReader(self.path, columns, labels=is_single, csv=self.csv, mixed=mixed)
        elif self.path.suffix.lower() == ".parquet":
            from arignote.data.readers.parquet import ParquetReader

            reader = ParquetReader(self.path, columns, mixed=mixed)
        else:
            from arignote.data.readers.hdf5 import HDFReader

            reader = HDFReader(self.path, self.table, columns=[columns] if isinstance(columns, str) else columns)
        csv = self.csv.model_dump(exclude_none=True)
        # Absolute, as the working directory may change.
        reader.origin = TableOrigin(os.path.abspath(self.path), self.table, is_whole, csv, str(self.dialect or ""))
        return reader


def is_text_file(path: Path) -> bool:
    """Return whether a file is a text table, by its suffix; an HDF5 file may have any suffix."""
    if path.suffix.lower() not in TEXT:
        return False
    return kind_of_file(path) != HDF5


def table_at(path: Path, table: str = "", csv: Mapping[str, Any] | CSVFormat | None = None) -> Table | None:
    """Return a table of a file.

    Parameters
    ----------
    path : Path
        The file.
    table : str
        Path of the table in an HDF5 file.
    csv : dict or CSVFormat, optional
        Format of a text table; what is left out is detected.

    Returns
    -------
    Table or None
        None if the file or its table has no columns, as an array.
    """
    settings = table_format(csv)
    if is_text_file(path):
        from arignote.data.readers.csv import CSVReader

        dialect, names = CSVReader.head(path, settings)
        return Table(path, "", tuple(names), dialect, settings)
    if path.suffix.lower() == ".parquet":
        from arignote.data.readers.parquet import ParquetReader

        return Table(path, "", tuple(ParquetReader.names_in(path)))
    from arignote.data.readers.hdf5 import columns_in

    columns = columns_in(path, table)
    return Table(path, table, tuple(columns)) if columns else None


def expanded(source: str | os.PathLike[str]) -> str:
    """Return a source with the home folder for ``~`` and the values of environment variables for their names."""
    # Variables first: the value of one may begin with ~.
    return os.path.expanduser(os.path.expandvars(os.fspath(source)))


def split_source(source: str) -> tuple[str, str]:
    """Split "path:key" into path and key; colons of a drive, of folders and of existing files stay in the path."""
    if os.path.exists(source):
        return source, ""
    drive, rest = os.path.splitdrive(source)
    colons = [at for at, one in enumerate(rest) if one == ":"]
    # The colon behind which a file ends; if there is no such file, the first of all.
    end = next((at for at in colons if os.path.isfile(drive + rest[:at])), (colons or [len(rest)])[0])
    return drive + rest[:end], rest[end + 1 :]
