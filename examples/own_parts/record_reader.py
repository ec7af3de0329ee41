"""A reader: rows of a binary file of records of a fixed length, such as those of CIFAR-10."""

from pathlib import Path

import numpy as np


class RecordReader:
    """Records of a label (one byte) and features (one byte each); `table` is "features" or "labels"."""

    def __init__(self, path, n_features, table="features"):
        self.path, self.n_bytes, self.table = Path(path), 1 + n_features, table

    def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
        n_rows = self.path.stat().st_size // self.n_bytes
        stop = n_rows if stop is None else min(stop, n_rows)
        start = start // batch_size * batch_size if start_on_batch else start
        for first in range(start, stop, batch_size):
            n = min(batch_size, stop - first)
            if allow_partial or n == batch_size:
                records = np.fromfile(self.path, "u1", n * self.n_bytes, offset=first * self.n_bytes)
                records = records.reshape(n, self.n_bytes)
                yield records[:, 0] if self.table == "labels" else records[:, 1:].astype("f4")
