"""The promise with data read as it is needed: a reader of a user's own, HDF5 in chunks, what preprocessing learned."""

from __future__ import annotations

import os
import signal

import h5py
import numpy as np
import pytest
import waves
from forked import Forked
from promise import Stopped, digest, killed_after

from arignote import CheckpointError, NNClassifier
from arignote.checkpoints.tensors import tensors_sha256
from arignote.data import HDFReader, check_reader
from arignote.data.epoch import order
from arignote.data.epoch.order import order_of
from arignote.data.readers.hdf import blocks
from arignote.data.rows import selection as rows
from arignote.data.rows.open_rows import rows_of

LAYERS = [["FCLayer", {"n_units": 5}], ["DropoutLayer", {"dropout_p": 0.3}], ["ClassificationOutputLayer"]]
SETTINGS = {"batch_size": 16, "n_epochs": 2, "valid": 0.2, "sgd_type": "momentum", "n_threads": 1}
RNG = np.random.default_rng(3)
X = (RNG.normal(size=(80, 6)) * 3 + 5).astype(np.float32)
Y = (X[:, 0] > 5).astype(np.int64)


def fit(x, y=Y, **more):
    return NNClassifier(LAYERS, rng=7).fit(x, y, **SETTINGS | more)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A file that is read in many windows of a few chunks."""
    monkeypatch.setattr(rows, "BLOCK_BYTES", 480)
    monkeypatch.setattr(order, "BLOCK_BYTES", 480)
    monkeypatch.setattr(blocks, "_READ_BYTES", 100)
    return written(tmp_path / "a.h5", X)


def written(path, x):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=x, chunks=(7, 6), compression="gzip")
    return path


@pytest.fixture
def small_windows(monkeypatch):
    monkeypatch.setattr(rows, "BLOCK_BYTES", waves.WINDOW)
    monkeypatch.setattr(order, "BLOCK_BYTES", waves.WINDOW)


@pytest.mark.slow
def test_a_reader_of_a_users_own_resumes_exactly_after_two_sigkills(small_windows, tmp_path):
    check_reader(waves.Waves())
    whole = waves.fit(str(tmp_path / "whole"))
    stem, stood_at = str(tmp_path / "run"), []
    for epoch, batch in ((1, 8), (2, 2)):
        process = Forked([waves.__file__, stem, epoch, batch])
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        progress = NNClassifier.load(stem).state_.progress
        stood_at.append([progress.epoch, progress.batch])
        # Saved after the batch before, or the one before that where the kill came in the middle of writing.
        assert epoch - 1 == progress.epoch and batch - 2 <= progress.batch < batch
    ended = waves.fit(stem)
    assert digest(ended) == digest(whole)
    assert ended.state_.starts == [[0, 0], *stood_at]


def test_what_preprocessing_learned_is_kept_and_no_row_is_read_for_it_again(small_windows, tmp_path):
    settings = SETTINGS | {"n_epochs": 0, "checkpoint": str(tmp_path / "run")}

    def rows_read(**more):
        reader = waves.Waves()
        fitted = NNClassifier(LAYERS, rng=7).fit(reader, waves.LABELS, **settings | more)
        return reader.n_read, fitted.state_.preprocess

    n_first, learned = rows_read(preprocess=[["Standardise"]])
    n_again, known = rows_read(preprocess=[["Standardise"]])
    n_plain, _ = rows_read(checkpoint=str(tmp_path / "plain"))
    assert learned.keys() == {"0.mean", "0.scale"} and tensors_sha256(known) == tensors_sha256(learned)
    assert n_first - n_plain >= 560 and n_again <= n_plain


@pytest.mark.slow
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("n_workers", [0, 2])
def test_chunks_of_hdf5_resume_exactly_after_every_batch(shuffle, n_workers, path, tmp_path):
    more = {"shuffle": shuffle, "n_workers": n_workers, "preprocess": [["Standardise"]]}
    more["augmentation"] = [["Noise", {"sigma": 0.2}]]
    with HDFReader(path, "x") as reader:
        assert len(order_of(rows_of(reader), shuffle).of_epoch(0, 0)[1]) > 5
        whole = fit(reader, **more)
    n_updates = whole.state_.progress.n_updates
    assert n_updates == 8
    for k in range(1, n_updates):
        stem = str(tmp_path / f"run{k}")
        with HDFReader(path, "x") as reader, pytest.raises(Stopped):
            fit(reader, checkpoint=stem, checkpoint_every=1, observers=killed_after(k), **more)
        with HDFReader(path, "x") as reader:
            ended = fit(reader, checkpoint=stem, **more)
        assert digest(ended) == digest(whole)
        assert len(ended.state_.starts) == 2 and ended.state_.starts[1] != [0, 0]


def test_the_name_of_a_file_and_its_reader_are_the_same_run(path, tmp_path):
    stem = str(tmp_path / "run")
    with HDFReader(path, "x") as reader:
        first = fit(reader, checkpoint=stem, shuffle=False)
    assert first.state_.finished
    with HDFReader(path, "x") as reader:
        again = fit(reader, checkpoint=stem, shuffle=False)
    assert again.status_.startswith("finished") and digest(again) == digest(first)


def test_predict_after_load_applies_what_was_learned_of_the_training_rows(path, tmp_path):
    held_out = np.arange(0, 80, 5)
    stem = str(tmp_path / "run")
    with HDFReader(path, "x") as reader:
        fit(reader, valid=held_out, preprocess=[["Standardise"]], checkpoint=stem)
    training = np.delete(X, held_out, axis=0).astype(np.float64)
    by_hand = ((X - training.mean(axis=0)) / training.std(axis=0)).astype(np.float32)
    loaded = NNClassifier.load(stem)
    found = loaded.predict_proba(X)
    with HDFReader(path, "x") as reader:
        assert np.array_equal(loaded.predict_proba(reader), found)
    loaded.state_.spec["fit"]["preprocess"] = None
    assert np.allclose(loaded.predict_proba(by_hand), found, atol=1e-5)
    assert not np.allclose(loaded.predict_proba(X), found, atol=1e-2)


@pytest.mark.parametrize(
    "now", [None, [["MinMax"]], [["Standardise", {"epsilon": 0.1}]]], ids=["none", "other", "param"]
)
def test_another_preprocessing_is_refused_with_the_difference(now, path, tmp_path):
    stem = str(tmp_path / "run")
    fit(X, checkpoint=stem, preprocess=[["Standardise"]])
    with pytest.raises(CheckpointError, match=r"fit\.preprocess: \[\['Standardise', .* then, .* now"):
        fit(X, checkpoint=stem, preprocess=now)


def test_another_augmentation_is_refused_with_the_difference(tmp_path):
    stem = str(tmp_path / "run")
    fit(X, checkpoint=stem, augmentation=[["Noise", {"sigma": 0.1}]])
    with pytest.raises(
        CheckpointError, match=r"fit\.augmentation: \[\['Noise', \{'channel': None, 'sigma': 0\.1\}\]\] then, .*0\.2"
    ):
        fit(X, checkpoint=stem, augmentation=[["Noise", {"sigma": 0.2}]])


@pytest.mark.parametrize("now", [None, np.linspace(0.1, 1, 80)], ids=["none", "others"])
def test_other_weights_of_the_rows_are_refused(now, tmp_path):
    stem = str(tmp_path / "run")
    weights = np.linspace(1, 2, 80)
    fit(X, checkpoint=stem, sample_weight=weights)
    assert fit(X, checkpoint=stem, sample_weight=weights).status_.startswith("finished")
    with pytest.raises(CheckpointError, match="weight"):
        fit(X, checkpoint=stem, sample_weight=now, n_epochs=3)


@pytest.mark.parametrize("kind", [int, np.int64], ids=["python", "numpy"])
def test_weights_of_classes_come_back_from_the_file_as_they_were(kind, tmp_path):
    stem = str(tmp_path / "run")
    for _ in range(2):
        fitted = fit(X, checkpoint=stem, class_weight={kind(0): 2.0, kind(1): 1.0})
    assert fitted.status_.startswith("finished")
    with pytest.raises(CheckpointError, match=r"fit\.class_weight"):
        fit(X, checkpoint=stem, class_weight={kind(0): 3.0, kind(1): 1.0})


def test_a_file_of_other_content_is_refused_though_shape_and_time_are_the_same(path, tmp_path):
    stem = str(tmp_path / "run")
    with HDFReader(path, "x") as reader, pytest.raises(Stopped):
        fit(reader, checkpoint=stem, checkpoint_every=1, observers=killed_after(3))
    found = os.stat(path)
    with h5py.File(path, "r+") as file:
        file["x"][77, 2] += 1
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    with HDFReader(path, "x") as reader, pytest.raises(CheckpointError, match=r"data\.train\.features\.sha256"):
        fit(reader, checkpoint=stem)


def test_a_file_with_other_rows_begins_the_epoch_again_where_it_is_forced(path, tmp_path):
    stem = str(tmp_path / "run")
    with HDFReader(path, "x") as reader, pytest.raises(Stopped):
        fit(reader, checkpoint=stem, checkpoint_every=1, observers=killed_after(5))
    shorter = written(tmp_path / "b.h5", X[:70])
    with HDFReader(shorter, "x") as reader:
        with pytest.raises(CheckpointError, match=r"data\.train\.features\.shape: \[64, 6\] then, \[56, 6\] now"):
            fit(reader, Y[:70], checkpoint=stem)
        with pytest.warns(match=r"perhaps not bit for bit: .*\[64, 6\] then, \[56, 6\] now"):
            ended = fit(reader, Y[:70], checkpoint=stem, resume="force")
    assert ended.state_.starts == [[0, 0], [1, 0]]
    assert ended.state_.finished and ended.state_.progress.n_updates == 9


def test_the_same_rows_in_other_chunks_are_another_order_and_refused(tmp_path):
    x = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    stem = str(tmp_path / "run")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for rows in (10, 20):
            file.create_dataset(f"by{rows}", data=x, chunks=(rows, 4))

    class InChunks(HDFReader):
        """A file whose chunks are taken as they are, however small."""

        def __init__(self, table, rows):
            super().__init__(str(tmp_path / "x.h5"), table)
            self.chunk_rows = rows

    layers = [["ClassificationOutputLayer"]]
    NNClassifier(layers, rng=1, n_epochs=1, batch_size=8).fit(InChunks("/by10", 10), y, checkpoint=stem)
    for other in (InChunks("/by20", 20), x):
        with pytest.raises(CheckpointError, match=r"data\.order"):
            NNClassifier(layers, rng=1, n_epochs=2, batch_size=8).fit(other, y, checkpoint=stem)
