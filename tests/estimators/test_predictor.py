"""Predictions of a fitted network: what is kept for them, in blocks, and what they leave behind."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from arignote import DataError, NNClassifier
from arignote.data.targets import Targets
from arignote.estimators import predictor
from arignote.fit.validations import subset_scores

rng = np.random.default_rng(2)
X, Y = rng.normal(size=(60, 3)).astype(np.float32), np.arange(60) % 3
NEW = rng.normal(size=(50, 3)).astype(np.float32)


def fitted():
    return NNClassifier([["ClassificationOutputLayer"]], rng=1).fit(X, Y, n_epochs=1, batch_size=20)


def test_what_is_looked_up_of_a_run_is_kept_for_it_alone_and_is_not_pickled():
    classifier = fitted()
    before, missing = len(pickle.dumps(classifier)), np.full((1, 3), np.nan, np.float32)
    first = classifier.predict_proba(NEW)
    assert classifier._predictor() is classifier._predictor() and len(pickle.dumps(classifier)) == before
    assert np.array_equal(pickle.loads(pickle.dumps(classifier)).predict_proba(NEW), first)
    with pytest.raises(DataError, match="holds nan"):
        classifier.predict(missing)
    assert classifier.set_params(allow_nonfinite=True).predict(missing).shape == (1,)
    # Labels of another run.
    assert set(classifier.fit(X, Y + 5, n_epochs=0, batch_size=20).predict(NEW)) <= {5, 6, 7}


def test_rows_of_several_batches_have_the_predictions_of_one(monkeypatch):
    classifier = fitted()
    whole = classifier.predict_proba(NEW)
    for module in (predictor, subset_scores):
        monkeypatch.setattr(module, "validation_rows", lambda network: 16)
    np.testing.assert_allclose(classifier.predict_proba(NEW), whole, rtol=1e-6)


def test_what_ends_decoding_leaves_the_process_as_it_was(monkeypatch):
    # One row is one batch; what raises is kept, as a notebook keeps the last traceback.
    classifier = NNClassifier([["ClassificationOutputLayer"]], rng=1, n_epochs=1, batch_size=20, n_threads=1).fit(X, Y)

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Targets, "decode", fail)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt) as kept:
            classifier.predict(X)
        assert torch.get_num_threads() == 2 and kept.traceback
    finally:
        torch.set_num_threads(before)
