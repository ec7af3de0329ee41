"""What the network sees: rows, partitions, batches, augmentation."""

from arignote.data.arrays import Data, DataWithHoldoutPartitions

# The spelling of 2015.
DataWithHoldoutParitions = DataWithHoldoutPartitions

__all__ = ["Data", "DataWithHoldoutParitions", "DataWithHoldoutPartitions"]
