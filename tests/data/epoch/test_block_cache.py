"""Blocks are read once, and released when no batch needs them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from arignote.data.epoch.block_cache import BlockCache

# Blocks of 4, 4, 3 and 5 of 16 rows, in an order of their own.
POSITIONS, ENDS = np.random.default_rng(0).permutation(16), [4, 8, 11, 16]


@pytest.fixture(params=[False, True], ids=["alone", "ahead"])
def pool(request):
    if not request.param:
        yield None
        return
    with ThreadPoolExecutor(1) as pool:
        yield pool


def cache_of(pool, run_ends):
    """Return a cache of ten times the row numbers, and the blocks that it reads, by their first rows."""
    read = []

    def read_rows(rows):
        read.append([0, 4, 8, 11].index(POSITIONS.tolist().index(rows[0])))
        return rows * 10

    return BlockCache(read_rows, POSITIONS, ENDS, run_ends, pool), read


def test_batches_of_one_run_read_each_block_once(pool):
    cache, read = cache_of(pool, [16])
    for first, last in [(0, 3), (3, 9), (9, 9), (9, 16)]:
        assert cache.row_copier(first, last, 0)().tolist() == (POSITIONS[first:last] * 10).tolist() or first == last
    assert read == [0, 1, 2, 3]


def test_each_run_keeps_its_own_blocks_and_reads_none_of_the_next_run(pool):
    # Two runs, of two blocks each.
    cache, read = cache_of(pool, [8, 16])
    for at in range(4):
        for run, first in ((0, 2 * at), (1, 8 + 2 * at)):
            assert cache.row_copier(first, first + 2, run)().tolist() == (POSITIONS[first : first + 2] * 10).tolist()
    assert sorted(read) == [0, 1, 2, 3]
