"""What the network sees: readers, rows, partitions, batches, preprocessing, augmentation."""

# Transforms are known by name once their module is imported.
import arignote.data.transforms  # noqa: F401
from arignote.data.arrays import Data, DataWithHoldoutPartitions
from arignote.data.csv import CSVReader
from arignote.data.datasets import DatasetReader
from arignote.data.hdf5 import HDFReader
from arignote.data.images import ImageFolderReader
from arignote.data.parquet import ParquetReader
from arignote.data.preprocess import Pipeline
from arignote.data.reader import ArrayReader, Reader, check_reader
from arignote.data.sources import get_reader

# The spelling of 2015.
DataWithHoldoutParitions = DataWithHoldoutPartitions

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
