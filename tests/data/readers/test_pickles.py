"""Pickles of data: plain data comes back, and no code of them is run."""

from __future__ import annotations

import gzip
import pickle

import numpy as np
import pytest
from strangers import Hostile

from arignote import DataError
from arignote.data.files import read_pickle


def test_a_pickle_of_arrays_comes_back(tmp_path):
    data = ((np.arange(6.0).reshape(2, 3), np.array([0, 1])), {"a": [1, 2.5, "x", None]})
    for protocol in (0, 2, 5):
        with gzip.open(tmp_path / "a.pkl.gz", "wb") as file:
            pickle.dump(data, file, protocol=protocol)
        found = read_pickle(tmp_path / "a.pkl.gz")
        assert np.array_equal(found[0][0], data[0][0]) and found[1] == data[1]


def test_a_pickle_of_python_2_comes_back(tmp_path):
    old = pickle.dumps((np.arange(3.0), "x"), protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    (tmp_path / "a.pkl").write_bytes(old)
    assert read_pickle(tmp_path / "a.pkl")[0].tolist() == [0.0, 1.0, 2.0]


def test_a_pickle_that_names_code_is_refused_and_nothing_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([1, Hostile()]))
    with pytest.raises(DataError, match=r"a.pkl: names \w+.mkdir.*refused and nothing was run"):
        read_pickle(tmp_path / "a.pkl")
    assert not (tmp_path / "made-by-a-pickle").exists()


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(np.zeros(100))[:60]])
def test_a_broken_pickle_is_named(content, tmp_path):
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.pkl"):
        read_pickle(tmp_path / "a.pkl")
