"""Files of data are recognised by their first bytes."""

from __future__ import annotations

import zipfile

import h5py
import numpy as np
import pytest

from arignote.safe.file_kinds import HDF5, kind_of_file


def test_each_kind_of_file_is_recognised_whatever_its_name(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    h5py.File(tmp_path / "table.h5", "w").close()
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.writestr("a.txt", "text")
    expected = {
        "array.npy": "a NumPy array",
        "arrays.npz": "a zip or npz archive",
        "table.h5": "an HDF5 file",
        "more.zip": "a zip or npz archive",
    }
    for name, kind in expected.items():
        path = (tmp_path / name).rename(tmp_path / "config.yaml")
        assert kind_of_file(path) == kind


def test_a_parquet_file_is_recognised(tmp_path):
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame({"a": [1.0]}).to_parquet(tmp_path / "t")
    assert kind_of_file(tmp_path / "t") == "a Parquet file"


def test_text_a_file_that_is_missing_and_one_that_is_empty_are_of_no_kind(tmp_path):
    (tmp_path / "a.yaml").write_text("layers: []")
    (tmp_path / "empty").touch()
    assert [kind_of_file(tmp_path / name) for name in ("a.yaml", "empty", "missing")] == [None] * 3
    assert kind_of_file(tmp_path) == "a folder"


def test_a_table_in_hdf5_with_the_ending_of_text_is_recognised(tmp_path):
    h5py.File(tmp_path / "t.data", "w").close()
    (tmp_path / "u.data").write_text("1 2\n")
    assert kind_of_file(tmp_path / "t.data") == HDF5 and kind_of_file(tmp_path / "u.data") is None
