"""The contract of a reader: one that keeps it is trained on, one that breaks it is reported."""

from __future__ import annotations

import numpy as np
import pytest
from strangers import Forward

import arignote.data.epoch.order as order_module
from arignote import DataError, NNClassifier
from arignote.data.readers.base import ArrayReader, Reader
from arignote.data.readers.user_reader import UserReader, check_reader, reader_of

X = np.random.default_rng(0).normal(size=(600, 3)).astype(np.float32)
Y = np.arange(600) % 2


class Own(Forward):
    """A reader of a user's own that keeps the contract."""

    def __init__(self, array=X):
        super().__init__(array)


class Random(Own):
    """One that gives any rows too."""

    def read(self, rows):
        return self.array[rows]

    def __len__(self):
        return len(self.array)


class ForgetsStart(Own):
    def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
        return super().iter_epoch(batch_size, 0, stop, start_on_batch, allow_partial)


class ForgetsToStop(Own):
    def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
        return super().iter_epoch(batch_size, start, None, start_on_batch, allow_partial)


class ShiftsStart(Own):
    def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
        for batch in super().iter_epoch(batch_size, start, stop, start_on_batch, allow_partial):
            yield np.roll(batch, 1, axis=0) if start else batch


class ForgetsTheBatchOfStart(Own):
    def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
        return super().iter_epoch(batch_size, start, stop, False, allow_partial)


class AlwaysPartial(Own):
    def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
        return super().iter_epoch(batch_size, start, stop, start_on_batch, True)


class Changes(Own):
    n_calls = 0

    def rows(self, at, end):
        self.n_calls += 1
        return self.array[at:end] + (self.n_calls if at > 100 else 0)


class Longer(Own):
    def __len__(self):
        return len(self.array) + 5


class ReadsAnotherOrder(Random):
    def read(self, rows):
        return self.array[rows if isinstance(rows, slice) else np.sort(rows)]


class ReadsOtherRows(Random):
    def read(self, rows):
        return self.array[slice(0, rows.stop - rows.start) if isinstance(rows, slice) else rows]


class Ragged(Own):
    """Rows of another shape from the 512th on."""

    def rows(self, at, end):
        return self.array[at:end, :2] if at >= 512 else self.array[at:end]


class Ends(Own):
    """Fewer rows than it says."""

    shape = (600, 3)
    n_rows = 550


@pytest.mark.parametrize("make", [Own, Random, lambda: ArrayReader(X), lambda: reader_of(Own())])
def test_a_reader_that_keeps_the_contract_passes(make):
    check_reader(make())


@pytest.mark.parametrize("array", [X[:2], X[:1], np.where(X > 1, np.nan, X), X[:5].astype("U4")])
def test_few_rows_missing_numbers_and_text_pass(array):
    check_reader(ArrayReader(array))


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (
            ForgetsStart,
            "ForgetsStart: rows 8 to 16 were requested, but 16 rows were returned; "
            "iter_epoch must respect start and stop",
        ),
        (ForgetsToStop, "ForgetsToStop: rows 0 to 16 were requested, but 601 rows were returned"),
        (ShiftsStart, r"ShiftsStart: iter_epoch\(..., start=8\) does not begin with row 8"),
        (ForgetsTheBatchOfStart, "must return the batch of `start` if start_on_batch is True"),
        (AlwaysPartial, "must return whole batches only if allow_partial is False"),
        (Changes, "must return the same rows each time"),
        (
            Longer,
            "Longer: rows 202 to 606 were requested, but 399 rows were returned; "
            "iter_epoch must respect start and stop",
        ),
        (ReadsAnotherOrder, "must return the same rows from read, in the requested order"),
        (ReadsOtherRows, "must return the same slice from read"),
    ],
)
def test_each_broken_promise_is_reported(own, words):
    reader = own()
    # 601 is no multiple of a batch.
    reader.array = np.concatenate([X, X[:1] + 1])
    with pytest.raises(DataError, match=words):
        check_reader(reader)


def test_a_subclass_of_reader_that_ignores_start_is_reported_too():
    class Forgets(Reader):
        where, shape, dtype = "mine", X.shape, X.dtype
        read = Random.read
        array = X

        def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
            return super().iter_epoch(batch_size, 0, stop, start_on_batch, allow_partial)

    with pytest.raises(DataError, match="mine: a reader must return the rows from `start` on"):
        check_reader(Forgets())


@pytest.mark.parametrize("rows", [slice(0, 5), slice(250, 530), slice(595, 900), np.array([599, 0, 300, 300])])
@pytest.mark.parametrize("own", [Own, Random])
def test_any_rows_are_read(own, rows):
    reader = UserReader(own())
    assert reader.shape == X.shape and reader.dtype == X.dtype
    assert np.array_equal(reader.read(rows), X[rows])


def test_no_rows_are_read_as_none():
    assert UserReader(Own()).read(np.array([], int)).shape == (0, 3)
    assert UserReader(Own()).read(slice(7, 7)).shape == (0, 3)


def test_rows_of_another_shape_are_reported_with_their_batch():
    with pytest.raises(DataError, match=r"Ragged: batch 2 has rows of shape \(2,\); the first batch \(3,\)"):
        UserReader(Ragged()).read(slice(0, 600))


def test_rows_that_are_missing_are_reported():
    with pytest.raises(DataError, match="Ends: rows 512 to 600 were requested, but 38 rows were returned"):
        UserReader(Ends()).read(slice(512, 600))


def test_a_reader_that_yields_nothing_is_reported():
    class Nothing(Own):
        def __init__(self):
            super().__init__(X[:0])

    with pytest.raises(DataError, match="Nothing: iter_epoch yields no batch"):
        reader_of(Nothing())


def fit(reader, **settings):
    classifier = NNClassifier([["ClassificationOutputLayer"]], rng=1, batch_size=32, sgd_type="sgd")
    return classifier.fit(reader, Y, **({"n_epochs": 2} | settings))


@pytest.mark.parametrize(
    ("own", "words"), [(Ragged, "Ragged: batch 2 has rows of shape"), (Ends, "Ends: rows .* to 600 were requested")]
)
@pytest.mark.parametrize("n_workers", [0, 1])
def test_a_reader_that_fails_within_an_epoch_is_reported_by_fit(own, words, n_workers, monkeypatch):
    monkeypatch.setattr(order_module, "BLOCK_BYTES", 256 * 12)
    # The fingerprint reads all rows before.
    with pytest.raises(DataError, match=words):
        fit(own(), n_workers=n_workers)


def test_without_shuffle_a_reader_trains_as_its_array():
    from_reader, from_array = fit(Own(), shuffle=False), fit(X, shuffle=False)
    assert all(np.array_equal(from_reader.params[name], from_array.params[name]) for name in from_array.params)
