"""What the network sees: readers, rows, partitions, batches, preprocessing, augmentation."""

from arignote.data.arrays import Data, DataWithHoldoutPartitions

# The spelling of 2015.
from arignote.data.arrays import DataWithHoldoutPartitions as DataWithHoldoutParitions
from arignote.data.pipeline import Pipeline
from arignote.data.readers.base import ArrayReader, Reader
from arignote.data.readers.csv import CSVReader
from arignote.data.readers.datasets import DatasetReader
from arignote.data.readers.hdf5 import HDFReader
from arignote.data.readers.images import ImageFolderReader
from arignote.data.readers.parquet import ParquetReader
from arignote.data.readers.sources import get_reader
from arignote.data.readers.user_reader import check_reader

__all__ = [
    "ArrayReader",
    "CSVReader",
    "Data",
    "DataWithHoldoutParitions",
    "DataWithHoldoutPartitions",
    "DatasetReader",
    "HDFReader",
    "ImageFolderReader",
    "ParquetReader",
    "Pipeline",
    "Reader",
    "check_reader",
    "get_reader",
]
