"""A table that is read by rows: a chunk that is broken is named."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from arignote import DataError
from arignote.data.readers.hdf import open_table

# pandas warns that it will pickle objects, which is what is wanted here.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.PerformanceWarning")
RNG = np.random.default_rng(0)


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
