"""Where batches, and shards of batches, lie in the order of an epoch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

__all__ = ["Cuts"]


@dataclass(frozen=True)
class Cuts:
    """Positions of batches in the order of an epoch.

    Attributes
    ----------
    n_rows : int
        Rows of an epoch.
    batch_size : int >= 1
        Rows of a batch.
    drop_last : bool
        Whether a last, smaller batch is left out.
    n_shards : int >= 1
        Shards of each batch: of the same number of rows, or of one row more.
    is_dealt : bool
        Whether each shard has a run of neighbours of its own in the order, of which each batch takes the next ones;
        otherwise shards are neighbours in their batch. Dealt, a process reads only the chunks of its shards.
    """

    n_rows: int
    batch_size: int
    drop_last: bool = False
    n_shards: int = 1
    is_dealt: bool = False

    @property
    def n_batches(self) -> int:
        """Number of batches of an epoch."""
        return self.n_rows // self.batch_size if self.drop_last else -(-self.n_rows // self.batch_size)

    def size(self, index: int) -> int:
        """Return the number of rows of a batch."""
        return min(self.batch_size, self.n_rows - index * self.batch_size)

    def n_rows_of(self, index: int, shard: int) -> int:
        """Return the number of rows of a shard of a batch."""
        return self._share(shard, self.size(index))

    def shard(self, index: int, shard: int) -> slice:
        """Return the positions of a shard of a batch; it may be empty."""
        if self.is_dealt:
            # All batches before this one are whole: only the last can be smaller.
            begin = self.bounds[shard] + index * self._share(shard, self.batch_size)
        else:
            begin = index * self.batch_size + shard * self.size(index) // self.n_shards
        return slice(begin, begin + self.n_rows_of(index, shard))

    @cached_property
    def bounds(self) -> list[int]:
        """Positions at which the runs of the shards begin, and where the last one ends; empty if they are not dealt."""
        if not self.is_dealt:
            return []
        # With `drop_last` the last batch is whole, too, and the rows after it are those of no shard.
        n_last = self.size(self.n_batches - 1) if self.n_batches else 0
        bounds = [0]
        for shard in range(self.n_shards):
            of_whole = max(self.n_batches - 1, 0) * self._share(shard, self.batch_size)
            bounds.append(bounds[-1] + of_whole + self._share(shard, n_last))
        return bounds

    def _share(self, shard: int, size: int) -> int:
        """Return the number of rows of a shard of a batch of `size` rows."""
        # Differences of bounds that are rounded down: they add up to `size`, and differ by one at most.
        return (shard + 1) * size // self.n_shards - shard * size // self.n_shards
