"""Metadata of HDF5 files: filters that are missing, and attributes that name code, of which none is run."""

from __future__ import annotations

import pickle
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
from hdf_tables import whole, write_panel
from strangers import Hostile

from arignote import DataError
from arignote.data.readers.hdf import open_table, tables_of

# pandas warns that it will pickle objects, which is what is wanted here.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.PerformanceWarning")
RNG = np.random.default_rng(0)


def test_a_missing_filter_is_reported_with_what_to_install(tmp_path, monkeypatch):
    tables = pytest.importorskip("tables")
    with tables.open_file(str(tmp_path / "a.h5"), "w") as file:
        file.create_carray("/", "x", obj=np.zeros((100, 3)), filters=tables.Filters(5, "blosc"))
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: False)
    with (
        h5py.File(tmp_path / "a.h5") as file,
        pytest.raises(DataError, match=r"/x: is compressed with blosc \(HDF5 filter 32001\).*pip install hdf5plugin"),
    ):
        open_table(file, "x")


def test_an_attribute_that_names_code_is_refused_where_needed_and_left_alone_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = RNG.random((3, 1, 2, 2))
    write_panel(tmp_path / "a.h5", images)
    hostile = np.bytes_(pickle.dumps(Hostile(), protocol=0))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.attrs["hostile"] = file["images"].attrs["info"] = file["images/table"].attrs["labels_meta"] = hostile
        file["images"].attrs["data_columns"] = hostile
        file["plain"] = np.zeros(2)
        file["plain"].attrs["shape"] = hostile
        assert tables_of(file) == ["/images", "/plain"]
        assert np.array_equal(whole(file, "images"), images) and open_table(file, "plain").shape == (2,)
        file["images"].attrs["non_index_axes"] = hostile
        with pytest.raises(DataError, match=r"a.h5: /images: 'non_index_axes' names \w+.mkdir.*nothing was run"):
            open_table(file, "images")
        file["images"].attrs["non_index_axes"] = np.bytes_(b"(lp0\n(I1")
        with pytest.raises(DataError, match=r"a.h5: /images: 'non_index_axes' is truncated"):
            open_table(file, "images")
        del file["images"].attrs["non_index_axes"]
        with pytest.raises(DataError, match=r"a.h5: /images: the attribute 'non_index_axes' is missing"):
            open_table(file, "images")
        del file["images/table"]
        with pytest.raises(DataError, match=r"a.h5: /images: 'table' is missing: was the file only partly written"):
            open_table(file, "images")
    assert not (tmp_path / "made-by-a-pickle").exists()


def test_strings_pickled_by_pandas_run_nothing(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = store(words=(pd.Series(["a", "b"]), "fixed")).filename
    with h5py.File(path, "r") as file:
        assert whole(file, "words").tolist() == ["a", "b"]
    # A copy: h5py still has the first file open.
    with h5py.File(path, "r") as file, h5py.File(tmp_path / "b.h5", "w") as other:
        file.copy("words", other)
        other["words/values"][0] = np.frombuffer(pickle.dumps(Hostile()), "u1")
        with pytest.raises(DataError, match=r"b.h5: /words/values: 'values' names \w+.mkdir.*nothing was run"):
            open_table(other, "words")
    assert not (tmp_path / "made-by-a-pickle").exists()
