"""Batches that are gathered where the network lives are those that are copied there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from promise import digest

from arignote import NNClassifier
from arignote.data.epoch.batches import Batch, Batches
from arignote.data.epoch.order import order_of
from arignote.data.rows.open_rows import rows_of
from arignote.engine.feed import ALIGNMENT, ResidentRows, batch_to_device, fields_to_device, fits_on_device
from arignote.fit import run

CPU = torch.device("cpu")


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_rows_that_stay_give_the_batches_that_are_copied(digits, layers, monkeypatch, shuffle, weighted):
    x, y = digits

    def fit():
        weights = np.linspace(0.1, 2, len(y)) if weighted else None
        classifier = NNClassifier(layers, rng=3, n_epochs=2, batch_size=64, shuffle=shuffle, valid=0.2)
        return classifier.fit(x, y, sample_weight=weights)

    made = []
    monkeypatch.setattr(run, "ResidentRows", lambda *given: made.append(ResidentRows(*given)) or made[-1])
    stayed = fit()
    assert len(made) == 1
    monkeypatch.setattr(run, "fits_on_device", lambda n_bytes, device: False)
    assert digest(fit()) == digest(stayed) and len(made) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "stay"),
    [
        ([["Scale", {"divide_by": 3}]], True),
        ([["Standardise"]], True),
        ([["MinMax"]], True),
        ([["Impute"], ["OneHot", {"columns": [199]}]], True),
        ([["Whiten"]], False),
        ([["Whiten", {"method": "zca"}]], False),
        ([["Impute"], ["Whiten"]], False),
    ],
    ids=str,
)
def test_whether_rows_stay_changes_no_bit_of_what_is_preprocessed(monkeypatch, steps, stay):
    # So many that a product of matrices rounds some values otherwise if the number of rows is another one.
    x, y = np.random.default_rng(0).normal(size=(1000, 200)).astype(np.float32), np.arange(1000) % 2
    x[:, 199] = np.arange(1000) % 3
    made = []
    monkeypatch.setattr(run, "ResidentRows", lambda *given: made.append(ResidentRows(*given)) or made[-1])

    def fit(may_stay):
        monkeypatch.setattr(run, "fits_on_device", lambda n_bytes, device: may_stay)
        layers = [["ClassificationOutputLayer"]]
        return digest(NNClassifier(layers, rng=3, n_epochs=1, batch_size=32, preprocess=steps).fit(x, y))

    assert fit(may_stay=True) == fit(may_stay=False) and len(made) == stay


def test_batches_of_rows_alone_read_no_features():
    x, y = np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10)
    rows = rows_of(x, y)
    resident = ResidentRows(rows.features(slice(0, 10)), y, None, CPU)
    whole = Batches(rows, y, seed=1, batch_size=4)
    alone = Batches(rows, y, seed=1, batch_size=4, only_rows=True)
    for copied, named in zip(whole.epoch(0), alone.epoch(0), strict=True):
        assert named.x.size == 0
        mine, theirs = resident(named), batch_to_device(copied, CPU)
        assert torch.equal(mine.x[0], theirs.x[0]) and torch.equal(mine.y[0], theirs.y[0])
        assert len(mine.y) == len(theirs.y) == 1 and mine.weights is theirs.weights is None


@pytest.mark.parametrize("n_features", [1, 64, 3000], ids=["unaligned", "blocks", "too large for a block"])
def test_batches_in_any_order_are_the_rows_of_the_order_of_their_epoch(n_features):
    # 20 rows of 3,000 numbers take 240 kB, of which a block of 1 MiB has four batches, less than it must have; a batch
    # of 20 rows of one number begins at a multiple of 80 bytes.
    x = np.arange(4010 * n_features, dtype=np.float32).reshape(4010, n_features)
    rows = rows_of(x, np.arange(4010))
    resident = ResidentRows(x, rows.y, None, CPU)
    order = order_of(rows, shuffle=True)
    alone = Batches(rows, rows.y, seed=1, batch_size=20, order=order, only_rows=True)
    of_epochs = [list(alone.epoch(epoch)) for epoch in (0, 1)]
    assert len(of_epochs[0]) == 201
    # From one epoch to the other and back, as after numbers that are not finite.
    for epoch, number in [(0, 3), (0, 4), (1, 4), (1, 200), (0, 5), (0, 199), (0, 200), (0, 0)]:
        chosen = order.of_epoch(1, epoch)[0][number * 20 : number * 20 + 20]
        batch = resident(of_epochs[epoch][number])
        assert batch.y[0].tolist() == chosen.tolist() and len(chosen) == (10 if number == 200 else 20)
        assert np.array_equal(batch.x[0].numpy(), x[chosen]) and batch.x[0].data_ptr() % ALIGNMENT == 0


@pytest.mark.parametrize("shards", [1, 2, 3, 4])
def test_rows_are_gathered_once_an_epoch_also_for_uneven_shards_and_a_last_row(monkeypatch, shards):
    # 4,001 rows of 8 bytes and a label of 8: one block, but for a last batch of one row.
    x = np.zeros((4001, 2), np.float32)
    rows, numbers = rows_of(x, np.arange(4001)), []
    gather = ResidentRows._gathered
    monkeypatch.setattr(ResidentRows, "_gathered", lambda self, rows: numbers.append(len(rows)) or gather(self, rows))
    resident = ResidentRows(x, rows.y, None, CPU)
    alone = Batches(rows, rows.y, seed=1, batch_size=40, order=order_of(rows, True), only_rows=True, shards=shards)
    seen = [row for batch in alone.epoch(0) if batch.n_rows for row in resident(batch).y[0].tolist()]
    assert sorted(seen) == list(range(4001))
    # A block has the last row too, which is gathered once more.
    assert sum(numbers) <= 4002


def test_rows_that_stay_in_the_memory_of_a_cpu_take_64_mib_at_most():
    assert fits_on_device(64 * 1024**2, CPU) and not fits_on_device(64 * 1024**2 + 1, CPU)


def at_offset(array, offset):
    """Return a copy of an array whose memory begins so many bytes after an aligned address."""
    buffer = np.empty(array.nbytes + 2 * ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT + offset
    view = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


@pytest.mark.parametrize("offset", range(0, ALIGNMENT, 4))
def test_whatever_its_address_an_array_is_aligned_on_the_device(offset):
    array = np.random.default_rng(0).normal(size=(12, 13)).astype(np.float32)
    (tensor,) = fields_to_device(at_offset(array, offset), CPU)
    assert tensor.data_ptr() % ALIGNMENT == 0
    assert np.array_equal(tensor.numpy(), array)


def test_aligned_memory_is_not_copied():
    array = at_offset(np.ones((4, 3), np.float32), 0)
    assert fields_to_device(array, CPU)[0].data_ptr() == array.ctypes.data


@pytest.mark.parametrize("resident", [False, True])
def test_weights_do_not_depend_on_the_address_of_the_data(digits, monkeypatch, resident):
    # 13 features, so that each batch lies at another address modulo 16, and one unit, whose product depends on it.
    x, y = np.ascontiguousarray(digits[0][:, 10:23]), digits[1] % 2
    monkeypatch.setattr(run, "fits_on_device", lambda n_bytes, device: resident)

    def fit(offset):
        layers = [["ClassificationOutputLayer", {"n_classes": 1}]]
        classifier = NNClassifier(layers, rng=3, n_epochs=2, batch_size=25, shuffle=False, n_threads=1)
        return digest(classifier.fit(at_offset(x, offset), y))

    assert fit(0) == fit(4) == fit(8) == fit(28)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_batch_becomes_features_labels_and_weights(weighted):
    weights = np.array([0.5, 2.0], np.float32) if weighted else None
    batch = Batch(3, slice(0, 2), np.ones((2, 3), np.float32), np.array([4, 5]), weights)
    (x,), (y,), w = batch_to_device(batch, CPU)
    assert x.tolist() == [[1.0] * 3] * 2 and y.tolist() == [4, 5] and y.dtype == torch.int64
    assert (w is None) == (not weighted) and (w is None or w.tolist() == [0.5, 2.0])


@pytest.mark.parametrize("rows", [slice(1, 3), np.array([3, 0, 3]), np.arange(4)[::-1]], ids=["slice", "array", "view"])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_that_stay_are_gathered_by_number(rows, weighted):
    x, y = np.arange(8, dtype=np.float32).reshape(4, 2), np.array([7, 6, 5, 4])
    weights = np.array([0.5, 1.0, 1.5, 2.0], np.float32) if weighted else None
    found = ResidentRows(x, y, weights, CPU)(Batch(0, rows, np.empty(0, np.float32), y[rows]))
    assert [one.tolist() for one in found.x] == [x[rows].tolist()] and found.n_rows == len(y[rows])
    assert [one.tolist() for one in found.y] == [y[rows].tolist()]
    assert (found[2] is None) == (not weighted) and (found[2] is None or found[2].tolist() == weights[rows].tolist())


def test_rows_that_stay_take_half_of_the_free_memory_of_a_gpu_at_most(monkeypatch):
    # Free and total bytes.
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (101, 1000))
    gpu = torch.device("cuda")
    assert fits_on_device(50, gpu) and not fits_on_device(51, gpu)


def test_fields_of_a_single_row_are_taken_whatever_stands_beside_them():
    # A row has 12 bytes, no whole number of values of the first field.
    rows = np.array([(3, 0.5)], [("a", np.int64), ("b", np.float32)])
    assert [field.tolist() for field in fields_to_device(rows, CPU)] == [[3], [0.5]]
