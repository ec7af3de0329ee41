"""What others hand in: a reader that knows no class of ours, a pickle that would do harm."""

from __future__ import annotations

import os


class Forward:
    """A reader of a user's own that goes forward only: it knows no class of ours, and keeps the contract."""

    def __init__(self, array):
        self.array = array

    @property
    def n_rows(self):
        return len(self.array)

    def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
        stop = self.n_rows if stop is None else min(stop, self.n_rows)
        start = start // batch_size * batch_size if start_on_batch else start
        for at in range(start, stop, batch_size):
            end = min(at + batch_size, stop)
            if allow_partial or end - at == batch_size:
                yield self.rows(at, end)

    def rows(self, at, end):
        return self.array[at:end]


class Hostile:
    """What runs a command where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)
