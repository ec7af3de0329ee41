"""Rows of Parquet files: what was written comes back, from anywhere; errors are reported with their column."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

from arignote import DataError
from arignote.data.readers.parquet import ParquetReader
from arignote.data.readers.user_reader import check_reader

pa = pytest.importorskip("pyarrow", reason="Parquet is read with pyarrow")
pyarrow_parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet is read with pyarrow")


@pytest.fixture
def parquet(tmp_path):
    """A function that writes columns as Parquet."""

    def write(columns, **how):
        path = tmp_path / "table.parquet"
        pyarrow_parquet.write_table(pa.table(columns), path, **how)
        return path

    return write


def test_parquet_comes_back_exactly_by_row_groups(parquet):
    rng = np.random.default_rng(0)
    columns = {"a": rng.normal(size=1000), "b": rng.integers(-9, 9, 1000), "note": [f"line {i}" for i in range(1000)]}
    expected = np.stack([columns["b"], columns["a"]], axis=1)
    reader = ParquetReader(parquet(columns, row_group_size=300), ["b", "a"])
    assert reader.shape == (1000, 2) and reader.chunk_rows == 300 and reader.dtype == np.float64
    rows = np.random.default_rng(1).integers(0, 1000, 200)
    assert np.array_equal(reader.read(rows), expected[rows])
    assert np.array_equal(reader.read(slice(250, 650)), expected[250:650])
    assert reader.stamp() == (reader.path.stat().st_size, reader.path.stat().st_mtime_ns)


def test_a_parquet_reader_keeps_the_contract(parquet):
    path = parquet(
        {"x.y": np.arange(20, dtype=np.float32), "f": list("abcd") * 5, "g": [[i, i + 1] for i in range(20)]},
        row_group_size=7,
    )
    for columns in ("x.y", "f", "g", ["g", "x.y"]):
        check_reader(ParquetReader(path, columns))
    assert ParquetReader(path, "x.y").dtype == np.float32
    assert ParquetReader(path, ["g", "x.y"]).read(np.array([19])).tolist() == [[19, 20, 19]]


def test_row_groups_of_different_sizes_are_read_too(tmp_path):
    path, values = tmp_path / "odd.parquet", np.arange(10)
    with pyarrow_parquet.ParquetWriter(path, pa.table({"a": values}).schema) as file:
        for part in (values[:2], values[:0], values[2:9], values[9:]):
            file.write_table(pa.table({"a": part}))
    reader = ParquetReader(path, "a")
    assert reader.chunk_rows == 4096 and reader.shape == (10,)
    assert reader.read(np.array([9, 0, 2, 1, 8])).tolist() == [9, 0, 2, 1, 8]
    check_reader(reader)


def test_strings_categories_and_missing_values_of_parquet(parquet):
    path = parquet(
        {
            "name": pa.array(["b", None, "a"]),
            "kind": pa.array(["b", "a", "b"]).dictionary_encode(),
            "n": pa.array([1, None, 3]),
            "yes": pa.array([True, None, False]),
            "part": pa.array([0.5, None, 1.5], pa.float32()),
        }
    )
    first, missing, last = ParquetReader(path, "name").read(slice(0, 3)).tolist()
    assert (first, last) == ("b", "a") and np.isnan(missing)
    assert ParquetReader(path, "kind").read(slice(0, 3)).tolist() == ["b", "a", "b"]
    assert ParquetReader(path, "part").dtype == np.float32
    found = ParquetReader(path, ["n", "yes", "part"]).read(slice(0, 3))
    assert np.array_equal(found, [[1, 1, 0.5], [np.nan] * 3, [3, 0, 1.5]], equal_nan=True)


def test_lists_of_one_length_are_rows(parquet):
    table = np.arange(24, dtype=np.float32).reshape(12, 2)
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(table.ravel()), 2)
    path = parquet({"fixed": fixed, "free": list(table)}, row_group_size=5)
    for name in ("fixed", "free"):
        reader = ParquetReader(path, name)
        assert reader.shape == (12, 2) and reader.dtype == np.float32
        assert np.array_equal(reader.read(slice(3, 11)), table[3:11])


def test_a_parquet_without_statistics_is_taken_to_miss_values(parquet):
    assert ParquetReader(parquet({"a": [1, 2]}, write_statistics=False), "a").dtype == np.float64
    assert ParquetReader(parquet({"a": [1, 2]}), "a").dtype == np.int64


@pytest.mark.parametrize(
    "values, columns, message",
    [
        ([[1, 2], [3]], "a", r"column 'a': row 1 holds 1 values, row 0 2"),
        ([[1, 2], None], "a", "row 1 holds no list, row 0 2"),
        ([None, [1, 2]], "a", "row 0 holds no list of numbers"),
        ([[[1], [2]]], "a", r"column 'a' holds lists of list<.*, not of numbers"),
        ([{"b": 1}], "a", "holds struct<b: int64>, not numbers"),
        (["x"], ["a"], "holds strings: leave it out, or encode it with preprocess"),
        ([["x", "y"]], "a", "holds lists of string, not of numbers"),
        (np.array(["2020-01-01"], "M8[ms]"), "a", r"holds timestamp\[ms\], not numbers"),
        ([1], "ab", "no column 'ab'.*There are: a"),
        (np.zeros(0), "a", "holds no rows"),
    ],
)
def test_errors_of_a_parquet_are_reported_with_their_column(parquet, values, columns, message):
    path = parquet({"a": values})
    with pytest.raises(DataError, match=message) as error:
        reader = ParquetReader(path, columns)
        reader.read(slice(0, len(reader)))
    assert str(path) in str(error.value)


def test_a_truncated_or_damaged_parquet_is_reported(parquet):
    path = parquet({"a": np.random.default_rng(0).normal(size=1000)}, compression="snappy", use_dictionary=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(DataError, match="broken or truncated"):
        ParquetReader(path)
    path.write_bytes(whole[:4] + bytes(200) + whole[204:])
    with pytest.raises(DataError, match="broken or truncated"):
        ParquetReader(path).read(slice(0, 1))


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        ParquetReader(tmp_path / "none")


def test_a_reader_can_be_sent_to_another_process(parquet):
    reader = ParquetReader(parquet({"a": [1, 2]}), "a")
    assert pickle.loads(pickle.dumps(reader)).read(slice(0, 2)).tolist() == [1, 2]


def test_a_missing_package_is_reported_with_the_command_that_installs_it(parquet, monkeypatch):
    path = parquet({"a": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match=r"pip install 'arignote\[tables\]'"):
        ParquetReader(path)
