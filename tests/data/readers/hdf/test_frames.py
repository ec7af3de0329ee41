"""Series and frames of pandas in HDF5, in both formats, come back as they were written."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
from hdf_tables import FRAME, MIXED, whole

from arignote import DataError
from arignote.data.readers.hdf import open_table, tables_of

# pandas warns that it will pickle objects, which is what is wanted here.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.PerformanceWarning")


@pytest.mark.parametrize("kind", ["fixed", "table"])
def test_frames_of_todays_pandas_come_back(store, kind):
    whole_numbers = pd.DataFrame(np.arange(100, dtype="int16").reshape(50, 2), columns=[10, 20])
    flags = MIXED.assign(e=MIXED.a % 2 == 0)
    file = store(frame=(FRAME, kind), mixed=(MIXED, kind), whole=(whole_numbers, kind), flags=(flags, kind))
    assert tables_of(file) == ["/flags", "/frame", "/mixed", "/whole"]
    for name, frame in (("frame", FRAME), ("mixed", MIXED), ("whole", whole_numbers)):
        found = whole(file, name)
        assert np.array_equal(found, frame.to_numpy()) and found.dtype == frame.to_numpy().dtype
    assert np.array_equal(whole(file, "flags"), flags.astype(float).to_numpy())
    assert open_table(file, "mixed").names == list("abcd") and open_table(file, "whole").names == ["10", "20"]
    assert np.array_equal(whole(file, "mixed", columns=["d", "a"]), MIXED[["d", "a"]].to_numpy())
    assert whole(file, "mixed", columns=["a", "c"]).dtype == np.int64
    assert whole(file, "flags", columns="e").dtype == bool
    with pytest.raises(DataError, match=r"/mixed: has no column 'aa'. Did you mean 'a'"):
        open_table(file, "mixed", columns=["aa"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fixed", "table"])
def test_series_come_back_with_their_strings_and_gaps(store, kind):
    words = [*["a", "bé"] * 10, np.nan, "c"]
    series = {
        "numbers": pd.Series(np.arange(22)),
        "named": pd.Series(np.arange(22.0), name="y"),
        "flags": pd.Series(np.arange(22) % 2 == 0),
        "words": pd.Series(words),
        "objects": pd.Series(words, dtype=object),
    }
    if kind == "table":
        series["categories"] = pd.Series(words, dtype="category")
        series["grades"] = pd.Series([30, 10, 20] * 7, dtype="category", name="y")
    file = store(**{name: (value, kind) for name, value in series.items()})
    assert tables_of(file) == sorted(f"/{name}" for name in series)
    for name, value in series.items():
        found = whole(file, name)
        assert pd.Series(found).equals(pd.Series(value.to_numpy())) and found.dtype == value.to_numpy().dtype


def test_data_columns_appends_and_packing_change_nothing(tmp_path):
    pytest.importorskip("tables")
    pytest.importorskip("hdf5plugin")
    with pd.HDFStore(tmp_path / "a.h5", complib="blosc", complevel=5) as file:
        for start in range(0, 50, 20):
            file.append("deep/frame", MIXED[start : start + 20], data_columns=["c", "a"])
    with h5py.File(tmp_path / "a.h5") as file:
        assert tables_of(file) == ["/deep/frame"]
        assert np.array_equal(whole(file, "deep/frame"), MIXED.to_numpy())


@pytest.mark.parametrize("kind", ["fixed", "table"])
def test_values_that_are_not_numbers_are_named(store, kind):
    words = FRAME.assign(name="x", other="y")
    when = FRAME.assign(day=pd.date_range("2020-01-01", periods=50))
    pairs = FRAME.set_index([np.arange(50), np.arange(50)])
    crossed = FRAME.set_axis(pd.MultiIndex.from_tuples([(1, 2), (1, 3), (2, 1)]), axis=1)
    file = store(words=(words, kind), when=(when, kind), pairs=(pairs, kind), crossed=(crossed, kind))
    with pytest.raises(DataError, match=r"/words: column 'name' holds strings.*Columns of numbers: a, b, c"):
        open_table(file, "words")
    assert np.array_equal(whole(file, "words", columns=["c", "a"]), FRAME[["c", "a"]].to_numpy())
    with pytest.raises(DataError, match=r"/when: column 'day' holds datetime64"):
        open_table(file, "when")
    for name in ("pairs", "crossed"):
        with pytest.raises(DataError, match=f"/{name}: has a MultiIndex, which is not read; save it after reset_index"):
            open_table(file, name)


def test_empty_frames_have_no_rows_and_their_columns(store):
    file = store(frame=(FRAME[:0], "fixed"), series=(pd.Series([], dtype="int64"), "fixed"))
    assert open_table(file, "frame").read(0, 9).shape == (0, 3)
    assert open_table(file, "series").shape == (0,)
