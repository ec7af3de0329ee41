"""Heaps of strings, whose objects must lie within them: the library would loop on one of size 0."""

from __future__ import annotations

import struct

import h5py
import pytest

from arignote.data.readers.hdf.heaps import check_heaps
from arignote.errors import DataError


@pytest.fixture
def words(tmp_path):
    """A file with strings of variable length, and where its heap begins."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["words"] = ["one", "two", "three"]
    return path, path.read_bytes().index(b"GCOL")


def test_what_h5py_writes_is_whole(words, tmp_path):
    check_heaps(str(words[0]))
    (tmp_path / "plain.h5").write_bytes(b"no heap at all")
    check_heaps(str(tmp_path / "plain.h5"))


# The size of the first object, 8 bytes behind the header of 16 bytes and its own number.
@pytest.mark.parametrize("size", [2**40, 2**64 - 1])
def test_an_object_beyond_its_heap_is_reported_with_the_place_of_the_heap(words, size):
    path, at = words
    content = bytearray(path.read_bytes())
    content[at + 24 : at + 32] = struct.pack("<Q", size)
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=rf"a\.h5: is broken: its heap of strings at byte {at} has an object of a wrong"
    ):
        check_heaps(str(path))


def test_free_space_of_no_size_is_reported(words):
    path, at = words
    content = bytearray(path.read_bytes())
    # Object 0, whose size includes its header.
    content[at + 16 : at + 32] = bytes(16)
    path.write_bytes(content)
    with pytest.raises(DataError, match="heap of strings"):
        check_heaps(str(path))
