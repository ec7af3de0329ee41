"""Readers of rows, one module for each kind of source, and the names that this path had in 2015."""

from arignote.data.arrays import Data, DataWithHoldoutPartitions

# The spelling of 2015.
from arignote.data.arrays import DataWithHoldoutPartitions as DataWithHoldoutParitions
from arignote.data.readers.base import ArrayReader, Reader
from arignote.data.readers.hdf5 import HDFReader
from arignote.data.readers.sources import get_reader

__all__ = [
    "ArrayReader",
    "Data",
    "DataWithHoldoutParitions",
    "DataWithHoldoutPartitions",
    "HDFReader",
    "Reader",
    "get_reader",
]
