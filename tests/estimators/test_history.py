"""The history of an estimator: still a list of dicts, with columns by name, and as a table of pandas."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest

from arignote import NNClassifier
from arignote.estimators.history import Records

ROWS = [
    {"epoch": 1, "train_nll": 0.75, "valid_nll": 0.5},
    {"epoch": 2, "train_nll": 0.5, "valid_nll": 0.25},
    {"epoch": 3, "train_nll": 0.25, "valid_nll": 0.375},
]
HISTORY = Records(ROWS)


def test_a_name_behind_a_position_or_a_slice_is_a_column():
    assert HISTORY[:, "valid_nll"] == [0.5, 0.25, 0.375]
    assert HISTORY[-1, "valid_nll"] == 0.375 and HISTORY[0, "epoch"] == 1
    assert HISTORY[1:, ("train_nll", "epoch")] == [(0.5, 2), (0.25, 3)]
    assert HISTORY[0, ["epoch", "valid_nll"]] == (1, 0.5)
    assert HISTORY[::2][:, "epoch"] == [1, 3] and Records()[:, "epoch"] == []


def test_it_is_the_list_that_it_was():
    assert HISTORY == ROWS and HISTORY[-1] is ROWS[-1] and HISTORY[1:] == ROWS[1:] and isinstance(HISTORY, list)
    assert json.loads(json.dumps(HISTORY)) == ROWS and [row["epoch"] for row in HISTORY] == [1, 2, 3]
    for same in (pickle.loads(pickle.dumps(HISTORY)), copy.deepcopy(HISTORY)):
        assert type(same) is Records and same == ROWS


def test_a_column_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(
        KeyError, match=r"the history has no column 'valid_nl'. Did you mean 'valid_nll'\? There are: ep"
    ):
        HISTORY[:, "valid_nl"]
    with pytest.raises(IndexError):
        HISTORY[3, "epoch"]


def test_a_fitted_and_a_loaded_estimator_have_columns_and_a_frame(tmp_path, digits):
    pandas = pytest.importorskip("pandas")
    layers = [["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]]
    fitted = NNClassifier(layers, rng=1, valid=0.2).fit(*digits, n_epochs=3, checkpoint=str(tmp_path / "run"))
    for estimator in (fitted, NNClassifier.load(str(tmp_path / "run"))):
        assert estimator.history_[:, "epoch"] == [1, 2, 3]
        frame = estimator.history_frame()
        assert list(frame.columns) == list(fitted.history_[0]) and frame["epoch"].tolist() == [1, 2, 3]
        assert frame["epoch"].dtype.kind == "i" and isinstance(frame, pandas.DataFrame)
        np.testing.assert_array_equal(frame["valid_nll"], [row["valid_nll"] for row in fitted.history_])
