"""Sparse matrices: the same numbers as dense ones, of which only the rows of a batch are ever dense."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from promise import Stopped, digest, killed_after
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from arignote import CheckpointError, DataError, NNClassifier, NNRegressor
from arignote.data import Data, check_reader
from arignote.data.inputs import Input
from arignote.data.readers.sparse import SparseReader
from arignote.data.rows import selection as rows
from arignote.data.rows.open_rows import rows_of
from arignote.fit import run

RNG = np.random.default_rng(5)
DENSE = np.where(RNG.random((60, 7)) < 0.3, RNG.normal(size=(60, 7)), 0.0)
Y = (DENSE[:, 0] > 0).astype(int)
LAYERS = [["FCLayer", {"n_units": 4}], ["DropoutLayer", {"dropout_p": 0.2}], ["ClassificationOutputLayer"]]
SETTINGS = {"batch_size": 16, "n_epochs": 2, "valid": 0.25, "sgd_type": "momentum", "preprocess": [["Standardise"]]}


def fit(x, **more):
    return NNClassifier(LAYERS, rng=3, **SETTINGS | more).fit(x, Y)


@pytest.mark.parametrize("form", ["csr_matrix", "csr_array", "csc_array", "coo_matrix", "lil_array"])
def test_rows_are_those_of_the_matrix_in_any_format(form):
    matrix = getattr(sparse, form)(DENSE)
    reader = SparseReader(matrix)
    check_reader(reader)
    assert (reader.shape, reader.dtype) == (DENSE.shape, DENSE.dtype)
    assert np.array_equal(reader.read(np.array([59, 3, 3])), DENSE[[59, 3, 3]])
    assert matrix.format == form.partition("_")[0] and np.array_equal(matrix.toarray(), DENSE)


def test_a_fit_gives_the_bits_of_the_dense_matrix():
    weights = RNG.random(60)
    dense = NNClassifier(LAYERS, rng=3, **SETTINGS).fit(DENSE, Y, sample_weight=weights)
    found = NNClassifier(LAYERS, rng=3, **SETTINGS).fit(sparse.csr_array(DENSE), Y, sample_weight=weights)
    assert digest(found) == digest(dense) and len(found.state_.data["valid"]["features"]["shape"]) == 2
    again = sparse.coo_array(DENSE)
    assert np.array_equal(found.predict_proba(again), dense.predict_proba(DENSE))
    assert found.evaluate(again, Y, part="valid") == dense.evaluate(DENSE, Y, part="valid")
    own = fit(sparse.csc_array(DENSE), valid=(sparse.csr_matrix(DENSE[:9]), Y[:9]))
    assert digest(own) == digest(fit(DENSE, valid=(DENSE[:9], Y[:9])))


def test_a_matrix_of_terabytes_trains_and_predicts_in_the_memory_of_a_batch():
    n_rows, n_features = 2_000_000, 100_000
    filled = sparse.random_array((300, n_features), density=1e-4, rng=RNG, format="csr")
    starts = np.concatenate([filled.indptr, np.full(n_rows - 300, filled.nnz)])
    x = sparse.csr_array((filled.data, filled.indices, starts), shape=(n_rows, n_features))
    assert n_rows * n_features * 8 == 1.6e12
    tracemalloc.start()
    try:
        data = Data(x, np.arange(n_rows) % 2, stop=64)
        found = NNClassifier([["ClassificationOutputLayer"]], rng=1, n_epochs=1, batch_size=8, valid=0.25).fit(data)
        # 8 rows of 100,000 numbers are 6.4 MB in float64 and 3.2 MB in float32; labels of two million rows 16 MB.
        assert tracemalloc.get_traced_memory()[1] < 70e6
    finally:
        tracemalloc.stop()
    assert found.predict(x[1_999_990:]).shape == (10,)


@pytest.mark.slow
def test_preprocessing_reads_the_rows_in_blocks(monkeypatch):
    monkeypatch.setattr(rows, "BLOCK_BYTES", 400_000)
    # As on a GPU with room for all rows, where arrays stay.
    monkeypatch.setattr(run, "fits_on_device", lambda n_bytes, device: True)
    x = sparse.random_array((1500, 2000), density=1e-3, rng=RNG, format="csr")
    settings = {"n_epochs": 1, "batch_size": 16, "preprocess": [["MinMax"]]}
    tracemalloc.start()
    try:
        found = NNRegressor([["RegressionOutputLayer"]], rng=1, **settings).fit(x, RNG.random(1500))
        # All rows are 24 MB.
        assert tracemalloc.get_traced_memory()[1] < 6e6
    finally:
        tracemalloc.stop()
    assert np.array_equal(found.state_.preprocess["0.minimum"], x.min(axis=0).toarray().astype(np.float32))


def test_a_run_is_resumed_with_the_same_values_alone(tmp_path):
    whole, stem = fit(DENSE), str(tmp_path / "run")
    with pytest.raises(Stopped):
        fit(sparse.csr_array(DENSE), checkpoint=stem, checkpoint_every=1, observers=killed_after(3))
    # The same values, stored in another order and in pieces, with a zero, which stays in the matrix of the user.
    zero = 0, int(np.flatnonzero(DENSE[0] == 0)[0])
    places = [np.append(np.tile(place, 2)[::-1], at) for place, at in zip(DENSE.nonzero(), zero, strict=True)]
    in_pieces = sparse.csr_matrix((DENSE[tuple(places)] / 2, places), shape=DENSE.shape)
    n_stored = in_pieces.nnz
    ended = fit(in_pieces, checkpoint=stem)
    assert digest(ended) == digest(whole) and len(ended.state_.starts) == 2 and in_pieces.nnz == n_stored
    for row, value in ((7, 0.5), (8, -0.5)):
        other = DENSE.copy()
        other[row, 2] = value
        with pytest.raises(CheckpointError, match="features"):
            fit(sparse.csr_array(other), checkpoint=stem)
    moved = sparse.csr_array(DENSE[np.r_[1, 0, 2:60]])
    with pytest.raises(CheckpointError, match="features"):
        fit(moved, checkpoint=stem)


def test_what_is_wrong_is_reported_before_training():
    wrong = DENSE.copy()
    wrong[41, 3] = np.nan
    with pytest.raises(DataError, match=r"X row 41 holds nan in column 3"):
        fit(sparse.csr_array(wrong))
    assert len(rows_of(sparse.csr_array(wrong), allow_nonfinite=True)) == 60
    with pytest.raises(DataError, match=r"X row 2 holds 4; tokens must be whole numbers in 0 \.\. 3"):
        rows_of(sparse.csr_array([[0, 3], [1, 0], [0, 4]]), inputs=(Input(n_tokens=4),))
    assert rows_of(sparse.csr_array((3, 2))).features(slice(0, 3)).tolist() == [[0.0, 0.0]] * 3
    with pytest.raises(DataError, match=r"valid must have the shape \(rows, features\) as a sparse matrix; got \(3,\)"):
        rows_of(sparse.coo_array([0.0, 1.0, 0.0]), what="valid")
    with pytest.raises(DataError, match=r"X must be real numbers; got complex128"):
        rows_of(sparse.csr_array(DENSE * 1j))


def test_texts_are_classified_by_their_counts_in_a_pipeline_of_scikit_learn():
    texts = ["the cell divides", "a cell grows", "the star burns", "a star explodes"] * 6
    net = NNClassifier([["ClassificationOutputLayer"]], rng=1, n_epochs=20, sgd_type="momentum", lr_rule=0.5)
    of_counts = make_pipeline(CountVectorizer(), net)
    assert get_tags(net).input_tags.sparse and get_tags(NNRegressor(LAYERS)).input_tags.sparse
    with pytest.warns(UserWarning, match="larger than the data"):
        assert cross_val_score(of_counts, texts, ["b", "b", "a", "a"] * 6, cv=2).mean() == 1.0
