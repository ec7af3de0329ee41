"""Panels of the pandas of 2015: images come as rows, however their lines lie."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hdf_tables import whole, write_panel

from arignote import DataError
from arignote.data.readers.hdf import open_table, tables_of
from arignote.data.readers.hdf5 import HDFReader
from arignote.data.readers.user_reader import check_reader

SHARED = Path(__file__).resolve().parents[4].parent / "shared" / "data"
# pandas warns that it will pickle objects, which is what is wanted here.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.PerformanceWarning")
RNG = np.random.default_rng(0)


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
