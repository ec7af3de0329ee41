"""Files that pandas writes, opened with h5py."""

from __future__ import annotations

import h5py
import pandas as pd
import pytest


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
