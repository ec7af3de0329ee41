"""Rows: what the network sees of a reader, which rows were chosen, and what they are known by."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from chunked_rows import Chunked

import arignote.data.rows.selection as rows_module
from arignote import ArignoteWarning, DataError, NNClassifier
from arignote.data import Data, get_reader
from arignote.data.inputs import Conversion, Input
from arignote.data.readers.base import ArrayReader, Reader
from arignote.data.rows.open_rows import rows_of
from arignote.data.rows.selection import Rows
from arignote.data.values.fields import ALONE

X = np.arange(60, dtype=np.float32).reshape(20, 3)
Y = np.arange(20) % 2


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


@pytest.mark.parametrize(("axes", "shape"), [("NHWC", (20, 4, 5, 3)), ("NHW", (20, 4, 5)), ("NCHW", (20, 3, 4, 5))])
def test_channels_come_first_whatever_the_axes(axes, shape):
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    seen = rows_of(Chunked(images), Y, axes=axes).features(slice(3, 9))
    wanted = {"NHWC": images.transpose(0, 3, 1, 2) if len(shape) == 4 else None, "NHW": images[:, None]}
    assert np.array_equal(seen, wanted.get(axes, images)[3:9])
    assert seen.flags.c_contiguous
    assert np.array_equal(np.concatenate(list(rows_of(images, axes=axes).blocks()))[3:9], seen)


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


def test_data_that_may_not_be_written_is_trained_on_and_predicted(tmp_path):
    np.save(tmp_path / "x.npy", X / 60)
    path = str(tmp_path / "x.npy")
    fitted = NNClassifier([["ClassificationOutputLayer"]], rng=1, n_epochs=1, shuffle=False, batch_size=8)
    fitted.fit(path, Y, valid=(path, Y))
    frozen = X / 60
    frozen.flags.writeable = False
    assert np.array_equal(fitted.predict_proba(path), fitted.predict_proba(frozen))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_reported_with_file_and_row(value):
    bad = X.copy()
    bad[13, 2] = value
    rows = rows_of(Chunked(bad), Y).take(np.array([2, 13, 5, 7]))
    assert rows.features(np.array([0, 2])).shape == (2, 3)
    for asked in (slice(0, 4), np.array([3, 1])):
        with pytest.raises(DataError, match=rf"data.h5:/x row 13 holds {value} in column 2; clean the data"):
            rows.features(asked)
    with pytest.raises(DataError, match=rf"X row 13 holds {value}"):
        rows_of(bad, Y)
    lenient = rows_of(Chunked(bad), Y, allow_nonfinite=True).features(slice(12, 14))
    assert np.array_equal(lenient, bad[12:14], equal_nan=True)


def test_a_reader_that_returns_too_few_rows_is_reported():
    class Short(Chunked):
        def read(self, rows):
            return super().read(rows)[:-1]

    with pytest.raises(DataError, match=r"data.h5:/x: 3 rows were requested, but 2 were returned"):
        rows_of(Short(X), Y).features(slice(4, 7))


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


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Recorded(Reader):
    """Rows of bytes that depend on their number; records the stretches that are read."""

    where = "recorded"

    def __init__(self, n_rows, chunk_rows, dtype="<f4", shape=(3,)):
        self.shape, self.dtype, self.chunk_rows, self.read_from = (n_rows, *shape), np.dtype(dtype), chunk_rows, []

    def read(self, rows):
        self.read_from.append((rows.start, rows.stop))
        return self.values(np.arange(rows.start, rows.stop))

    def values(self, numbers):
        found = np.multiply.outer(numbers + 1, np.ones(self.shape[1:]))
        return found.astype(self.dtype)


@pytest.mark.parametrize("make", [np.asarray, Chunked])
@pytest.mark.parametrize("dtype", ["<f4", "<f8", "u1", "<i2"])
def test_a_fingerprint_is_the_sha256_of_the_bytes_of_all_rows(make, dtype):
    x = X.astype(dtype)
    found = rows_of(make(x), Y).fingerprint()
    assert found == {
        "features": {"shape": [20, 3], "dtype": str(np.dtype(dtype)), "sha256": sha256(x.tobytes())},
        "labels": {"shape": [20], "dtype": "int64", "sha256": sha256(Y.tobytes())},
    }
    assert rows_of(make(x)).fingerprint()["labels"] is None


def test_a_fingerprint_of_some_rows_is_that_of_their_bytes_or_of_the_file_and_their_numbers():
    index = np.array([7, 2, 19])
    of_array, of_file = (rows_of(make(X), Y).take(index).fingerprint() for make in (np.asarray, Chunked))
    assert of_array["features"] == {"shape": [3, 3], "dtype": "float32", "sha256": sha256(X[index].tobytes())}
    assert of_file["features"] == {
        "shape": [3, 3],
        "dtype": "float32",
        "sha256": sha256(X.tobytes()),
        "rows": sha256(index.tobytes()),
    }
    assert of_array["labels"] == of_file["labels"]
    assert of_array["labels"] == {"shape": [3], "dtype": "int64", "sha256": sha256(Y[index].tobytes())}


def test_every_byte_of_features_and_labels_is_covered():
    whole = rows_of(X, Y).fingerprint()
    for at in range(X.nbytes):
        changed = X.copy()
        changed.view(np.uint8).reshape(-1)[at] ^= 1
        assert Rows(ArrayReader(changed), Y).fingerprint()["features"] != whole["features"]
        assert Rows(Chunked(changed), Y).fingerprint()["features"] != whole["features"]
    for at in range(len(Y)):
        changed = Y.copy()
        changed[at] ^= 1
        assert rows_of(X, changed).fingerprint()["labels"] != whole["labels"]


@pytest.mark.parametrize("n_rows", [4095, 4096, 4097, 10_000])
def test_more_rows_than_are_hashed_at_a_time_are_all_covered(n_rows):
    array = np.arange(n_rows, dtype=np.int32)[:, None]
    index = np.random.default_rng(0).permutation(n_rows)
    found = rows_of(array).take(index).fingerprint()["features"]["sha256"]
    assert found == sha256(array[index].tobytes())


def test_labels_that_are_objects_are_hashed_as_they_are_written():
    labels = np.array([3, "a", 3.5, "b"], dtype=object)
    found = Rows(ArrayReader(X[:4]), labels).fingerprint()["labels"]
    assert found == {"shape": [4], "dtype": "object", "sha256": sha256(b"[3, 'a', 3.5, 'b']")}
    rows = Rows(ArrayReader(labels[:, None]), index=np.array([3, 0]))
    assert rows.fingerprint()["features"]["sha256"] == sha256(b"[['b'], [3]]")
    assert Rows(Chunked(labels[:, None], 3)).fingerprint()["features"]["sha256"] == sha256(
        b"[[3], ['a'], [3.5]][['b']]"
    )


def test_of_more_than_256_megabytes_in_memory_4096_rows_from_first_to_last_are_covered():
    # A view that repeats one byte: 256,000,001 rows, which take no memory.
    many = np.broadcast_to(np.uint8(7), (256_000_001, 1))
    assert rows_of(many).fingerprint()["features"]["sha256"] == sha256(bytes([7]) * 4096)
    assert rows_of(many[:100_000]).fingerprint()["features"]["sha256"] == sha256(bytes([7]) * 100_000)
    assert rows_module.IN_MEMORY == 256_000_000


@pytest.mark.parametrize(("n_rows", "is_sampled"), [(9000, False), (9001, True), (20_000, True)])
def test_the_sample_of_an_array_is_spread_evenly_over_its_rows(n_rows, is_sampled, monkeypatch):
    monkeypatch.setattr(rows_module, "IN_MEMORY", 9000 * 6)
    array = np.arange(3 * n_rows, dtype=np.int16).reshape(n_rows, 3)
    chosen = [k * (n_rows - 1) // 4095 for k in range(4096)] if is_sampled else list(range(n_rows))
    assert rows_of(array).fingerprint()["features"]["sha256"] == sha256(array[chosen].tobytes())
    index = np.random.default_rng(0).permutation(n_rows)
    found = rows_of(array).take(index).fingerprint()["features"]["sha256"]
    assert found == sha256(array[index[chosen]].tobytes())
    # Of few rows of a large array, all are covered.
    few = rows_of(array).take(index[:8000]).fingerprint()["features"]["sha256"]
    assert few == sha256(array[index[:8000]].tobytes())


@pytest.mark.parametrize(
    ("n_rows", "chunk_rows", "n_read"), [(9000, 10, 900), (9001, 10, 64), (9001, None, 9), (100_000, 100, 64)]
)
def test_the_sample_of_a_file_is_64_whole_chunks_from_first_to_last(n_rows, chunk_rows, n_read, monkeypatch):
    monkeypatch.setattr(rows_module, "IN_MEMORY", 9000 * 12)
    reader = Recorded(n_rows, chunk_rows)
    found = Rows(reader).fingerprint()["features"]["sha256"]
    step = chunk_rows or 1024
    n_chunks = -(-n_rows // step)
    numbers = range(n_chunks) if n_rows == 9000 else [k * (n_chunks - 1) // 63 for k in range(64)]
    wanted = [(number * step, min(number * step + step, n_rows)) for number in numbers]
    assert reader.read_from == wanted and len(set(wanted)) == n_read
    assert found == sha256(b"".join(reader.values(np.arange(*stretch)).tobytes() for stretch in wanted))


def test_a_file_that_has_several_parts_is_read_once_for_their_fingerprints():
    reader, known = Recorded(40, 10), {}
    rows = Rows(reader)
    first = rows.take(np.array([1, 2])).fingerprint(known)
    second = rows.take(np.array([3, 4])).fingerprint(known)
    assert len(reader.read_from) == 4 and first["features"]["sha256"] == second["features"]["sha256"]
    other = Rows(Recorded(40, 20, dtype="<f8")).fingerprint(known)
    assert other["features"]["sha256"] != first["features"]["sha256"]


@pytest.mark.parametrize(
    ("shape", "dtype", "chunk_rows", "step"),
    # 32 MB: rows of 784 * 4 = 3136 bytes, of 3 * 64 * 64 * 8 = 98,304 bytes; and one chunk at least.
    [
        ((784,), "<f4", None, 10_204),
        ((784,), "<f4", 10_000, 10_204),
        ((784,), "<f4", 11_000, 11_000),
        ((3, 64, 64), "<f8", None, 325),
        ((40_000_000,), "u1", None, 1),
        ((1,), "u1", None, 32_000_000),
    ],
)
def test_blocks_have_32_megabytes_or_one_chunk(shape, dtype, chunk_rows, step):
    stretches = []

    class Asked(Recorded):
        def read(self, rows):
            stretches.append((rows.start, rows.stop))
            # As many rows as asked for, which take no memory.
            return np.broadcast_to(np.zeros((), dtype), (min(rows.stop, len(self)) - rows.start, *self.shape[1:]))

    rows = Rows(Asked(2 * step + 1, chunk_rows, dtype, shape), lenient=True)
    assert [len(block) for block in rows.blocks()] == [step, step, 1]
    assert [start for start, _ in stretches] == [0, step, 2 * step]


@pytest.mark.parametrize("make", [np.asarray, Chunked])
def test_float64_beyond_float32_is_refused_and_its_largest_number_accepted(make):
    largest = float(np.finfo(np.float32).max)
    x = np.zeros((20, 3))
    x[4, 1], x[5, 0] = largest, -largest
    assert rows_of(make(x)).features(slice(4, 6)).tolist() == [[0, largest, 0], [-largest, 0, 0]]
    for value in (2 * largest, -2 * largest):
        x[9] = [1.0, value, np.sign(value)]
        with pytest.raises(DataError, match=r"row 9 holds -?6.8.*e\+38 in column 1, which is too large for float32"):
            rows_of(make(x)).features(slice(8, 12))


def test_a_number_that_is_not_finite_is_found_among_all_axes_of_an_image():
    x = np.zeros((5, 2, 3, 4), np.float32)
    x[3, 1, 2, 3] = np.nan
    for make in (np.asarray, Chunked):
        with pytest.raises(DataError, match="row 3 holds nan"):
            rows_of(make(x)).features(slice(0, 5))


def test_axes_are_moved_to_channels_first():
    image = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    found = rows_of(image, axes="NHWC")
    assert found.n_in == (4, 2, 3)
    # Number 12 i + 4 j + c of the image stands at row i, column j, channel c.
    assert all(
        found.features(slice(0, 1))[0, c, i, j] == 12 * i + 4 * j + c
        for c in range(4)
        for i in range(2)
        for j in range(3)
    )
    assert rows_of(image, axes="NCHW").n_in == rows_of(image).n_in == (2, 3, 4)
    assert rows_of(image[0], axes="NHW").n_in == (1, 3, 4)


def test_rows_are_preprocessed_first_and_altered_then():
    rows = Rows(ArrayReader(X), conversions={ALONE: Conversion(preprocess=lambda x: x + 1)}, alter=lambda x: x * 2)
    found = rows.features(slice(0, 20))
    assert np.array_equal(found, (X + 1) * 2) and found.dtype == np.float32 and found.flags.c_contiguous


@pytest.mark.parametrize("axes", [None, "NHWC", "NHW"])
def test_preprocessing_and_alteration_see_channels_first(axes):
    seen = []

    def remember(x):
        seen.append(x.shape)
        return x.astype(np.float64)

    x = np.zeros((4, 5, 6, 3)) if axes == "NHWC" else np.zeros((4, 5, 6))
    conversions = {ALONE: Conversion(axes, preprocess=remember)}
    found = Rows(ArrayReader(x), conversions=conversions, alter=remember).features(slice(1, 3))
    shape = {None: (2, 5, 6), "NHWC": (2, 3, 5, 6), "NHW": (2, 1, 5, 6)}[axes]
    assert seen == [shape, shape] and found.shape == shape and found.dtype == np.float32 and found.flags.c_contiguous


@pytest.mark.parametrize("rows", [slice(0, 3), np.array([2, 0, 1])])
def test_features_may_be_written_without_changing_the_data(rows):
    frozen = X.copy()
    frozen.flags.writeable = False
    for given in (frozen, X.copy()):
        found = Rows(ArrayReader(given), alter=lambda x: np.multiply(x, 0, out=x)).features(rows)
        assert (found == 0).all() and np.array_equal(given, X)
    assert Rows(ArrayReader(frozen)).features(rows).flags.writeable


@pytest.mark.parametrize("index", [None, np.array([4, 9, 2, 7])])
def test_a_reader_that_returns_too_many_rows_is_reported(index):
    class Long(Chunked):
        def read(self, rows):
            found = super().read(rows)
            return np.concatenate([found, found[:1]])

    rows = Rows(Long(X), index=index)
    for asked in (slice(1, 3), np.array([0, 3])):
        with pytest.raises(DataError, match=r"2 rows were requested, but 3 were returned"):
            rows.features(asked)


@pytest.mark.parametrize("make", [np.asarray, Chunked])
@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.uint8, np.int64, np.bool_])
def test_features_are_float32_whatever_is_stored(make, dtype):
    x = (X % 2).astype(dtype)
    found = rows_of(make(x)).features(slice(0, 20))
    assert found.dtype == np.float32 and np.array_equal(found, X % 2)


def test_numbers_that_are_not_finite_are_refused_unless_allowed():
    bad = np.full((4, 1), np.nan, np.float32)
    with pytest.raises(DataError, match="row 0 holds nan"):
        Rows(Chunked(bad)).features(slice(0, 4))
    assert np.isnan(Rows(Chunked(bad), lenient=True).features(slice(0, 4))).all()


def test_the_shape_of_an_example_takes_one_row_to_find():
    reader = Chunked(X)
    assert Rows(reader).n_in == (3,) and reader.n_read == 1


def test_a_single_large_row_is_sampled_as_often_as_many_are(monkeypatch):
    monkeypatch.setattr(rows_module, "IN_MEMORY", 11)
    found = rows_of(X[:1]).fingerprint()["features"]["sha256"]
    assert found == sha256(X[0].tobytes() * 4096)
    monkeypatch.setattr(rows_module, "IN_MEMORY", 12)
    assert rows_of(X[:1]).fingerprint()["features"]["sha256"] == sha256(X[0].tobytes())


@pytest.mark.parametrize("rows", [slice(2, 9), slice(None)])
def test_features_that_are_float32_already_are_not_copied(rows):
    assert np.shares_memory(rows_of(X).features(rows), X)


@pytest.mark.parametrize(
    ("shape", "size", "fits"),
    [
        ((12,), (3, 2, 2), True),
        ((12,), (1, 3, 4), True),
        ((3, 4), (1, 3, 4), True),
        ((3, 4), (2, 3, 4), False),
        ((1, 4), (2, 1, 4), False),
        ((3, 4), (1, 4, 3), False),
        ((2, 3, 4), (2, 3, 4), False),
        ((12,), (1, 3, 5), False),
        ((12,), None, False),
    ],
)
def test_flat_rows_and_rows_without_a_channel_axis_become_images_of_the_size_given(shape, size, fits):
    x = np.arange(20.0 * np.prod(shape), dtype=np.float32).reshape(20, *shape)
    found = rows_of(x, inputs=[Input(image=size)])
    assert found.n_in == (size if fits else shape)
    # In the order of the memory: channel by channel, line by line.
    assert np.array_equal(found.features(slice(3, 5)).reshape(-1), x[3:5].reshape(-1))


def test_the_axes_of_images_come_before_their_size():
    images = np.zeros((2, 3, 4, 1), np.float32)
    for given, axes in ((images, "NHWC"), (images[..., 0], "NHW")):
        rows = rows_of(given, axes=axes, inputs=[Input(image=(1, 3, 4))])
        assert rows.conversions[ALONE].image is None and rows.n_in == (1, 3, 4)


@pytest.fixture
def table(tmp_path):
    """The path of a text table of two features, a group and a label."""
    pytest.importorskip("pandas", reason="tables are read with pandas")
    path = tmp_path / "t.csv"
    path.write_text("a,b,group,kind\n1,2,7,0\n3,4,7,1\n5,6,8,0\n")
    return path


def read_by(how, path):
    return {"str": str, "path": Path}[how](path) if how in ("str", "path") else get_reader(path, load=how == "loaded")


@pytest.mark.parametrize("how", ["str", "path", "loaded", "file"])
def test_columns_that_have_another_role_are_no_features(how, table):
    with pytest.warns(ArignoteWarning, match=r"left out of the features: 'group' \(groups\), 'kind' \(labels\)"):
        rows = rows_of(read_by(how, table), f"{table}:kind", others={"groups": f"{table}:group"})
    assert rows.features(slice(0, 3)).tolist() == [[1, 2], [3, 4], [5, 6]] and rows.y.tolist() == [0, 1, 0]
    # Without labels of their own, the roles that are given stay.
    with pytest.warns(ArignoteWarning, match=r"left out of the features: 'group' \(groups\)"):
        rows = rows_of(read_by(how, table), np.array([0, 1, 0]), others={"groups": f"{table}:group"})
    assert rows.n_in == (3,)


@pytest.mark.parametrize("how", ["str", "path", "loaded", "file"])
def test_columns_come_by_name_in_the_order_given(how, table):
    rows = rows_of(read_by(how, table), columns=("b", "a"))
    assert rows.features(slice(0, 3)).tolist() == [[2, 1], [4, 3], [6, 5]]


def test_the_format_of_a_text_table_is_that_given_for_features_and_labels(table, tmp_path):
    given = {"missing": ["1", "7"]}
    features = rows_of(f"{table}:a,b", csv=given, allow_nonfinite=True).features(slice(0, 3))
    assert np.array_equal(features, [[np.nan, 2], [3, 4], [5, 6]], equal_nan=True)
    with pytest.raises(DataError, match=r"label of \S+t\.csv:kind row 1 is missing"):
        rows_of(X[:3], f"{table}:kind", csv=given)
    # It does not apply to files of another kind.
    np.save(tmp_path / "y.npy", np.array([1, 0, 0]))
    assert rows_of(f"{table}:a,b", tmp_path / "y.npy", csv={"header": True}).y.tolist() == [1, 0, 0]


def test_labels_are_named_by_their_source(table):
    assert rows_of(X[:3], f"{table}:kind").labels_where == f"{table}:kind"
    assert rows_of(X, Chunked(Y)).labels_where == "data.h5:/x"
    assert rows_of(X, Y, what="valid").labels_where == "valid"


@pytest.mark.parametrize("load", [True, False])
def test_missing_numbers_of_a_table_are_reported_before_any_row_is_read_unless_they_are_allowed(load, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,\n3,4\n5,6\n")
    reader = get_reader(path, load=load)
    with pytest.raises(DataError, match=r"t\.csv row 0 holds nan in column 'b'\. Fill them in"):
        rows_of(reader)
    assert np.isnan(rows_of(reader, allow_nonfinite=True).features(slice(0, 1))[0, 1])
    # Rows outside of the window are not used.
    assert rows_of(Data(reader, start=1)).features(slice(0, 2)).tolist() == [[3, 4], [5, 6]]


def test_a_window_of_a_table_in_memory_keeps_its_columns_and_its_file(table):
    reader = get_reader(table)
    window = rows_of(Data(reader, start=1)).reader
    assert window.columns == ("a", "b", "group", "kind") and window.origin is reader.origin is not None
