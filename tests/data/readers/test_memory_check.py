"""Data of a declared size is compared with the free memory before it is read."""

from __future__ import annotations

import h5py
import pytest

from arignote import DataError
from arignote.data.readers import memory_check
from arignote.data.readers.hdf5 import HDFReader


def test_as_much_as_is_free_fits_and_a_byte_more_is_refused(monkeypatch):
    monkeypatch.setattr(memory_check, "available_bytes", lambda: 3 << 20)
    memory_check.check_memory(3 << 20, "f.h5:/x")
    with pytest.raises(DataError, match=r"^f\.h5:/x: the labels need 3\.15 MB of memory, but 3\.15 MB are free"):
        memory_check.check_memory((3 << 20) + 1, "f.h5:/x", "the labels")


def test_less_than_a_mebibyte_is_not_compared(monkeypatch):
    monkeypatch.setattr(memory_check, "available_bytes", lambda: 0)
    memory_check.check_memory((1 << 20) - 1, "f.h5:/x")
    with pytest.raises(DataError):
        memory_check.check_memory(1 << 20, "f.h5:/x")


@pytest.mark.parametrize(
    ("shape", "words"), [((10**13,), "numbers of its 10000000000000 rows"), ((10, 10**12), "10 of its rows .*000,")]
)
def test_hdf5_that_memory_cannot_hold_is_refused_before_it_is_read(shape, words, tmp_path):
    """A file of a few kB declares 10**13 numbers of float64, of which none is written: 80 TB."""
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", shape, dtype="f8", chunks=(1,) * (len(shape) - 1) + (1000,))
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match=f"{words}.* need 80 TB of memory"):
        HDFReader(path).read(slice(0, shape[0]))
