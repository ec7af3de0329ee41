"""A reader of an HDF5 file: every layout by slice and by number, in threads and processes, and what can go wrong."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import os
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from strangers import Hostile

from arignote import DataError
from arignote.data.readers.hdf import HDFTable
from arignote.data.readers.hdf5 import HDFReader
from arignote.data.readers.user_reader import check_reader

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
RNG = np.random.default_rng(0)
IMAGES = RNG.random((100, 2, 5, 4)).astype(np.float32)
LAYOUTS = {
    "contiguous": {},
    "gzip": {"chunks": (7, 2, 5, 4), "compression": "gzip", "shuffle": True},
    "lzf": {"chunks": (7, 1, 3, 4), "compression": "lzf"},
    "single": {"chunks": (1, 2, 5, 4)},
}


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, layout in LAYOUTS.items():
            file.create_dataset(name, data=IMAGES, **layout)
    return tmp_path / "a.h5"


def handles(path):
    """How often this process has the file open."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("only Linux lists which files are open")
    return sum(os.path.realpath(f"/proc/self/fd/{n}") == str(path) for n in os.listdir("/proc/self/fd"))


@pytest.fixture
def reads(monkeypatch):
    """The (start, stop) that were read of a table."""
    found, read = [], HDFTable.read

    def noting(self, start, stop):
        found.append((start, stop))
        return read(self, start, stop)

    monkeypatch.setattr(HDFTable, "read", noting)
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_its_rows_by_slice_and_by_number(path, name):
    with HDFReader(path, name) as reader:
        check_reader(reader)
        assert reader.where == f"{path}:/{name}" and reader.shape == IMAGES.shape and reader.dtype == IMAGES.dtype
        assert not reader.is_sequential and len(reader) == 100
        for rows in (slice(3, 50), slice(None), slice(5, 5), slice(2, 90, 9), slice(-3, None), slice(50, 20, -3)):
            assert np.array_equal(reader.read(rows), IMAGES[rows])
        for rows in ([], [5], [99, 0, 50], [7, 7, 6, 7, 8], RNG.permutation(100), RNG.integers(0, 100, 300)):
            found = reader.read(np.array(rows, np.int64))
            assert np.array_equal(found, IMAGES[np.array(rows, np.int64)]) and found.dtype == IMAGES.dtype
        for wrong in (100, -1):
            with pytest.raises(DataError, match=f"a.h5:/{name}: has 100 rows; row {wrong} is out of range"):
                reader.read(np.array([3, wrong]))
        with pytest.raises(DataError, match=f"a.h5:/{name}: rows must be row numbers; for a mask: "):
            reader.read(np.zeros(100, bool))


@pytest.mark.parametrize("name", ["gzip", "lzf"])
def test_no_chunk_is_read_twice_in_a_call(path, name, reads):
    with HDFReader(path, name) as reader:
        for rows in (RNG.permutation(100), RNG.integers(0, 100, 20), np.array([0, 6, 7, 13, 50, 50])):
            reads.clear()
            reader.read(rows)
            touched = [chunk for start, stop in reads for chunk in range(start // 7, (stop - 1) // 7 + 1)]
            assert len(touched) == len(set(touched)) and set(touched) == set((rows // 7).tolist())
            assert all(start in rows and stop - 1 in rows for start, stop in reads)
        reads.clear()
        reader.read(np.array([6, 0, 7, 13, 8]))
        assert reads == [(0, 14)]
        reads.clear()
        reader.read(slice(3, 60))
        assert reads == [(3, 60)]


def test_rows_far_apart_are_read_one_by_one_where_there_are_no_chunks(tmp_path, reads):
    data = np.arange(100_000 * 100, dtype="f4").reshape(-1, 100)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = data
    with HDFReader(tmp_path / "a.h5") as reader:
        rows = np.array([90_000, 5, 100, 99_999, 7, 90_001])
        assert np.array_equal(reader.read(rows), data[rows])
        assert reads == [(5, 101), (90_000, 90_002), (99_999, 100_000)]
        # A long row of small gaps is not read into memory as one.
        reads.clear()
        reader.read(np.arange(0, 100_000, 3))
        assert max(stop - start for start, stop in reads) <= reader.chunk_rows


@pytest.mark.parametrize(
    ("shape", "dtype", "chunks", "expected"),
    [
        ((1000,), "f8", None, 2**17),
        ((5, 2**20), "f4", None, 1),
        ((1000, 256), "f4", None, 1024),
        ((1000, 256), "f4", (1, 256), 1024),
        ((1000, 256), "f4", (100, 64), 1000),
        ((1000, 256), "f4", (700, 256), 700),
        ((3000, 256), "f4", (2500, 256), 2500),
        ((0, 256), "f4", (10, 256), 1020),
    ],
)
def test_blocks_are_of_about_a_megabyte_in_whole_chunks(tmp_path, shape, dtype, chunks, expected):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", shape, dtype, chunks=chunks, maxshape=chunks and (None, *shape[1:]))
    assert HDFReader(tmp_path / "a.h5").chunk_rows == expected
    whole = HDFReader(tmp_path / "a.h5", asarray=True)
    assert whole.chunk_rows is None and whole.shape == shape


def test_blocks_are_small_in_the_file_if_few_of_many_columns_are_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros(10, [(f"c{i}", "f4") for i in range(1024)])
    assert HDFReader(tmp_path / "a.h5", columns=["c0", "c1"]).chunk_rows == 256


@pytest.mark.slow
def test_tables_of_pytables_and_pandas_come_by_number(tmp_path):
    tables = pytest.importorskip("tables")
    pytest.importorskip("hdf5plugin")
    frame = pd.DataFrame(RNG.normal(size=(500, 3)), columns=list("abc")).assign(n=np.arange(500))
    records = frame.to_records(index=False)
    with tables.open_file(str(tmp_path / "a.h5"), "w") as file:
        file.create_array("/", "array", IMAGES)
        blosc = tables.Filters(5, "blosc")
        file.create_carray("/", "carray", obj=IMAGES, filters=blosc, chunkshape=(9, 2, 5, 4))
        file.create_earray("/", "earray", obj=IMAGES, filters=blosc)
        file.create_table("/", "table", records, filters=blosc, chunkshape=11)
    with pd.HDFStore(tmp_path / "a.h5", complib="blosc", complevel=5) as store:
        for kind in ("fixed", "table"):
            store.put(f"frame_{kind}", frame, format=kind, track_times=False)
            store.put(f"series_{kind}", frame.a, format=kind, track_times=False)
    expected = {"array": IMAGES, "carray": IMAGES, "earray": IMAGES, "table": frame.to_numpy()}
    expected |= {f"frame_{kind}": frame.to_numpy() for kind in ("fixed", "table")}
    expected |= {f"series_{kind}": frame.a.to_numpy() for kind in ("fixed", "table")}
    for name, whole in expected.items():
        with HDFReader(tmp_path / "a.h5", name) as reader:
            check_reader(reader)
            rows = RNG.integers(0, len(whole), 77)
            assert np.array_equal(reader.read(rows), whole[rows]), name
            assert reader.chunk_rows > 1 and reader.dtype == whole.dtype
    with HDFReader(tmp_path / "a.h5", "frame_table", columns=["n", "a"]) as reader:
        assert np.array_equal(reader.read(slice(0, 9)), frame[["n", "a"]].to_numpy()[:9])


@pytest.mark.skipif(not SHARED.is_dir(), reason="the files of 2015 lie beside the repository, and are not there")
def test_the_file_of_2015_comes_row_by_row_as_it_was_written():
    expected = np.load(SHARED / "legacy_panel4d_gray_expected.npz")
    for name in ("images", "labels"):
        for asarray in (None, True):
            with HDFReader(SHARED / "legacy_panel4d_gray.h5", name, None, asarray) as reader:
                check_reader(reader)
                rows = RNG.permutation(300)
                found = reader.read(rows)
                assert np.array_equal(found, expected[name][rows]) and found.dtype == expected[name].dtype
    with HDFReader(SHARED / "legacy_panel4d_gray.h5", "images", color=0) as reader:
        assert np.array_equal(reader.read(slice(7, 9)), expected["images"][7:9])


def test_a_table_read_as_an_array_needs_its_file_no_more(path):
    reader = HDFReader(path, "gzip", None, True)
    again = pickle.loads(pickle.dumps(reader))
    assert len(pickle.dumps(reader)) < 1000 and np.array_equal(again.read(slice(None)), IMAGES)
    assert handles(path) == 0
    path.unlink()
    check_reader(reader)
    assert np.array_equal(reader.read(np.array([9, 3])), IMAGES[[9, 3]])


def test_no_handle_is_left_behind(path):
    readers = [HDFReader(path, name) for name in LAYOUTS]
    assert handles(path) == 0
    for reader in readers:
        reader.read(slice(0, 1))
    assert handles(path) > 0
    # Each has its own: closing one leaves the others as they are.
    readers[0].close()
    assert np.array_equal(readers[1].read(slice(0, 3)), IMAGES[:3])
    for reader in readers:
        reader.close()
        reader.close()
    assert handles(path) == 0
    for reader in readers:
        assert np.array_equal(reader.read(slice(0, 3)), IMAGES[:3])
    assert handles(path) > 0
    del reader, readers
    gc.collect()
    assert handles(path) == 0
    with HDFReader(path, "gzip") as reader:
        reader.read(slice(0, 1))
        assert handles(path) == 1
    assert handles(path) == 0
    with pytest.raises(DataError):
        HDFReader(path, "nowhere")
    assert handles(path) == 0


def test_threads_share_a_reader_while_it_is_closed_under_them(path):
    reader = HDFReader(path, "gzip")
    jobs = [RNG.integers(0, 100, 40) for _ in range(200)]

    def job(rows):
        if rows[0] < 10:
            reader.close()
        return np.array_equal(reader.read(rows), IMAGES[rows])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(job, jobs))
    reader.close()
    assert handles(path) == 0


def test_a_pickled_reader_and_a_copy_open_the_file_for_themselves(path, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(path.parent)
    reader = HDFReader("a.h5", "lzf")
    reader.read(slice(0, 1))
    others = [pickle.loads(pickle.dumps(reader)), copy.copy(reader)]
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    reader.close()
    for other in others:
        check_reader(other)
        assert (other.where, other.shape, other.chunk_rows) == (reader.where, reader.shape, reader.chunk_rows)
        assert other.stamp() == reader.stamp()
        other.close()


@pytest.mark.slow
def test_a_process_that_is_spawned_reads_too(path):
    with HDFReader(path, "gzip") as reader, multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(abs, (1,)) == 1 and pool.apply(reader.read, (slice(2, 4),)).tolist() == IMAGES[2:4].tolist()
        pool.close()
        pool.join()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of POSIX")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_reads_on_even_where_a_thread_was_reading(path):
    with HDFReader(path, "gzip") as reader:
        reader.read(slice(0, 1))
        held, done = threading.Event(), threading.Event()

        def hold():
            with reader._lock():
                held.set()
                done.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        child = os.fork()
        if not child:
            ok = np.array_equal(reader.read(np.arange(99, -1, -1)), IMAGES[::-1])
            reader.close()
            os._exit(0 if ok and handles(path) == 0 else 1)
        done.set()
        thread.join()
        assert os.waitpid(child, 0)[1] == 0
        check_reader(reader)


def test_the_stamp_changes_with_the_file(path):
    reader = HDFReader(path, "gzip")
    before = reader.stamp()
    assert before == (path.stat().st_size, path.stat().st_mtime_ns)
    os.utime(path, ns=(1, before[1] + 1))
    assert reader.stamp() == (before[0], before[1] + 1)
    path.unlink()
    with pytest.raises(DataError, match=r"a.h5:/gzip: the file no longer exists"):
        reader.stamp()
    with pytest.raises(DataError, match=r"a.h5: there is no such file \(table 'gzip'\)"):
        reader.read(slice(0, 1))


def test_a_file_that_was_replaced_is_reported(path):
    reader = HDFReader(path, "gzip")
    with h5py.File(path, "w") as file:
        file["gzip"] = IMAGES[:50]
    with pytest.raises(
        DataError, match=r"was \(100, 2, 5, 4\) float32 when the reader was created, is now \(50, 2, 5, 4\)"
    ):
        reader.read(slice(0, 1))
    assert handles(path) == 0


def test_the_only_table_need_not_be_named(path, tmp_path):
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["deep/x"] = IMAGES
        file["deep/number"] = 3.0
    with HDFReader(tmp_path / "one.h5") as reader:
        assert reader.where.endswith("one.h5:/deep/x") and np.array_equal(reader.read(slice(None)), IMAGES)
    with pytest.raises(DataError, match=r"a.h5: holds several tables; name one: /contiguous, /gzip, /lzf, /single"):
        HDFReader(path)
    with h5py.File(tmp_path / "none.h5", "w") as file:
        file["number"] = 3.0
    with pytest.raises(DataError, match=r"none.h5: holds no table that can be read by rows"):
        HDFReader(tmp_path / "none.h5")


def test_files_of_another_format_are_reported(path, tmp_path):
    with pytest.raises(DataError, match=r"b.h5: there is no such file \(table 'x'\)"):
        HDFReader(tmp_path / "b.h5", "x")
    with pytest.raises(DataError, match="there is no such file"):
        HDFReader(tmp_path)
    (tmp_path / "text.h5").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"text.h5: is not an HDF5 file \(table 'x'\)"):
        HDFReader(tmp_path / "text.h5", "x")
    (tmp_path / "short.h5").write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"short.h5: is truncated \(table 'gzip'\)"):
        HDFReader(tmp_path / "short.h5", "gzip")
    with pytest.raises(DataError, match=r"a.h5: /gzp: there is no such table. Did you mean '/gzip'\?"):
        HDFReader(path, "gzp")


def test_data_that_cannot_be_read_by_rows_is_reported_at_once(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("ragged", (3,), h5py.vlen_dtype("f4"))
        file["mixed"] = np.array([(1, b"x")], [("n", "i4"), ("word", "S3")])
        file["words"] = ["a", "bé", "c"]
    with pytest.raises(DataError, match=r"a.h5: /ragged: holds rows of different lengths"):
        HDFReader(tmp_path / "a.h5", "ragged")
    with pytest.raises(DataError, match=r"a.h5: /mixed: column 'word' holds strings, not numbers"):
        HDFReader(tmp_path / "a.h5", "mixed")
    with pytest.raises(DataError, match="color= is for images of a Panel4D"):
        HDFReader(tmp_path / "a.h5", "words", 0)
    with HDFReader(tmp_path / "a.h5", "words") as reader:
        assert reader.read(np.array([2, 1, 1])).tolist() == ["c", "bé", "bé"]


def test_a_hostile_attribute_is_refused_and_nothing_is_run(tmp_path, monkeypatch):
    pytest.importorskip("tables")
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"a": [1.0, 2.0]}).to_hdf("a.h5", key="frame", format="table")
    with h5py.File("a.h5", "a") as file:
        file["frame"].attrs["non_index_axes"] = np.bytes_(pickle.dumps(Hostile(), protocol=0))
    with pytest.raises(DataError, match=r"a.h5: /frame: 'non_index_axes' names \w+.mkdir.*nothing was run"):
        HDFReader("a.h5", "frame")
    assert not (tmp_path / "made-by-a-pickle").exists()


def test_a_missing_filter_is_reported_with_what_to_install(path, monkeypatch):
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: False)
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(
        DataError, match=r"a.h5: /lzf: is compressed with lzf \(HDF5 filter 32000\).*pip install hdf5plugin"
    ):
        HDFReader(path, "lzf")


def test_broken_rows_are_reported_and_the_others_are_read(path):
    with h5py.File(path) as file:
        info = file["gzip"].id.get_chunk_info_by_coord((35, 0, 0, 0))
    with open(path, "r+b") as raw:
        raw.seek(info.byte_offset)
        raw.write(b"\xff" * info.size)
    with HDFReader(path, "gzip") as reader:
        assert np.array_equal(reader.read(np.arange(35)), IMAGES[:35])
        with pytest.raises(DataError, match=r"a.h5: /gzip: cannot be read, is broken.*\(in rows 37 to 41\)"):
            reader.read(np.array([1, 40, 37]))
        assert np.array_equal(reader.read(slice(42, 99)), IMAGES[42:99])
