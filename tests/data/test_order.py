"""The order of an epoch: how well it is mixed, what lies together, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from strangers import Forward

import arignote.data.order as order_module
from arignote import ConfigError
from arignote.data.order import Order, order_of
from arignote.data.reader import Reader, reader_of
from arignote.data.rows import rows_of

N, CHUNK, WINDOW = 100_000, 334, 30
CHUNKS = tuple(np.split(np.arange(N), np.arange(CHUNK, N, CHUNK)))
ORDERS = {
    "none": Order("none", N, CHUNKS, WINDOW),
    "full": Order("full", N),
    "chunks": Order("chunks", N, CHUNKS, WINDOW),
    "window": Order("window", N, CHUNKS, WINDOW),
}


class Table(Reader):
    """Rows that are never read."""

    where = "t.h5:/x"

    def __init__(self, n_rows, chunk_rows):
        self.shape, self.dtype, self.chunk_rows = (n_rows, 2), np.dtype(np.float32), chunk_rows

    def read(self, rows):
        raise AssertionError("rows are read")


@pytest.mark.parametrize(
    ("kind", "low", "high", "n_classes"),
    [("none", 1.0, 1.0, 1.0), ("full", 0.0, 0.02, 9.9), ("chunks", 0.0, 0.3, 9.0), ("window", 0.95, 0.999, 1.3)],
)
def test_sorted_labels_are_mixed_as_well_as_the_kind_can(kind, low, high, n_classes):
    labels = np.arange(N) * 10 // N
    for epoch in range(3):
        positions, ends = ORDERS[kind].of_epoch(1, epoch)
        assert np.array_equal(np.sort(positions), np.arange(N))
        assert low <= abs(spearmanr(np.arange(N), positions)[0]) <= high
        batches = labels[positions[: N // 128 * 128]].reshape(-1, 128)
        assert np.mean([len(np.unique(batch)) for batch in batches]) >= n_classes
        # A window ends where a chunk does.
        assert not ends or (ends[-1] == N and len(ends) == -(-len(CHUNKS) // WINDOW))


@pytest.mark.parametrize("kind", ["chunks", "window", "none"])
def test_a_window_is_whole_chunks(kind):
    positions, ends = ORDERS[kind].of_epoch(5, 0)
    windows = np.split(positions, ends[:-1])
    chunks = [np.unique(window // CHUNK) for window in windows]
    assert np.array_equal(np.sort(np.concatenate(chunks)), np.arange(len(CHUNKS)))
    if kind != "chunks":
        assert np.array_equal(np.concatenate(chunks), np.arange(len(CHUNKS)))


@pytest.mark.parametrize("kind", ["full", "chunks", "window"])
def test_seed_and_epoch_decide_the_order_and_nothing_else(kind):
    first = ORDERS[kind].of_epoch(1, 0)[0]
    ORDERS[kind].of_epoch(1, 1)
    assert np.array_equal(ORDERS[kind].of_epoch(1, 0)[0], first)
    assert not np.array_equal(ORDERS[kind].of_epoch(1, 1)[0], first)
    assert not np.array_equal(ORDERS[kind].of_epoch(2, 0)[0], first)


def test_pairs_of_rows_part_from_epoch_to_epoch():
    first, second = (ORDERS["chunks"].of_epoch(1, epoch)[0] for epoch in (0, 1))
    window = [np.empty(N, int) for _ in range(2)]
    for found, positions in zip(window, (first, second), strict=True):
        found[positions] = np.arange(N) // (CHUNK * WINDOW)
    together = [np.mean(window[1][window[0] == number] == window[1][first[0]]) for number in range(3)]
    assert max(together) < 0.5


def test_what_is_cheap_to_reach_is_shuffled_freely():
    rows = rows_of(np.zeros((50, 2)))
    assert [order_of(rows, shuffle).kind for shuffle in (True, False, "full", "chunks")] == [
        "full",
        "none",
        "full",
        "full",
    ]
    assert order_of(rows, False).of_epoch(1, 0) == (None, [])


def test_what_lies_in_chunks_is_shuffled_by_them():
    rows = rows_of(Table(50, 7))
    kinds = [order_of(rows, shuffle).kind for shuffle in (True, False, "full", "chunks")]
    assert kinds == ["chunks", "none", "full", "chunks"]
    assert [len(chunk) for chunk in order_of(rows, True).chunks] == [7] * 7 + [1]
    assert order_of(rows, "full").chunks == ()


def test_what_goes_forward_only_is_shuffled_within_windows():
    rows = rows_of(reader_of(Forward(np.arange(40, dtype=np.float32)[:, None])))
    assert [order_of(rows, shuffle).kind for shuffle in (True, False, "chunks")] == ["window", "none", "window"]
    with pytest.raises(ConfigError, match=r'shuffle="full" needs a reader with read\(rows\); Forward has iter_epoch'):
        order_of(rows, "full")


@pytest.mark.parametrize(("n_bytes", "n_window"), [(1, 1), (56, 1), (111, 1), (112, 2), (10_000, 178)])
def test_a_window_holds_as_many_chunks_as_memory_takes(n_bytes, n_window, monkeypatch):
    monkeypatch.setattr(order_module, "BLOCK_BYTES", n_bytes)
    assert order_of(rows_of(Table(50, 7)), True).n_window == n_window


@pytest.mark.parametrize("shuffle", [True, False])
def test_chosen_rows_stay_with_their_chunk(shuffle, monkeypatch):
    monkeypatch.setattr(order_module, "BLOCK_BYTES", 7 * 8 * 2)
    index = np.array([0, 3, 8, 9, 20, 41, 42, 49])
    order = order_of(rows_of(Table(50, 7)).take(index), shuffle)
    assert [index[chunk].tolist() for chunk in order.chunks] == [[0, 3], [8, 9], [20], [41], [42], [49]]
    positions, ends = order.of_epoch(0, 0)
    assert sorted(positions.tolist()) == list(range(8)) and ends[-1] == 8


def test_without_shuffle_rows_that_go_back_and_forth_stay_as_they_lie():
    index = np.random.default_rng(0).permutation(50)[:30]
    order = order_of(rows_of(Table(50, 7)).take(index), False)
    assert order.of_epoch(0, 0)[0].tolist() == list(range(30))
    assert {len(chunk) for chunk in order.chunks} == {7, 2}
    shuffled = order_of(rows_of(Table(50, 7)).take(index), True)
    assert all(len(np.unique(index[chunk] // 7)) == 1 for chunk in shuffled.chunks)


@pytest.mark.parametrize("counts", [(90, 10), (50, 49, 1), (5, 80, 15), (34, 33, 33)])
def test_balanced_classes_come_equally_often_and_so_do_their_rows(counts):
    classes = np.repeat(np.arange(len(counts)), counts)
    order = order_of(rows_of(np.zeros((100, 2))), True, classes)
    positions, _ = order.of_epoch(3, 0)
    assert len(positions) == 100
    drawn = np.bincount(classes[positions])
    assert drawn.max() - drawn.min() <= 1
    for number in range(len(counts)):
        times = np.bincount(positions, minlength=100)[classes == number]
        assert times.max() - times.min() <= 1
    assert not np.array_equal(order.of_epoch(3, 1)[0], positions)
    assert np.array_equal(order.of_epoch(3, 0)[0], positions)


def test_a_class_that_is_in_no_training_row_is_not_drawn():
    classes = np.repeat([0, 2], [90, 10])
    positions, _ = order_of(rows_of(np.zeros((100, 2))), True, classes).of_epoch(3, 0)
    assert np.bincount(classes[positions]).tolist() == [50, 0, 50]


@pytest.mark.parametrize(
    ("rows", "shuffle"), [(Table(50, 7), True), (Table(50, 7), "full"), (np.zeros((50, 2)), False)]
)
def test_classes_that_cannot_be_balanced_are_told(rows, shuffle):
    with pytest.raises(ConfigError, match=r'balance_classes needs shuffle.*class_weight="balanced" does without'):
        order_of(rows_of(rows), shuffle, np.zeros(50, int))
