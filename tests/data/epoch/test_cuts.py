"""Positions of batches and shards: tables worked out by hand."""

from __future__ import annotations

import pytest

from arignote.data.epoch.cuts import Cuts


def positions(cuts):
    """Return first and last position of each shard of each batch."""
    shards = range(cuts.n_shards)
    return [[(at.start, at.stop) for at in (cuts.shard(n, s) for s in shards)] for n in range(cuts.n_batches)]


def test_without_shards_batches_are_neighbours():
    assert positions(Cuts(10, 4)) == [[(0, 4)], [(4, 8)], [(8, 10)]]
    assert positions(Cuts(10, 4, drop_last=True)) == [[(0, 4)], [(4, 8)]]
    assert positions(Cuts(0, 4)) == [] and [Cuts(10, 4).size(n) for n in range(3)] == [4, 4, 2]


def test_shards_are_neighbours_in_their_batch_and_may_have_no_rows():
    assert positions(Cuts(18, 8, n_shards=4)) == [
        [(0, 2), (2, 4), (4, 6), (6, 8)],
        [(8, 10), (10, 12), (12, 14), (14, 16)],
        [(16, 16), (16, 17), (17, 17), (17, 18)],
    ]
    # 7 rows among 3: 7/3 = 2.33 and 14/3 = 4.67, rounded down.
    assert positions(Cuts(7, 7, n_shards=3)) == [[(0, 2), (2, 4), (4, 7)]]


@pytest.mark.parametrize("drop_last", [False, True])
def test_dealt_shards_have_a_run_each_of_which_each_batch_takes_the_next_rows(drop_last):
    cuts = Cuts(19, 5, drop_last, n_shards=2, is_dealt=True)
    # Batches of 5 are 2 and 3 rows, the last one of 4 is 2 and 2.
    of_last = [] if drop_last else [[(6, 8), (17, 19)]]
    of_whole = [[(0, 2), (8, 11)], [(2, 4), (11, 14)], [(4, 6), (14, 17)]]
    if drop_last:
        of_whole = [[(0, 2), (6, 9)], [(2, 4), (9, 12)], [(4, 6), (12, 15)]]
    assert positions(cuts) == of_whole + of_last
    assert cuts.bounds == ([0, 6, 15] if drop_last else [0, 8, 19])
    assert Cuts(19, 5, n_shards=2).bounds == []
    # One batch, and none.
    assert Cuts(5, 8, n_shards=2, is_dealt=True).bounds == [0, 2, 5]
    assert Cuts(5, 8, drop_last=True, n_shards=2, is_dealt=True).bounds == [0, 0, 0]
