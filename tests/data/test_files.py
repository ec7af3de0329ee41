"""Files that people have: pickles that run nothing, sources with their errors, MNIST in its usual forms."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from arignote import DataError, sample_data
from arignote.data.files import read_pickle
from arignote.data.readers.sources import get_reader, read_source

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def test_sources_name_arrays_in_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    array = np.arange(12.0).reshape(4, 3)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", x=array, y=array[0])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/x"] = array
        file["y"] = array[0]
    for source in ("a.npy", "a.npz:x", "a.h5:/deep/x"):
        assert np.array_equal(read_source(source), array)
        assert get_reader(source).shape == (4, 3)
    with pytest.raises(DataError, match=r"no such table.*There are: /deep/x, /y"):
        read_source("a.h5:/z")
    with pytest.raises(DataError, match="holds several tables"):
        read_source("a.npz")
    with pytest.raises(DataError, match="there is no such file"):
        read_source("b.h5:/x")
    (tmp_path / "c.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:200])
    with pytest.raises(DataError, match=r"c\.h5: "):
        read_source("c.h5:/x")


def test_digits_come_offline_and_are_those_of_the_config():
    X, y = sample_data.digits()
    folder = Path(sample_data.__file__).parent
    assert X.shape == (1797, 64) and X.dtype == np.float32 and X.max() == 1.0
    assert np.array_equal(read_source(f"{folder}/digits.h5:/images"), X)
    assert np.array_equal(read_source(f"{folder}/digits.h5:/labels"), y)


def test_mnist_is_found_in_the_folder_of_the_variable(tmp_path, monkeypatch):
    x, y = np.arange(12 * 784, dtype=np.uint8).reshape(12, 28, 28), np.arange(12, dtype=np.uint8) % 10
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    monkeypatch.setenv("ARIGNOTE_DATA", str(tmp_path))
    train, valid, test = read_pickle(sample_data.mnist)
    assert [len(part[0]) for part in (train, valid, test)] == [10, 2, 2]
    assert train[0].dtype == np.float32 and np.array_equal(valid[1], y[10:])
    idx = tmp_path / "idx"
    idx.mkdir()
    for name, array in zip(
        ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"),
        (x, y, x[:2], y[:2]),
        strict=True,
    ):
        head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        (idx / f"{name}-ubyte").write_bytes(head + array.tobytes())
    monkeypatch.setenv("ARIGNOTE_DATA", str(idx))
    again = read_pickle(sample_data.mnist)
    for ours, theirs in zip(again, (train, valid, test), strict=True):
        assert np.array_equal(ours[0], theirs[0]) and np.array_equal(ours[1], theirs[1])


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "mnist.npz").exists(), reason="the real MNIST is not beside this checkout")
def test_the_real_mnist_has_the_customary_split(monkeypatch):
    monkeypatch.setenv("ARIGNOTE_DATA", str(SHARED))
    train, valid, test = read_pickle(sample_data.mnist)
    assert [len(part[0]) for part in (train, valid, test)] == [50_000, 10_000, 10_000]
    assert train[0].shape[1] == 784 and train[0].max() == 1.0
