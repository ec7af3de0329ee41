"""Tables in HDF5 files as people have them: every layout comes back as it was written, and nothing is run."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from strangers import Hostile

from arignote import DataError
from arignote.data.readers.hdf import open_table, tables_of
from arignote.data.readers.hdf5 import HDFReader
from arignote.data.readers.user_reader import check_reader

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
# pandas warns that it will pickle objects, which is what is wanted here.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.PerformanceWarning")
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(50, 3)), columns=list("abc"))
MIXED = pd.DataFrame({"a": np.arange(50), "b": RNG.normal(size=50), "c": np.arange(50, dtype="int8"), "d": np.ones(50)})


def whole(file, path, **kw):
    """The table read at once, after seeing that odd slices give the same."""
    table = open_table(file, path, **kw)
    found = table.read(0, len(table))
    assert found.shape == table.shape and found.dtype == table.dtype
    pieces = [table.read(start, start + 7) for start in range(0, len(table), 7)]
    assert all(piece.shape[1:] == table.shape[1:] for piece in pieces)
    assert not pieces or pd.DataFrame(np.concatenate(pieces).reshape(len(table), -1)).equals(
        pd.DataFrame(found.reshape(len(table), -1))
    )
    assert table.read(3, 3).shape == (0, *table.shape[1:])
    return found


@pytest.fixture
def store(tmp_path):
    """A function that writes pandas objects and opens the file with h5py."""
    pytest.importorskip("tables")
    files = []

    def write(**objects):
        path = tmp_path / "pandas.h5"
        with pd.HDFStore(path) as file:
            for name, (value, kind) in objects.items():
                file.put(name, value, format=kind, track_times=False)
        files.append(h5py.File(path))
        return files[-1]

    yield write
    for file in files:
        file.close()


def write_panel(path, images, *, labels=None, items=None, axes=("labels", "major_axis", "minor_axis"), name="images"):
    """Write as the pandas of 2015: a line for every label of the indexed axes, with the values along the other axis.

    Its own attributes are pickled as PyTables pickles them (protocol 0).
    """
    order = ["labels", "items", "major_axis", "minor_axis"][4 - images.ndim :]
    ticks = dict(zip(order, [list(range(size)) for size in images.shape], strict=True))
    ticks[order[0]] = labels or ticks[order[0]]
    ticks["items"] = items or ticks["items"]
    (loose,) = set(order) - set(axes)
    values = np.moveaxis(images, [order.index(axis) for axis in (*axes, loose)], range(images.ndim))
    lines = np.empty(
        values[..., 0].size,
        [
            *((axis, np.array(ticks[axis]).dtype.str.replace("U", "S")) for axis in axes),
            ("values_block_0", images.dtype, (values.shape[-1],)),
        ],
    )
    grid = np.meshgrid(*(np.array(ticks[axis]) for axis in axes), indexing="ij")
    for axis, column in zip(axes, grid, strict=True):
        lines[axis] = column.ravel()
    lines["values_block_0"] = values.reshape(len(lines), -1)
    with h5py.File(path, "a") as file:
        if name in file:
            table = file[name]["table"]
            table.resize(len(table) + len(lines), 0)
            table[-len(lines) :] = lines
            return
        group = file.create_group(name)
        table = group.create_dataset("table", data=lines, maxshape=(None,), chunks=(64,), compression="gzip")

        def put(item, **attributes):
            for key, value in attributes.items():
                item.attrs[key] = np.bytes_(value if isinstance(value, str) else pickle.dumps(value, protocol=0))

        put(group, pandas_type="wide_table", table_type="appendable_ndim", nan_rep="nan", encoding="UTF-8", info={})
        put(group, index_cols=[(order.index(axis), axis) for axis in axes], values_cols=["values_block_0"])
        put(group, non_index_axes=[(order.index(loose), ticks[loose])], data_columns=[])
        put(table, values_block_0_kind=ticks[loose], values_block_0_meta=None, values_block_0_dtype=str(images.dtype))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the files of 2015 lie beside the repository, and are not there")
def test_the_file_of_2015_gives_exactly_what_was_written():
    expected = np.load(SHARED / "legacy_panel4d_gray_expected.npz")
    with h5py.File(SHARED / "legacy_panel4d_gray.h5") as file:
        assert tables_of(file) == ["/images", "/labels"]
        for name in ("images", "labels"):
            found = whole(file, name)
            assert np.array_equal(found, expected[name]) and found.dtype == expected[name].dtype
        table = open_table(file, "images")
        assert table.chunk_rows == 2 and np.array_equal(table.read(-3, 999), expected["images"][-3:])


@pytest.mark.parametrize("items", [None, ["red", "green", "blue"], [3, 1, 0]])
@pytest.mark.parametrize(
    "axes",
    [("labels", "major_axis", "minor_axis"), ("labels", "items", "major_axis"), ("items", "major_axis", "minor_axis")],
)
def test_colours_of_a_panel4d_come_as_rows_colours_height_width(tmp_path, axes, items):
    images = RNG.normal(size=(10, 3, 5, 4)).astype(np.float32)
    write_panel(tmp_path / "a.h5", images, items=items, axes=axes)
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(whole(file, "images"), images)
        assert np.array_equal(whole(file, "images", color=2), images[:, 2:])
        color = items[1] if items else 1
        assert np.array_equal(whole(file, "images", color=color), images[:, 1:2])
        with pytest.raises(DataError, match=r"has no colour 'violet'. There are: "):
            open_table(file, "images", color="violet")


def test_images_appended_one_by_one_or_several_at_once_are_the_same(tmp_path):
    images = RNG.random((9, 2, 3, 4))
    for start, stop in ((0, 1), (1, 2), (2, 6), (6, 9)):
        write_panel(tmp_path / "a.h5", images[start:stop], labels=list(range(start, stop)))
        # Labels that say nothing, all 0, do not melt the images into one.
        write_panel(tmp_path / "b.h5", images[start:stop], labels=[0] * (stop - start))
        write_panel(tmp_path / "c.h5", images[start:stop], labels=[f"id{i}" for i in range(start, stop)])
    for name in "abc":
        with h5py.File(tmp_path / f"{name}.h5") as file:
            assert np.array_equal(whole(file, "images"), images)


@pytest.mark.parametrize(
    "axes",
    [("labels", "major_axis", "minor_axis"), ("labels", "items", "major_axis"), ("items", "major_axis", "minor_axis")],
)
def test_a_reader_gives_the_rows_of_a_panel_by_their_numbers(tmp_path, axes):
    images = RNG.random((50, 2, 5, 4)).astype(np.float32)
    write_panel(tmp_path / "a.h5", images, axes=axes)
    rows = RNG.integers(0, 50, 30)
    for color, expected in ((None, images), (1, images[:, 1:])):
        with HDFReader(tmp_path / "a.h5", "images", color) as reader:
            check_reader(reader)
            assert reader.shape == expected.shape and np.array_equal(reader.read(rows), expected[rows])


def test_a_panel_whose_rows_lie_across_its_lines_is_skipped_once(tmp_path, monkeypatch):
    images = RNG.random((2000, 1, 8, 8)).astype(np.float32)
    write_panel(tmp_path / "a.h5", images, axes=("items", "major_axis", "minor_axis"))
    with h5py.File(tmp_path / "a.h5") as file:
        table, reads = open_table(file, "images"), []
        read = table.read
        monkeypatch.setattr(table, "read", lambda start, stop: reads.append((start, stop)) or read(start, stop))
        rows = np.array([1999, 3, 3, 1000])
        assert np.array_equal(table.pick(rows), images[rows]) and reads == [(3, 2000)]


def test_blocks_of_panels_end_where_chunks_do(tmp_path):
    # Chunks of 64 lines, rows of 20: they meet every 16 rows, and 16 rows have 20 bytes a line.
    write_panel(tmp_path / "a.h5", RNG.random((50, 1, 20, 1)).astype(np.float32))
    with h5py.File(tmp_path / "a.h5") as file:
        table = open_table(file, "images")
        assert table.chunk_rows == 3 and table.rows_per_read % 16 == 0
        assert 2**19 < table.rows_per_read * 20 * file["images/table"].dtype.itemsize < 2**21


def test_a_panel_of_three_axes_comes_as_rows_height_width(tmp_path):
    images = RNG.random((9, 3, 4))
    for axes in (("items", "major_axis"), ("major_axis", "minor_axis")):
        write_panel(tmp_path / "a.h5", images, axes=axes, name="-".join(axes))
    with h5py.File(tmp_path / "a.h5") as file:
        for name in tables_of(file):
            assert np.array_equal(whole(file, name), images)
            with pytest.raises(DataError, match="color= is for images of a Panel4D"):
                open_table(file, name, color=0)


def test_a_panel_with_missing_lines_is_reported_and_not_read_with_an_offset(tmp_path):
    for name, cut in (("end", slice(0, -1)), ("middle", [i for i in range(9 * 12) if i not in range(40, 52)])):
        write_panel(tmp_path / f"{name}.h5", RNG.random((9, 1, 3, 4)))
        with h5py.File(tmp_path / f"{name}.h5", "a") as file:
            table = file["images/table"]
            kept = table[:][cut]
            table.resize(len(kept), 0)
            table[:] = kept
    with (
        h5py.File(tmp_path / "end.h5") as file,
        pytest.raises(DataError, match="107 lines are not whole rows of 3 x 4"),
    ):
        open_table(file, "images")
    with h5py.File(tmp_path / "middle.h5") as file:
        table = open_table(file, "images")
        assert table.read(0, 3).shape == (3, 1, 3, 4)
        with pytest.raises(DataError, match=r"middle.h5: /images: row 3 has lines missing or out of order"):
            table.read(2, 8)


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


def test_blocks_that_lie_the_other_way_round_or_differ_in_length_are_seen(store, tmp_path):
    file = store(mixed=(MIXED, "fixed"))
    with h5py.File(tmp_path / "b.h5", "w") as other:
        file.copy("mixed", other)
        values = other["mixed/block0_values"][:]
        del other["mixed/block0_values"]
        other["mixed/block0_values"] = values.T
        assert np.array_equal(whole(other, "mixed"), MIXED.to_numpy())
        del other["mixed/block0_values"]
        other["mixed/block0_values"] = values.T[:, :-1]
        with pytest.raises(DataError, match=r"/mixed: its blocks have different numbers of rows: \[49, 50\]"):
            open_table(other, "mixed")


def test_a_broken_chunk_names_file_and_table(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", data=RNG.random((100, 50)), chunks=(10, 50), compression="gzip")
        info = data.id.get_chunk_info(5)
    with open(tmp_path / "a.h5", "r+b") as raw:
        raw.seek(info.byte_offset)
        raw.write(b"\xff" * info.size)
    with h5py.File(tmp_path / "a.h5") as file:
        table = open_table(file, "x")
        assert table.read(0, 50).shape == (50, 50)
        with pytest.raises(DataError, match=r"a.h5: /x: cannot be read, is broken or truncated"):
            table.read(45, 55)
