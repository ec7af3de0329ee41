"""The order of an epoch: how well it is mixed, what lies together, and what is refused."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy.stats import spearmanr
from strangers import Forward

import arignote.data.epoch.order as order_module
from arignote import ConfigError
from arignote.data.epoch.order import Order, order_of
from arignote.data.readers.base import Reader
from arignote.data.readers.user_reader import reader_of
from arignote.data.rows.open_rows import rows_of
from arignote.data.rows.selection import Rows
from arignote.streams import stream

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
        # A block ends where a chunk does.
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


@pytest.mark.parametrize(("n_bytes", "chunks_per_block"), [(1, 1), (56, 1), (111, 1), (112, 2), (10_000, 178)])
def test_a_block_holds_as_many_chunks_as_memory_takes(n_bytes, chunks_per_block, monkeypatch):
    monkeypatch.setattr(order_module, "BLOCK_BYTES", n_bytes)
    assert order_of(rows_of(Table(50, 7)), True).chunks_per_block == chunks_per_block


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
def test_classes_that_cannot_be_balanced_are_reported(rows, shuffle):
    with pytest.raises(ConfigError, match=r'balance_classes needs shuffle.*class_weight="balanced" needs neither'):
        order_of(rows_of(rows), shuffle, np.zeros(50, int))


# Seven rows in chunks of 2, 3, 1 and 1 rows.
UNEVEN = tuple(np.array(rows) for rows in ([0, 1], [2, 3, 4], [5], [6]))


@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (0, 1), (3, 0), (3, 11)])
def test_a_full_order_is_a_permutation_drawn_from_the_stream_of_its_epoch(seed, epoch):
    positions, ends = Order("full", 12).of_epoch(seed, epoch)
    assert positions.tolist() == stream(seed, "order", epoch).permutation(12).tolist() and ends == []


@pytest.mark.parametrize("epoch", [0, 5])
@pytest.mark.parametrize("chunks_per_block", [1, 2, 3, 9])
def test_an_order_of_chunks_permutes_the_chunks_and_then_the_rows_of_each_block(chunks_per_block, epoch):
    rng = stream(4, "order", epoch)
    chunks = [UNEVEN[number].tolist() for number in rng.permutation(4)]
    expected, sizes = [], []
    for at in range(0, 4, chunks_per_block):
        window = [row for chunk in chunks[at : at + chunks_per_block] for row in chunk]
        expected += rng.permutation(window).tolist()
        sizes.append(len(window))
    positions, ends = Order("chunks", 7, UNEVEN, chunks_per_block).of_epoch(4, epoch)
    assert positions.tolist() == expected
    assert ends == [sum(sizes[: n + 1]) for n in range(len(sizes))]


@pytest.mark.parametrize(
    ("chunks_per_block", "ends"), [(1, [2, 5, 6, 7]), (2, [5, 7]), (3, [6, 7]), (4, [7]), (9, [7])]
)
def test_an_order_of_blocks_permutes_rows_only_within_each_block(chunks_per_block, ends):
    rng = stream(4, "order", 5)
    expected = np.concatenate([rng.permutation(window) for window in np.split(np.arange(7), ends[:-1])])
    positions, found = Order("window", 7, UNEVEN, chunks_per_block).of_epoch(4, 5)
    assert positions.tolist() == expected.tolist() and found == ends
    positions, found = Order("none", 7, UNEVEN, chunks_per_block).of_epoch(4, 5)
    assert positions.tolist() == list(range(7)) and found == ends


def test_a_window_is_one_chunk_by_default():
    assert Order("none", 7, UNEVEN).of_epoch(0, 0)[1] == [2, 5, 6, 7]


@pytest.mark.parametrize(
    ("n_rows", "counts", "expected"),
    # round(n_rows * (i + 1) / n_classes) - round(n_rows * i / n_classes), halves to even.
    [(10, (6, 3, 1), [3, 4, 3]), (11, (9, 1, 1), [4, 3, 4]), (9, (2, 7), [4, 5]), (8, (1, 1, 1, 5), [2, 2, 2, 2])],
)
def test_each_class_is_drawn_its_share_of_the_rows(n_rows, counts, expected):
    classes = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    positions, ends = Order("full", n_rows, classes=classes).of_epoch(2, 1)
    assert np.bincount(classes[positions]).tolist() == expected and ends == []
    for number, share in enumerate(expected):
        times = np.bincount(positions, minlength=n_rows)[classes == number]
        assert {times.min(), times.max()} <= {share // counts[number], -(-share // counts[number])}


def test_a_balanced_order_draws_the_remainder_by_chance_and_mixes_all_rows():
    classes = np.tile([0, 0, 0, 1, 0], 40)
    order = Order("full", 200, classes=classes)
    epochs = np.array([order.of_epoch(5, epoch)[0] for epoch in range(400)])
    # Of class 0, 100 of 160 rows in each epoch; of class 1, each of 40 rows twice or three times (2.5 on average).
    times = np.array([np.bincount(epoch, minlength=200) for epoch in epochs])
    for number, mean in ((0, 100 / 160), (1, 100 / 40)):
        # A mean of 400 draws of a variance of 1/4 at most: five standard errors.
        assert abs(times[:, classes == number].mean(axis=0) - mean).max() < 5 * 0.5 / 400**0.5
    # Neighbours are of one class half of the time, and a row is anywhere in the epoch.
    assert abs(np.mean(np.diff(classes[epochs], axis=1) == 0) - 0.5) < 0.02
    assert abs(np.mean([np.flatnonzero(epoch == 3)[0] for epoch in epochs]) - 200 / 3) < 15


@pytest.mark.parametrize("shuffle", [True, "full", "chunks"])
def test_rows_in_memory_are_balanced_with_any_shuffle(shuffle):
    classes = np.repeat([0, 1], [90, 10])
    order = order_of(rows_of(np.zeros((100, 2))), shuffle, classes)
    assert (order.kind, order.n_rows, order.chunks) == ("full", 100, ())
    assert np.bincount(classes[order.of_epoch(0, 0)[0]]).tolist() == [50, 50]


@pytest.mark.parametrize(
    ("shape", "dtype", "chunk_rows", "chunks_per_block"),
    # Bytes of a row: 784 * 4 = 3136, 3 * 8 * 8 * 8 = 1536, 1; a block has 32 MB at most, and one chunk at least.
    [
        ((784,), np.float32, 1000, 10),
        ((784,), np.float32, 1020, 10),
        ((784,), np.float32, 1021, 9),
        ((3, 8, 8), np.float64, 10_000, 2),
        ((3, 8, 8), np.float64, 30_000, 1),
        ((1,), np.uint8, 32_000_000, 1),
        ((1,), np.uint8, 16_000_000, 2),
        ((1,), np.uint8, 64_000_000, 1),
        ((1,), np.uint8, 1, 32_000_000),
    ],
)
def test_a_block_has_as_many_chunks_as_fit_into_32_megabytes(shape, dtype, chunk_rows, chunks_per_block):
    table = Table(50, chunk_rows)
    table.shape, table.dtype = (50, *shape), np.dtype(dtype)
    assert order_of(Rows(table), True).chunks_per_block == chunks_per_block


def test_a_file_without_shuffle_is_read_in_windows_as_it_lies(monkeypatch):
    monkeypatch.setattr(order_module, "BLOCK_BYTES", 2 * 7 * 8)
    order = order_of(Rows(Table(50, 7)), False)
    assert order.of_epoch(9, 9)[0].tolist() == list(range(50))
    assert order.of_epoch(9, 9)[1] == [14, 28, 42, 50]


@pytest.mark.parametrize(
    ("index", "chunks"),
    [
        # Chunks of rows 0-6, 7-13, 14-20: positions in the index are grouped by the chunk that they lie in.
        ([6, 7, 13, 14], [[0], [1, 2], [3]]),
        ([14, 6, 7, 0], [[1, 3], [2], [0]]),
        ([5, 3], [[0, 1]]),
    ],
)
def test_positions_are_grouped_by_the_chunk_of_their_row(index, chunks):
    order = order_of(Rows(Table(21, 7), index=np.array(index)), True)
    assert [chunk.tolist() for chunk in order.chunks] == chunks and order.n_rows == len(index)


@pytest.mark.parametrize(
    ("index", "chunks"), [([5, 3, 4], [[0, 1, 2]]), ([8, 2, 9, 3], [[0, 1, 2], [3]]), ([3, 0, 4, 1], [[0, 1, 2], [3]])]
)
def test_without_shuffle_only_an_index_that_returns_to_a_chunk_is_read_in_stretches(index, chunks):
    order = order_of(Rows(Table(12, 3 if len(index) > 3 else 7), index=np.array(index)), False)
    assert [chunk.tolist() for chunk in order.chunks] == chunks


def test_positions_of_one_chunk_stay_in_the_order_of_the_index():
    # More rows than an unstable sort leaves in order.
    index = np.random.default_rng(0).permutation(1000)
    chunks = order_of(Rows(Table(1000, 250), index=index), True).chunks
    assert [chunk.tolist() for chunk in chunks] == [np.flatnonzero(index // 250 == n).tolist() for n in range(4)]


def test_a_balanced_order_is_drawn_from_the_stream_of_its_epoch():
    classes = np.random.default_rng(0).integers(0, 2, 301)
    rng, drawn = stream(6, "order", 2), []
    for number, share in enumerate((150, 151)):
        rows = np.flatnonzero(classes == number)
        drawn += [*rows.tolist() * (share // len(rows)), *rng.choice(rows, share % len(rows), replace=False).tolist()]
    assert Order("full", 301, classes=classes).of_epoch(6, 2)[0].tolist() == rng.permutation(drawn).tolist()


def test_an_order_does_not_change():
    with pytest.raises(FrozenInstanceError):
        Order("full", 3).n_rows = 4


def test_runs_have_chunks_of_their_own_and_rows_shuffled_within_them():
    chunks = tuple(np.arange(10 * n, 10 * n + 10) for n in range(6))
    order = Order("chunks", 60, chunks, chunks_per_block=2)
    # The last two rows are left out of the epoch.
    positions, ends = order.of_epoch(3, 1, [0, 25, 58])
    first, second, rest = (set((positions[at] // 10).tolist()) for at in (slice(0, 25), slice(25, 58), slice(58, 60)))
    # A run of 25 rows is two and a half chunks: one is in both.
    assert len(first) == 3 and len(second) == 4 and len(first & second) == 1 and len(rest) == 1
    assert ends == [20, 25, 40, 58, 60] or ends == [20, 25, 43, 58, 60] or ends == [20, 25, 45, 58, 60]
    assert sorted(positions.tolist()) == list(range(60)) and rest <= second
    assert positions.tolist() != order.of_epoch(3, 2, [0, 25, 58])[0].tolist()
    # Rows are shuffled within a block, not sorted as they are stored.
    assert (np.diff(positions[:20]) < 0).sum() > 5
