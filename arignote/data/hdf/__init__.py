"""Rows of the tables in an HDF5 file; nothing that the file names is run."""

from arignote.data.hdf.parts import Table
from arignote.data.hdf.tables import open_table, tables_of

__all__ = ["Table", "open_table", "tables_of"]
