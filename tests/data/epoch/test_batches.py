"""Batches: each row once, from any batch on as if from the first, ahead in threads of which none stays."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from made_up import augmenter
from strangers import Forward

import arignote.data.epoch.order as order_module
from arignote import ArignoteWarning, DataError
from arignote.data.epoch.batches import Batch, Batches
from arignote.data.epoch.order import Order, order_of
from arignote.data.readers.base import Reader
from arignote.data.readers.user_reader import reader_of
from arignote.data.rows.open_rows import rows_of
from arignote.streams import stream

N = 103
X = np.stack([np.arange(N), -np.arange(N)], axis=1).astype(np.float32)
Y = np.arange(N) % 3
ROW_BYTES = X[0].nbytes
KINDS = ["none", "full", "chunks", "window", "none by blocks", "full of a file"]


class Chunked(Reader):
    """An array in chunks of 5 rows, that counts how often each chunk is read, and can be slow or fail."""

    where, chunk_rows = "data.h5:/x", 5

    def __init__(self, array=X, seconds=0.0, fails_at=None):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.seconds, self.fails_at, self.reads, self.mark = seconds, fails_at, [], 0
        self.blocks, self.most = weakref.WeakSet(), 0

    def read(self, rows):
        numbers = np.arange(len(self))[rows]
        if self.fails_at is not None and self.fails_at in numbers:
            raise OSError("disk gone")
        time.sleep(self.seconds)
        self.reads.append(np.unique(numbers // self.chunk_rows))
        found = self.array[rows].view(Block)
        self.blocks.add(Holder.of(found))
        self.most = max(self.most, len(self.blocks))
        return found

    def stamp(self):
        return self.mark


class Holder:
    """Lives as long as the block that it was made for, or any view of it."""

    @classmethod
    def of(cls, block):
        block.holder = cls()
        return block.holder


class Block(np.ndarray):
    """An array whose deletion can be observed."""

    holder = None

    def __array_finalize__(self, source):
        if getattr(self, "base", None) is source:
            self.holder = getattr(source, "holder", None)


@pytest.fixture(autouse=True)
def small_windows_and_no_thread_left(monkeypatch):
    """Windows of 3 chunks."""
    monkeypatch.setattr(order_module, "BLOCK_BYTES", 3 * Chunked.chunk_rows * ROW_BYTES)
    # One of an earlier test may end meanwhile.
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def batches_of(kind="chunks", index=None, reader=None, augment=None, **settings):
    """Return batches whose order is of a kind."""
    if reader is None:
        reader = X if kind in ("none", "full") else reader_of(Forward(X)) if kind == "window" else Chunked()
        if kind == "window":
            reader.chunk_rows = 5
    rows = rows_of(reader, Y)
    rows = rows if index is None else rows.take(index)
    shuffle = "full" if kind == "full of a file" else not kind.startswith("none")
    settings = {"seed": 7, "batch_size": 8} | settings
    augmentation = None if augment is None else augmenter([augment], settings["seed"], 3)
    return Batches(rows, rows.y, order=order_of(rows, shuffle), augmentation=augmentation, **settings)


def plain(found):
    return [(b.index, b.x.tolist(), b.y.tolist(), None if b.weights is None else b.weights.tolist()) for b in found]


def noise(x, y, rng):
    x += rng.normal(size=x.shape).astype(np.float32)
    return x, y


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [1, 8, 40, 103])
@pytest.mark.parametrize("index", [None, np.arange(1, 103, 2), np.random.default_rng(3).permutation(103)[:60]])
def test_an_epoch_is_every_row_once_with_its_label(kind, batch_size, index):
    found = list(batches_of(kind, index, batch_size=batch_size).epoch(2))
    x, y = np.concatenate([b.x for b in found]), np.concatenate([b.y for b in found])
    expected = np.arange(N) if index is None else index
    numbers = x[:, 0].astype(int)
    assert np.array_equal(np.sort(numbers), np.sort(expected))
    assert np.array_equal(numbers, expected) == kind.startswith("none")
    assert np.array_equal(y, Y[numbers]) and np.array_equal(x, X[numbers])
    assert [len(b.y) for b in found[:-1]] == [batch_size] * (len(found) - 1)


@pytest.mark.slow
@pytest.mark.parametrize("n_workers", [0, 1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_entered_at_any_batch_is_its_tail(kind, n_workers):
    for settings in (
        {"weights": np.linspace(0, 2, N, dtype=np.float32)},
        {"drop_last": True, "augment": noise},
        {"batch_size": 40, "prefetch": 1},
        {"batch_size": 3, "prefetch": 9, "augment": noise},
    ):
        whole = plain(batches_of(kind, **settings).epoch(1))
        again = batches_of(kind, n_workers=n_workers, **settings)
        assert len(whole) == again.n_batches
        for start in range(0, again.n_batches + 1):
            assert plain(again.epoch(1, start)) == whole[start:]


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_is_of_seed_and_epoch_and_nothing_else(kind):
    batches = batches_of(kind)
    first = plain(batches.epoch(0))
    second = plain(batches.epoch(1))
    assert plain(batches.epoch(0)) == first
    assert plain(batches_of(kind, n_workers=4, prefetch=2).epoch(1)) == second
    assert (first == second) == kind.startswith("none")
    assert (first == plain(batches_of(kind, seed=8).epoch(0))) == kind.startswith("none")


@pytest.mark.parametrize("n_workers", [0, 1, 4])
@pytest.mark.parametrize("batch_size", [4, 15, 40, 103])
@pytest.mark.parametrize("kind", ["chunks", "none by blocks"])
def test_each_chunk_is_read_once_in_an_epoch(kind, batch_size, n_workers):
    for index in (None, np.arange(0, 103, 2)):
        reader = Chunked()
        list(batches_of(kind, index, reader, batch_size=batch_size, n_workers=n_workers).epoch(0))
        assert np.array_equal(np.sort(np.concatenate(reader.reads)), np.arange(21))
        assert [len(chunks) for chunks in reader.reads] == [3] * 7


@pytest.mark.parametrize("n_workers", [0, 1, 4])
def test_entered_late_an_epoch_reads_nothing_that_is_past(n_workers):
    reader = Chunked()
    list(batches_of("none", reader=reader, n_workers=n_workers).epoch(0, start=8))
    assert np.array_equal(np.sort(np.concatenate(reader.reads)), np.arange(12, 21))


@pytest.mark.slow
def test_three_blocks_are_in_memory_at_most():
    for n_workers, most in ((0, 2), (1, 3), (4, 3)):
        reader = Chunked()
        for _ in batches_of(reader=reader, n_workers=n_workers, batch_size=5, prefetch=2).epoch(0):
            pass
        del _
        assert reader.most <= most
        gc.collect()
        assert not reader.blocks


@pytest.mark.parametrize("prefetch", [1, 3])
def test_no_more_batches_are_made_ahead_than_prefetch(prefetch):
    made = []

    def count(x, y):
        made.append(1)
        return x, y

    for n, _ in enumerate(batches_of("full", augment=count, n_workers=4, prefetch=prefetch).epoch(0)):
        time.sleep(0.005)
        assert len(made) <= n + prefetch


@pytest.mark.parametrize("n_workers", [0, 1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_that_is_left_in_the_middle_leaves_no_thread(kind, n_workers):
    for n_taken in (0, 1, 5):
        epoch = batches_of(kind, augment=noise, n_workers=n_workers).epoch(0)
        for _ in range(n_taken):
            next(epoch)
        epoch.close()
        assert not [t.name for t in threading.enumerate() if t.name.startswith("arignote")]
    for _ in batches_of(kind, augment=noise, n_workers=n_workers).epoch(0):
        break


def test_an_epoch_that_is_left_reads_no_more_than_is_under_way():
    reader = Chunked(seconds=0.05)
    epoch = batches_of(reader=reader, n_workers=2, batch_size=3).epoch(0)
    next(epoch)
    epoch.close()
    n_reads = len(reader.reads)
    time.sleep(0.15)
    assert len(reader.reads) == n_reads <= 2


@pytest.mark.parametrize("n_workers", [0, 1, 4])
def test_an_error_of_the_reader_comes_at_its_batch(n_workers):
    epoch = batches_of("none", reader=Chunked(fails_at=50), n_workers=n_workers).epoch(0)
    with pytest.raises(OSError, match="disk gone"):
        for batch in epoch:
            last = batch.index
    assert last == 4 and next(epoch, None) is None


@pytest.mark.parametrize("n_workers", [0, 1, 4])
def test_an_error_of_the_augmentation_comes_at_its_batch(n_workers):
    def fails(x, y, rng, epoch):
        if 50 in x[:, 0]:
            raise ValueError("no")
        return x, y

    epoch = batches_of("none", augment=fails, n_workers=n_workers).epoch(3)
    with pytest.raises(DataError, match="augmentation of epoch 4, batch 6: ValueError: no"):
        for batch in epoch:
            last = batch.index
    assert last == 5


@pytest.mark.parametrize("n_workers", [0, 1])
def test_a_number_that_is_not_finite_is_reported_with_its_row_from_a_thread(n_workers):
    bad = X.copy()
    bad[77, 1] = np.nan
    with pytest.raises(DataError, match=r"data.h5:/x row 77 holds nan"):
        list(batches_of(reader=Chunked(bad), n_workers=n_workers).epoch(0))


def test_augmentation_in_place_leaves_the_data_alone():
    def spoil(x, y, rng):
        x[:], y[:] = -1, 0
        return x, y

    x, y = X.copy(), Y.copy()
    batches = Batches(rows_of(x, y), y, seed=0, batch_size=8, augmentation=augmenter([spoil], 0, 3))
    assert all((batch.x == -1).all() for batch in batches.epoch(0))
    assert np.array_equal(x, X) and np.array_equal(y, Y)


def test_a_source_that_changes_is_reported_at_the_next_epoch_once():
    reader = Chunked()
    batches = batches_of(reader=reader)
    list(batches.epoch(0))
    reader.mark = 1
    with pytest.warns(ArignoteWarning, match="data.h5:/x: changed during training"):
        list(batches.epoch(1))
    list(batches.epoch(2))


def test_reading_continues_while_a_batch_is_used():
    reader = Chunked(seconds=0.01)
    epoch = batches_of(reader=reader, n_workers=1, batch_size=15, prefetch=1).epoch(0)
    next(epoch)
    # The second block is read although nobody asks for its batch; a deadline that only a failure reaches.
    deadline = time.monotonic() + 20
    while len(reader.reads) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert len(reader.reads) == 2
    epoch.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "settings", [{}, {"drop_last": True}, {"batch_size": 40}, {"augment": noise}, {"n_workers": 2}]
)
def test_each_row_keeps_its_label_and_its_weight(kind, settings):
    # A weight for each row that identifies the row.
    weights = (1000 + np.arange(N)).astype(np.float32)
    found = list(batches_of(kind, weights=weights, **settings).epoch(1))
    numbers = np.concatenate([np.arange(N)[b.rows] for b in found])
    assert len(set(numbers.tolist())) == len(numbers) == (N // 8 * 8 if "drop_last" in settings else N)
    assert np.concatenate([b.weights for b in found]).tolist() == (1000.0 + numbers).tolist()
    assert np.concatenate([b.y for b in found]).tolist() == (numbers % 3).tolist()
    if "augment" not in settings:
        assert np.concatenate([b.x for b in found]).tolist() == np.stack([numbers, -numbers], axis=1).tolist()


def test_rows_of_balanced_classes_keep_their_weights():
    classes, weights = np.repeat([0, 1], [90, 13]), np.arange(N, dtype=np.float32)
    batches = Batches(
        rows_of(X), classes, seed=2, batch_size=10, order=Order("full", N, classes=classes), weights=weights
    )
    found = list(batches.epoch(0))
    assert sum(len(b.y) for b in found) == N
    for batch in found:
        assert np.array_equal(batch.weights, batch.x[:, 0]) and np.array_equal(batch.y, batch.x[:, 0] >= 90)


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "drop_last", "sizes"),
    [
        (10, 3, False, [3, 3, 3, 1]),
        (10, 3, True, [3, 3, 3]),
        (9, 3, False, [3, 3, 3]),
        (9, 3, True, [3, 3, 3]),
        (2, 3, False, [2]),
        (2, 3, True, []),
        (3, 1, False, [1, 1, 1]),
    ],
)
def test_the_last_batch_is_smaller_or_left_out(n_rows, batch_size, drop_last, sizes):
    batches = Batches(rows=rows_of(X[:n_rows]), y=Y[:n_rows], seed=0, batch_size=batch_size, drop_last=drop_last)
    assert [len(batch.x) for batch in batches.epoch(0)] == sizes and batches.n_batches == len(sizes)
    assert [batch.index for batch in batches.epoch(0)] == list(range(len(sizes)))
    assert [(batch.rows.start, batch.rows.stop) for batch in batches.epoch(0)] == [
        (n * batch_size, n * batch_size + size) for n, size in enumerate(sizes)
    ]


def test_by_default_rows_come_as_they_lie_in_batches_without_weights_or_threads():
    threads_seen = set()

    def thread_of(x, y):
        threads_seen.add(threading.current_thread().name)
        return x, y

    batches = Batches(rows_of(X), Y, seed=0, batch_size=60, augmentation=augmenter([thread_of], 0, 3))
    first, second = batches.epoch(0)
    assert first.x.tolist() == X[:60].tolist() and second.x.tolist() == X[60:].tolist()
    assert first.weights is None and second.weights is None
    assert Batch(0, slice(0, 1), X, Y).weights is None
    assert threads_seen == {threading.current_thread().name}


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_row_numbers_alone_are_those_of_the_epoch_and_read_nothing(kind):
    reader = Chunked() if kind in ("chunks", "none by blocks", "full of a file") else None
    found = list(batches_of(kind, reader=reader, only_rows=True, n_workers=2).epoch(3, 2))
    assert reader is None or reader.reads == []
    whole = list(batches_of(kind).epoch(3, 2))
    assert [b.index for b in found] == [b.index for b in whole] == list(range(2, 13))
    for batch, wanted in zip(found, whole, strict=True):
        assert np.array_equal(np.arange(N)[batch.rows], wanted.x[:, 0]) and batch.y is None
        assert batch.x.shape == (0,) and batch.x.dtype == np.float32 and batch.weights is None


@pytest.mark.parametrize("n_workers", [0, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_random_numbers_of_a_batch_are_those_of_its_epoch_and_its_number(kind, n_workers):
    def drawn(x, y, rng, epoch):
        return np.full(x.shape, rng.random()) + epoch, y

    batches = batches_of(kind, augment=drawn, n_workers=n_workers)
    for epoch, start in ((0, 0), (0, 4), (2, 11)):
        for batch in batches.epoch(epoch, start):
            expected = epoch + stream(7, "augment", epoch, batch.index).random()
            np.testing.assert_allclose(batch.x, np.full((len(batch.y), 2), expected), rtol=1e-6)


@pytest.mark.parametrize("kind", ["none", "full", "chunks", "window"])
def test_the_rows_of_an_epoch_are_those_of_its_stream(kind):
    rng = stream(7, "order", 4)
    chunks = np.split(np.arange(N), np.arange(5, N, 5))
    if kind == "chunks":
        chunks = [chunks[number] for number in rng.permutation(21)]
    # Windows of three chunks.
    windows = [np.concatenate(chunks[at : at + 3]) for at in range(0, 21, 3)]
    expected = {"none": lambda: np.arange(N), "full": lambda: rng.permutation(N)}.get(
        kind, lambda: np.concatenate([rng.permutation(window) for window in windows])
    )()
    found = batches_of(kind).epoch(4)
    assert np.concatenate([batch.x[:, 0] for batch in found]).tolist() == expected.tolist()


@pytest.mark.parametrize("kind", ["full", "chunks"])
def test_as_many_batches_are_made_at_once_as_are_prefetched(kind):
    # Each of the first three calls waits until the other two have begun; it would wait in vain with fewer.
    barrier, lock, calls = threading.Barrier(3), threading.Lock(), []

    def meet(x, y):
        with lock:
            calls.append(1)
            first = len(calls) <= 3
        if first:
            barrier.wait(timeout=20)
        return x, y

    epoch = batches_of(kind, augment=meet, n_workers=3, prefetch=3).epoch(0)
    assert next(epoch).index == 0 and len(calls) >= 3
    epoch.close()


def test_four_batches_are_made_at_once_by_default():
    barrier, lock, calls = threading.Barrier(4), threading.Lock(), []

    def meet(x, y):
        with lock:
            calls.append(1)
            number = len(calls)
        if number <= 4:
            # Waits in vain if fewer are made ahead.
            barrier.wait(timeout=20)
        return x, y

    batches = Batches(rows_of(X), Y, seed=0, batch_size=8, n_workers=8, augmentation=augmenter([meet], 0, 3))
    epoch = batches.epoch(0)
    next(epoch)
    # The next batch is begun only where another one is asked for.
    time.sleep(0.02)
    assert len(calls) == 4
    epoch.close()


def test_batches_that_have_not_begun_are_not_made_when_an_epoch_is_left():
    calls, released = [], threading.Event()

    def wait(x, y):
        calls.append(1)
        if len(calls) > 1:
            released.wait(timeout=20)
        return x, y

    epoch = batches_of("full", augment=wait, n_workers=1, prefetch=6).epoch(0)
    next(epoch)
    # The second batch is under way while the epoch is closed; the other four are waiting.
    timer = threading.Timer(0.05, released.set)
    timer.start()
    epoch.close()
    timer.join()
    assert len(calls) <= 2


def test_one_thread_reads_all_windows_of_an_epoch():
    names = []

    class Named(Chunked):
        def read(self, rows):
            names.append(threading.current_thread().name)
            return super().read(rows)

    def named(x, y):
        assert threading.current_thread().name.startswith("arignote-augment")
        return x, y

    list(batches_of(reader=Named(seconds=0.01), n_workers=3, augment=named).epoch(0))
    assert set(names) == {"arignote-read_0"} and len(names) == 7


def test_a_batch_does_not_change():
    with pytest.raises(FrozenInstanceError):
        Batch(0, slice(0, 1), X, Y).index = 1


def test_batches_of_unequal_cost_come_in_order():
    def slow_at_first(x, y, rng, epoch):
        if x[0, 0] in (0, 24):
            time.sleep(0.05)
        return x, y

    found = batches_of("none", augment=slow_at_first, n_workers=4, prefetch=6).epoch(0)
    assert [(batch.index, batch.x[0, 0]) for batch in found] == [(n, 8.0 * n) for n in range(13)]


def test_a_batch_that_spans_windows_is_cut_from_all_of_them():
    # Windows of 15 rows: a batch of 40 spans three or four of them, the last batch lies in two.
    found = list(batches_of("none by blocks", batch_size=40).epoch(0))
    assert [batch.x[:, 0].tolist() for batch in found] == [list(range(40)), list(range(40, 80)), list(range(80, N))]


@pytest.mark.parametrize("kind", KINDS)
def test_augmentation_in_place_leaves_the_data_unchanged_in_every_order(kind):
    def spoil(x, y):
        x[:], y[:] = -1, 0
        return x, y

    x, y = X.copy(), Y.copy()
    rows = rows_of(x if kind in ("none", "full") else Chunked(x))
    shuffle = "full" if kind == "full of a file" else not kind.startswith("none")
    order, augmentation = order_of(rows, shuffle), augmenter([spoil], 0, 3)
    batches = Batches(rows, y, seed=0, batch_size=8, order=order, augmentation=augmentation)
    assert all((batch.x == -1).all() and (batch.y == 0).all() for batch in batches.epoch(0))
    assert np.array_equal(x, X) and np.array_equal(y, Y)


def test_a_change_is_reported_by_the_name_of_the_data_where_the_reader_has_none():
    class Unnamed(Chunked):
        where = ""

    reader = Unnamed()
    batches = batches_of("none", reader=reader)
    reader.mark = 1
    with pytest.warns(ArignoteWarning, match="^X: changed during training"):
        batches.epoch(0)


@pytest.mark.parametrize("n_workers", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_shards_have_the_rows_of_an_epoch_once_whoever_asks_for_them(kind, n_workers):
    whole = list(batches_of(kind, n_workers=n_workers, shards=4).epoch(1))
    # 103 rows in batches of 8: the last one has 7, in shards of 1, 2, 2, 2.
    assert [(b.index, b.shard) for b in whole] == [(n, s) for n in range(13) for s in range(4)]
    assert [len(b.x) for b in whole] == [2] * 48 + [1, 2, 2, 2]
    assert sorted(row for b in whole for row in b.x[:, 0].tolist()) == list(range(N))
    assert all(b.y.tolist() == (b.x[:, 0].astype(int) % 3).tolist() for b in whole)
    if kind != "chunks":
        # The rows of a batch do not depend on its shards.
        unsharded = [row for b in batches_of(kind).epoch(1) for row in b.x[:, 0].tolist()]
        assert [row for b in whole for row in b.x[:, 0].tolist()] == unsharded
    for own in (range(1), range(1, 4), range(2, 4)):
        mine = batches_of(kind, n_workers=n_workers, shards=4, own_shards=own).epoch(1, 5)
        assert plain(mine) == plain(b for b in whole if b.shard in own and b.index >= 5)


def test_a_process_reads_the_chunks_of_its_shards_alone():
    read = []
    for own in (range(2), range(2, 4)):
        reader = Chunked()
        list(batches_of(reader=reader, shards=4, own_shards=own).epoch(0))
        read.append(np.concatenate(reader.reads))
    # Of 21 chunks each reads its half once; of a chunk that is cut in two at the edge of a shard, the half.
    assert all(10 <= len(numbers) <= 12 for numbers in read) and len(set(read[0].tolist()) & set(read[1].tolist())) < 2
    assert set(np.concatenate(read).tolist()) == set(range(21))


def test_a_batch_with_less_rows_than_shards_has_empty_ones_that_nothing_is_done_to():
    seen = []

    def watch(x, y, rng):
        seen.append(len(x))
        return x, y

    found = list(batches_of("full", augment=watch, n_workers=0, batch_size=34, shards=3).epoch(0))
    # 103 = 3 * 34 + 1.
    assert [b.n_rows for b in found] == [11, 11, 12] * 3 + [0, 0, 1]
    assert [n for n in seen if n] == seen and found[-2].y is None and found[-2].x.shape == (0,)


def test_each_shard_is_augmented_from_a_stream_of_its_own():
    def drawn(x, y, rng):
        return np.full(x.shape, rng.random()), y

    found = list(batches_of("full", augment=drawn, shards=2).epoch(3))
    for batch in found:
        assert np.allclose(batch.x, stream(7, "augment", 3, batch.index, batch.shard).random())
