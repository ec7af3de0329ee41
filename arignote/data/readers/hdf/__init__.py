"""Rows of the tables in an HDF5 file; nothing that the file names is run."""

from arignote.data.readers.hdf.parts import Table
from arignote.data.readers.hdf.tables import columns_of, open_table, tables_of

__all__ = ["Table", "columns_of", "open_table", "tables_of"]
