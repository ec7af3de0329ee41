"""Columns that are stored together: assembled into rows whichever way they lie."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hdf_tables import MIXED, whole

from arignote import DataError
from arignote.data.readers.hdf import open_table

# pandas warns that it will pickle objects, which is what is wanted here.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.PerformanceWarning")


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
