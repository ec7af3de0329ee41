"""Tables of an HDF5 file: which there are, and arrays and tables of h5py and PyTables."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hdf_tables import whole

from arignote import DataError
from arignote.data.readers.hdf import open_table, tables_of

# pandas warns that it will pickle objects, which is what is wanted here.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.PerformanceWarning")
RNG = np.random.default_rng(0)


def test_plain_datasets_of_any_rank_come_back(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for rank in range(1, 6):
            file.create_dataset(f"deep/x{rank}", data=RNG.normal(size=(20, 2, 3, 1, 2)[:rank]), chunks=True)
        file["big"] = np.arange(20, dtype=">i4")
        file["flag"] = np.arange(20) % 2 == 0
        file["words"] = ["a", "bé"] * 10
        file["bytes"] = np.array([b"x", b"yz"] * 10)
        file["one"] = 3.0
        file["none"] = h5py.Empty("f4")
        file.create_dataset("ragged", (3,), h5py.vlen_dtype("f4"))
        file["group/inner/z"] = np.zeros(2)
        file["square"] = np.zeros((2, 3), [("a", "f4")])
        file["gone"] = h5py.SoftLink("/nowhere")
        names = ["/big", "/bytes", *(f"/deep/x{rank}" for rank in range(1, 6)), "/flag", "/group/inner/z", "/words"]
        assert tables_of(file) == names
        for rank in range(1, 6):
            assert np.array_equal(whole(file, f"/deep/x{rank}"), file[f"deep/x{rank}"])
        table = open_table(file, "deep/x3")
        assert table.chunk_rows == file["deep/x3"].chunks[0] and table.names == [] and len(table) == 20
        assert open_table(file, "big").chunk_rows is None
        assert whole(file, "big").dtype == np.dtype("=i4") and whole(file, "big")[-1] == 19
        assert whole(file, "flag").dtype == bool
        assert whole(file, "words").tolist() == ["a", "bé"] * 10 and whole(file, "bytes").tolist() == ["x", "yz"] * 10
        for name, message in {
            "bigg": r"a.h5: /bigg: there is no such table. Did you mean '/big'\? There are: /big, /bytes",
            "one": "holds one value, not rows",
            "none": "holds nothing, not rows",
            "ragged": "holds rows of different lengths",
            "square": "is a table of 2 axes",
            "gone": "/gone: there is no such table",
            "group": "is a group, not a table. In it there are: /group/inner/z",
        }.items():
            with pytest.raises(DataError, match=message):
                open_table(file, name)
        with pytest.raises(DataError, match="has no columns by name"):
            open_table(file, "big", columns=["a"])


def test_arrays_and_tables_of_pytables_come_back(tmp_path):
    tables = pytest.importorskip("tables")
    images = RNG.random((20, 4, 5)).astype("f4")
    rows = np.empty(20, [("id", "i8"), ("image", "f4", (4, 5)), ("ok", "?"), ("x", "f8")])
    rows["id"], rows["image"], rows["ok"], rows["x"] = np.arange(20), images, np.arange(20) % 3 == 0, RNG.random(20)
    with tables.open_file(str(tmp_path / "a.h5"), "w") as file:
        file.create_array("/", "array", images)
        file.create_carray("/", "carray", obj=images > 0.5)
        file.create_earray("/", "earray", obj=images, filters=tables.Filters(4, "zlib"))
        file.create_table("/deep", "table", rows, createparents=True).cols.id.create_index()
        vl = file.create_vlarray("/", "vl", tables.Float32Atom())
        vl.append([1, 2])
        vl.append([3])
        words = np.array([(1, b"x"), (2, b"y")], [("n", "i4"), ("word", "S3")])
        file.create_table("/", "words", words)
        file.create_table("/", "times", {"when": tables.Time64Col()})
    with h5py.File(tmp_path / "a.h5") as file:
        assert tables_of(file) == ["/array", "/carray", "/deep/table", "/earray", "/words"]
        assert np.array_equal(whole(file, "array"), images) and np.array_equal(whole(file, "earray"), images)
        assert np.array_equal(whole(file, "carray"), images > 0.5) and whole(file, "carray").dtype == bool
        flat = images.reshape(20, 20)
        expected = np.column_stack([rows["id"], flat, rows["ok"], rows["x"]])
        assert np.array_equal(whole(file, "deep/table"), expected)
        assert open_table(file, "deep/table").names == ["id", "image", "ok", "x"]
        assert np.array_equal(whole(file, "deep/table", columns=["image"]), images)
        assert whole(file, "deep/table", columns=["ok"]).dtype == bool
        found = whole(file, "deep/table", columns=["x", "image"])
        assert np.array_equal(found, np.column_stack([rows["x"], flat]))
        with pytest.raises(DataError, match="holds rows of different lengths"):
            open_table(file, "vl")
        with pytest.raises(DataError, match="holds values of a type that NumPy lacks, such as times"):
            open_table(file, "times")
        with pytest.raises(DataError, match=r"column 'word' holds strings, not numbers. Columns of numbers: n"):
            open_table(file, "words")
        assert open_table(file, "words", columns=["word"]).read(0, 2).tolist() == [["x"], ["y"]]
