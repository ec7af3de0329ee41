"""Tables in HDF5 files, read by rows; no code that a file names is run."""

from arignote.data.readers.hdf.blocks import HDFTable
from arignote.data.readers.hdf.tables import columns_of, open_table, tables_of

__all__ = ["HDFTable", "columns_of", "open_table", "tables_of"]
