"""Rows: what the network sees of a reader, which rows were chosen, and what they are known by."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import arignote.data.rows as rows_module
from arignote import DataError, NNClassifier
from arignote.data import Data
from arignote.data.reader import ArrayReader, Reader
from arignote.data.rows import rows_of

X = np.arange(60, dtype=np.float32).reshape(20, 3)
Y = np.arange(20) % 2


class Chunked(Reader):
    """An array as if it lay in chunks of a file; counts what is read."""

    def __init__(self, array, chunk_rows=4):
        self.array, self.chunk_rows, self.where, self.n_read = array, chunk_rows, "data.h5:/x", 0
        self.shape, self.dtype = array.shape, array.dtype

    def read(self, rows):
        found = self.array[rows]
        self.n_read += len(found)
        return found


class Endless(Reader):
    """More rows than fit into memory, each made of its number."""

    where, chunk_rows = "endless", 1000

    def __init__(self, n_rows, other=()):
        self.shape, self.dtype, self.other, self.n_read = (n_rows, 3), np.dtype(np.float32), other, 0

    def read(self, rows):
        numbers = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else rows
        self.n_read += len(numbers)
        found = np.repeat(numbers.astype(np.float32)[:, None], 3, axis=1)
        found[np.isin(numbers, self.other)] = -1
        return found


@pytest.mark.parametrize("make", [ArrayReader, Chunked])
def test_a_part_of_a_part_is_rows_of_the_whole(make):
    rows = rows_of(make(X), Y).take(np.array([15, 3, 9, 0])).take(np.array([2, 0]))
    assert np.array_equal(rows.features(slice(0, 2)), X[[9, 15]]) and np.array_equal(rows.y, Y[[9, 15]])
    assert np.array_equal(rows.features(np.array([1, 1, 0])), X[[15, 15, 9]])
    assert len(rows) == 2 and rows.n_in == (3,)


@pytest.mark.parametrize("make", [np.asarray, Chunked])
@pytest.mark.parametrize(("start", "stop"), [(0, None), (5, 12), (5, None), (-4, None), (3, 900)])
def test_a_window_of_data_is_that_of_a_list(make, start, stop):
    rows = rows_of(Data(make(X), Y, start=start, stop=stop))
    assert np.array_equal(rows.features(slice(0, len(rows))), X[start:stop]) and np.array_equal(rows.y, Y[start:stop])
    assert np.array_equal(rows.take(np.array([1, 0])).features(slice(0, 2)), X[start:stop][[1, 0]])


@pytest.mark.parametrize("make", [np.asarray, Chunked])
def test_a_window_without_rows_is_told(make):
    with pytest.raises(DataError, match="X is empty"):
        rows_of(Data(make(X), Y, start=20))


def test_labels_that_are_as_many_as_the_window_but_not_as_the_rows_are_told():
    with pytest.raises(DataError, match="X has 15 rows, its labels 10; they must be as many"):
        rows_of(Data(Chunked(X), Y[:15], start=5))


@pytest.mark.parametrize(("axes", "shape"), [("NHWC", (20, 4, 5, 3)), ("NHW", (20, 4, 5)), ("NCHW", (20, 3, 4, 5))])
def test_channels_come_first_whatever_the_axes(axes, shape):
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    seen = rows_of(Chunked(images), Y, axes=axes).features(slice(3, 9))
    wanted = {"NHWC": images.transpose(0, 3, 1, 2) if len(shape) == 4 else None, "NHW": images[:, None]}
    assert np.array_equal(seen, wanted.get(axes, images)[3:9])
    assert seen.flags.c_contiguous
    assert np.array_equal(np.concatenate(list(rows_of(images, axes=axes).blocks()))[3:9], seen)


def test_axes_that_are_not_as_many_as_those_of_the_data_are_told():
    with pytest.raises(DataError, match=r"X has the shape \(20, 3\); axes 'NHWC' name 4 axes"):
        rows_of(X, Y, axes="NHWC")


def test_the_axes_of_data_come_before_those_of_the_fit():
    assert rows_of(Data(np.zeros((4, 5, 6)), axes="NHW"), axes="NCHW").n_in == (1, 5, 6)


def test_blocks_are_all_rows_no_larger_than_they_may_be(monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK_BYTES", 5 * 12)
    blocks = list(rows_of(Chunked(X), Y).take(np.arange(1, 20)).blocks())
    assert [len(block) for block in blocks] == [5, 5, 5, 4]
    assert np.array_equal(np.concatenate(blocks), X[1:])


def test_a_function_that_works_in_place_leaves_the_data_alone():
    def halve(x):
        x /= 2
        return x

    given = X.copy()
    rows = rows_of(Data(given, Y, alter_features=halve))
    assert np.array_equal(rows.features(slice(0, 20)), X / 2)
    assert np.array_equal(rows.features(slice(0, 20)), X / 2)
    assert np.array_equal(given, X)


def test_labels_are_altered_once_and_for_all():
    assert np.array_equal(rows_of(Data(X, Y, alter_labels=lambda y: y + 1, start=4)).y, Y[4:] + 1)


def test_data_that_may_not_be_written_is_trained_on_and_predicted(tmp_path):
    np.save(tmp_path / "x.npy", X / 60)
    path = str(tmp_path / "x.npy")
    fitted = NNClassifier([["ClassificationOutputLayer"]], rng=1, n_epochs=1, shuffle=False, batch_size=8)
    fitted.fit(path, Y, valid=(path, Y))
    frozen = X / 60
    frozen.flags.writeable = False
    assert np.array_equal(fitted.predict_proba(path), fitted.predict_proba(frozen))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_told_with_file_and_row(value):
    bad = X.copy()
    bad[13, 2] = value
    rows = rows_of(Chunked(bad), Y).take(np.array([2, 13, 5, 7]))
    assert rows.features(np.array([0, 2])).shape == (2, 3)
    for asked in (slice(0, 4), np.array([3, 1])):
        with pytest.raises(DataError, match=rf"data.h5:/x row 13 holds {value}; clean the data"):
            rows.features(asked)
    with pytest.raises(DataError, match=rf"X row 13 holds {value}"):
        rows_of(bad, Y)
    lenient = rows_of(Chunked(bad), Y, allow_nonfinite=True).features(slice(12, 14))
    assert np.array_equal(lenient, bad[12:14], equal_nan=True)


def test_a_reader_that_gives_too_few_rows_is_told():
    class Short(Chunked):
        def read(self, rows):
            return super().read(rows)[:-1]

    with pytest.raises(DataError, match=r"data.h5:/x: 3 rows were asked for, and 2 came"):
        rows_of(Short(X), Y).features(slice(4, 7))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.array([["a", "b"]]), "X must be numbers"),
        (np.array([[1, "a"]], dtype=object), r"X must be numbers; got objects"),
        (np.zeros(4), r"reshape\(-1, 1\)"),
        (np.zeros(()), "got a single number"),
        (np.zeros((0, 3)), "X is empty"),
        (np.zeros((3, 0)), "X is empty"),
        (np.zeros((2, 2), complex), "X must be numbers; got complex128"),
    ],
)
def test_features_that_are_no_rows_of_numbers_are_told(x, words):
    with pytest.raises(DataError, match=words):
        rows_of(x, np.zeros(len(x) if x.ndim else 1))


def test_labels_come_as_array_column_reader_path_or_dataset(tmp_path):
    np.save(tmp_path / "y.npy", Y)
    pairs = [(row, int(label)) for row, label in zip(X, Y, strict=True)]

    class Dataset:
        def __len__(self):
            return len(pairs)

        def __getitem__(self, row):
            return pairs[row]

    given = [Y, Y[:, None], Y.tolist(), Chunked(Y), str(tmp_path / "y.npy"), tmp_path / "y.npy", pd.Series(Y)]
    found = [rows_of(X, y) for y in given] + [rows_of((X, Y)), rows_of({"x": X, "labels": Y}), rows_of(Dataset())]
    for rows in found:
        assert np.array_equal(rows.y, Y) and np.array_equal(rows.features(slice(0, 20)), X)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.eye(2)[Y], r"one-hot, of shape \(20, 2\)"),
        (np.where(Y == 1, np.nan, 0), "label of X row 1 is not finite"),
        (np.linspace(0, 1, 20), "continuous numbers"),
        (np.array([None if label else "a" for label in Y], dtype=object), "label of X row 1 is missing"),
        (pd.Series(["a", None] * 10, dtype="string"), "label of X row 1 is missing"),
        (Y[:-1], "X has 20 rows, its labels 19"),
    ],
)
def test_labels_that_are_none_are_told(y, words):
    with pytest.raises(DataError, match=words):
        rows_of(X, y)


def test_the_network_sees_the_channel_that_is_named():
    channels = {"left": X, "right": X + 1, "target": Y}
    assert np.array_equal(rows_of(channels, channel="right").features(slice(0, 2)), X[:2] + 1)
    assert np.array_equal(rows_of({"left": Chunked(X), "y": Chunked(X)}, Y, channel="y").features(slice(0, 20)), X)
    with pytest.raises(DataError, match=r"channels left, right; name one of them .* got None"):
        rows_of(channels)
    with pytest.raises(DataError, match="got 'middle'"):
        rows_of(channels, channel="middle")
    for none in ({"labels": Y}, {}):
        with pytest.raises(DataError, match="X has no channel of features"):
            rows_of(none)


def test_equal_data_has_an_equal_fingerprint_and_other_data_another():
    def of(x, y=Y, index=None):
        rows = rows_of(x, y)
        return rows.fingerprint() if index is None else rows.take(np.array(index)).fingerprint()

    other_x, other_y = X.copy(), Y.copy()
    other_x[19, 2] += 1
    other_y[19] = 0
    for make in (np.array, Chunked):
        assert of(make(X)) == of(make(X.copy()))
        assert of(make(X), index=[4, 2]) == of(make(X), index=[4, 2])
        differing = [
            of(make(X)),
            of(make(other_x)),
            of(make(X), other_y),
            of(make(X[:, ::-1])),
            of(make(X.astype(np.float64))),
            of(make(X.reshape(20, 3, 1))),
            of(make(X), index=[4, 2]),
            of(make(X), index=[2, 4]),
        ]
        assert all(one != other for at, one in enumerate(differing) for other in differing[:at])
    assert of(np.asfortranarray(X)) == of(X)


def test_of_data_larger_than_memory_a_fixed_sample_is_known():
    n_rows = 100_000_000
    reader = Endless(n_rows)
    digest = rows_of(reader).fingerprint()["features"]["sha256"]
    assert reader.n_read == 64 * 1000
    assert rows_of(Endless(n_rows)).fingerprint()["features"]["sha256"] == digest
    for row in (0, 999, n_rows - 1):
        assert rows_of(Endless(n_rows, [row])).fingerprint()["features"]["sha256"] != digest
    assert rows_of(Endless(n_rows + 1)).fingerprint()["features"]["sha256"] != digest


def test_a_sample_is_taken_of_a_large_array_too(monkeypatch):
    monkeypatch.setattr(rows_module, "IN_MEMORY", 9000)

    def digest(array, index):
        rows = rows_of(array) if index is None else rows_of(array).take(index)
        return rows.fingerprint()["features"]["sha256"]

    array = np.zeros((10_000, 1), np.uint8)
    seen = []
    for row in range(9_990, 10_000):
        changed = array.copy()
        changed[row] = 1
        for index in (None, np.arange(9_999, -1, -1)):
            assert digest(changed, index) == digest(changed.copy(), index)
            seen.append(digest(changed, index) != digest(array, index))
    assert all(seen[-2:]) and not all(seen)
