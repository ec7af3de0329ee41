"""The rows of all parts as one: which they are, in which order, and that each is as the network sees it in its part."""

from __future__ import annotations

import numpy as np
import pytest
from chunked_rows import Chunked
from strangers import Forward

from arignote.data import ArrayReader, Data
from arignote.data.epoch.all_rows import all_rows
from arignote.data.epoch.order import order_of
from arignote.data.inputs import Input
from arignote.data.prepare.fit_data import FitData
from arignote.data.prepare.prepared import prepare
from arignote.data.settings import DataSettings

RNG = np.random.default_rng(2)
# Each row is its own number.
X = (10 * np.arange(30)[:, None] + np.arange(2)).astype(np.float32)
Y = np.arange(30) % 3
OWN, OWN_Y = 1000 + X[:8], Y[:8]
STANDARDISED = [["Standardise", {}]]


def joined(x=X, y=Y, valid=None, test=None, settings=None, **more):
    data = prepare(FitData(x, y, valid, test, **more), DataSettings(**{"batch_size": 5} | (settings or {})), seed=1)
    return data, *all_rows(data)


def whole(rows):
    return rows.features(slice(0, len(rows)))


CASES = {
    "an array": lambda x: x,
    "chunks of a file": Chunked,
    "a reader that goes forwards only": Forward,
}


@pytest.mark.parametrize("source", CASES)
@pytest.mark.parametrize("own", [False, True])
def test_they_are_those_of_train_valid_and_test_in_this_order(source, own):
    x = CASES[source](X)
    test = (CASES[source](OWN), OWN_Y) if own else [7, 3, 4]
    data, rows, y = joined(x, valid=0.2, test=test, settings={"preprocess": STANDARDISED})
    parts = [data.subsets[name] for name in ("train", "valid", "test")]
    expected = np.concatenate([whole(part) for part, _ in parts])
    assert np.array_equal(whole(rows), expected) and len(rows) == len(expected) == (38 if own else 30)
    assert np.array_equal(y, np.concatenate([encoded for _, encoded in parts]))
    # The preprocessing is that of the training rows alone.
    numbers = np.setdiff1d(np.arange(30), data.subsets["valid"][0].index) if own else data.subsets["train"][0].index
    assert np.allclose(expected[: len(numbers)].mean(axis=0), 0, atol=1e-6)
    some = np.array([len(rows) - 1, 0, 12, 29])
    assert np.array_equal(rows.features(some), expected[some])
    assert np.array_equal(rows.features(slice(20, 29)), expected[20:29])


@pytest.mark.parametrize("source", CASES)
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_an_epoch_has_each_of_them_once(source, own, shuffle):
    x = CASES[source](X)
    _, rows, _ = joined(x, valid=0.2, test=(CASES[source](OWN), OWN_Y) if own else 0.1)
    positions, _ = order_of(rows, shuffle).of_epoch(3, 0)
    positions = np.arange(len(rows)) if positions is None else positions
    assert np.array_equal(np.sort(positions), np.arange(len(rows)))
    assert len(np.unique(rows.features(positions)[:, 0])) == len(rows)
    assert (positions.tolist() != sorted(positions)) == shuffle


def test_rows_of_one_file_that_lie_in_one_chunk_are_read_together():
    _, rows, _ = joined(Chunked(X), valid=0.2, test=0.1)
    order = order_of(rows, True)
    assert [sorted(rows.index[chunk]) for chunk in order.chunks] == [
        list(range(n, min(n + 4, 30))) for n in range(0, 30, 4)
    ]


def test_parts_may_differ_in_type_axes_and_alteration():
    images = RNG.integers(0, 255, size=(12, 4, 5, 3)).astype(np.int16)
    first = RNG.normal(size=(6, 3, 4, 5))
    x = Data(images, Y[:12], axes="NHWC", alter_features=lambda batch: batch + 1)
    _, rows, _ = joined(x, None, valid=(first, Y[:6]))
    assert rows.features(slice(0, 1)).dtype == np.float32
    expected = np.concatenate([np.moveaxis(images, -1, 1).astype(np.float32) + 1, first.astype(np.float32)])
    assert np.array_equal(whole(rows), expected)
    # What a function alters need not be the same in each epoch: it is not kept on a device.
    assert not rows.reader.in_memory


def test_windows_of_one_reader_that_are_altered_in_other_ways_are_not_taken_for_one_another():
    reader = ArrayReader(X)
    _, rows, _ = joined(
        Data(reader, Y, stop=20), None, valid=Data(reader, Y, start=20, alter_features=lambda batch: -batch)
    )
    assert np.array_equal(whole(rows), np.concatenate([X[:20], -X[20:]]))


def test_channels_stay_fields():
    inputs = (Input("a"), Input("b"))
    a, b = X, np.arange(30)[:, None] / 2
    _, rows, y = joined(
        {"a": a, "b": b}, valid=0.2, test=({"a": OWN, "b": b[:8].astype(np.float32)}, OWN_Y), inputs=inputs
    )
    found = whole(rows)
    assert found.dtype.names == ("a", "b") and len(found) == len(y) == 38
    assert np.array_equal(np.sort(found["a"][:30, 0]), a[:, 0]) and np.array_equal(found["a"][30:], OWN)
    assert np.array_equal(found["b"][:30, 0], found["a"][:30, 0] / 20) and np.array_equal(found["b"][30:], b[:8])


def test_rows_without_a_target_are_left_out_of_every_part():
    from arignote.data.targets import Numbers, Targets

    targets = Targets({"out": Numbers(missing_targets=True, scale_target=False)}, "out")
    y = np.arange(30.0)
    y[[2, 9, 25]] = np.nan
    weights = np.arange(1.0, 31.0)
    data, rows, encoded = joined(y=y, valid=[8, 9], test=[25, 26], targets=targets, sample_weight=weights)
    numbers = [n for n in range(30) if n not in (2, 8, 9, 25, 26)] + [8, 26]
    assert np.array_equal(whole(rows)[:, 0], 10 * np.array(numbers)) and encoded[:, 0].tolist() == numbers
    assert np.allclose(data.all_weights, weights[numbers] / weights[numbers].mean())
    assert np.allclose(data.weights, weights[numbers[:-2]] / weights[numbers[:-2]].mean())


def test_there_are_no_weights_of_all_rows_if_some_have_none():
    data, *_ = joined(valid=(OWN, OWN_Y), sample_weight=np.ones(30))
    assert data.weights is not None and data.all_weights is None
    data, *_ = joined(valid=(OWN, OWN_Y), settings={"class_weight": {0: 2.0}})
    of_row = np.where(np.concatenate([Y, OWN_Y]) == 0, 2.0, 1.0)
    assert np.allclose(data.all_weights, of_row / of_row.mean())
