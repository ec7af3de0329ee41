"""Scores, metrics and the table by class come from one pass over the rows."""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np
import pytest
from command_line import arignote

from arignote import ArignoteWarning, DataError, NNClassifier
from arignote.data import Reader
from arignote.data.prepare.fit_data import FitData
from arignote.estimators.predictor import Predictor
from arignote.estimators.scoring import score
from arignote.layers import Layer
from arignote.registry import register

rng = np.random.default_rng(2)
X, Y = rng.normal(size=(60, 3)).astype(np.float32), np.arange(60) % 3
NEW = rng.normal(size=(50, 3)).astype(np.float32), np.arange(50) % 3


class Counted(Reader):
    """Rows of an array, each of which is counted when it is read."""

    dtype = np.dtype(np.float32)

    def __init__(self, array):
        self.array, self.shape, self.n_reads = array, array.shape, Counter()

    def read(self, rows):
        self.n_reads.update(np.arange(len(self))[rows].tolist())
        return self.array[rows]


@register()
class NoisyLayer(Layer):
    """Adds numbers that it draws, outside training too."""

    def build(self, shape):
        return lambda params, x, training: x + np.random.normal()


def fitted(layers=(), **more):
    declared = [*layers, ["ClassificationOutputLayer"]]
    return NNClassifier(declared, rng=1).fit(X, Y, n_epochs=1, batch_size=20, **more)


def predictor(**more):
    classifier = fitted(**more)
    return Predictor(classifier.state_, classifier.network_)


def test_losses_metrics_and_the_table_by_class_read_each_row_once():
    reader = Counted(NEW[0])
    scored = score(predictor(), FitData(reader, NEW[1]), ["nll", "error", "accuracy", "f1_macro"], by_class=True)
    assert scored.confusion.sum() == 50 and list(scored.values) == ["nll", "error", "accuracy", "f1_macro"]
    # The first row is read for the shape of an example, too.
    assert set(reader.n_reads) == set(range(50)) and {reader.n_reads[row] for row in range(1, 50)} == {1}


def test_the_rows_of_a_part_are_read_for_their_fingerprint_and_for_their_scores():
    reader = Counted(X)
    classifier = NNClassifier([["ClassificationOutputLayer"]], rng=1)
    classifier.fit(reader, Y, n_epochs=1, batch_size=20, test=0.25)
    reader.n_reads.clear()
    scorer = Predictor(classifier.state_, classifier.network_)
    score(scorer, FitData(reader, Y), ["nll", "accuracy"], subset="test", by_class=True)
    n_reads = np.array([reader.n_reads[row] for row in range(60)])
    # 15 of 60 are held out. The first row of either kind is read for the shape of an example, too.
    assert sorted(n_reads)[:44] == [1] * 44 and sorted(n_reads)[45:-1] == [2] * 14


def test_the_command_opens_a_file_once_for_all_scores(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    fitted(checkpoint="run")
    np.savez("new.npz", x=NEW[0], y=NEW[1])
    caplog.set_level(logging.INFO, logger="arignote.data.readers.sources")
    given = ("--features", "new.npz:x", "--labels", "new.npz:y")
    assert arignote("evaluate", "run", *given, "--losses", "nll,accuracy", "--by-class").code == 0
    opened = [record.getMessage().partition(" -> ")[0] for record in caplog.records]
    assert sorted(opened) == ["new.npz:x", "new.npz:y"]


def test_predicted_classes_are_kept_only_if_the_caller_needs_them():
    scorer, given = predictor(), FitData(*NEW)
    assert len(score(scorer, given, ["nll", "accuracy"]).predicted) == 0
    scored = score(scorer, given, (), by_class=True)
    assert scored.predicted.tolist() == scorer.predictions(scorer.rows(NEW[0]))["output"].argmax(1).tolist()


def test_scores_are_those_of_the_predictions_where_a_layer_draws():
    classifier = fitted([[f"{__name__}:NoisyLayer"]])
    p = classifier.predict_proba(NEW[0])
    expected = {
        "nll": -np.log(p[np.arange(50), NEW[1]]).mean(),
        "error": (p.argmax(1) != NEW[1]).mean(),
        "accuracy": (p.argmax(1) == NEW[1]).mean(),
    }
    assert classifier.evaluate(*NEW, list(expected)) == pytest.approx(expected, rel=1e-5)
    matrix, mistakes = classifier.confusion(*NEW)
    assert np.trace(matrix) / 50 == expected["accuracy"] and len(mistakes) == 50 - np.trace(matrix)


@pytest.mark.parametrize("method", ["evaluate", "confusion"])
def test_the_warning_of_training_rows_names_the_line_of_the_caller(method):
    classifier = fitted(test=0.25)
    with pytest.warns(ArignoteWarning, match="trained on 45 of these 60 rows") as caught:
        getattr(classifier, method)(X, Y)
    assert [warning.filename for warning in caught] == [__file__]


def test_ids_name_each_row_that_is_predicted_wrongly():
    scored, p = score(predictor(), FitData(*NEW), (), by_class=True), fitted().predict_proba(NEW[0])
    wrong = np.flatnonzero(p.argmax(1) != NEW[1])
    assert [mistake.id for mistake in scored.mistakes()] == wrong.tolist()
    assert [mistake.id for mistake in scored.mistakes(range(100, 150))] == (100 + wrong).tolist()
    with pytest.raises(DataError, match="ids must name each of the 50 rows; got 3"):
        scored.mistakes("abc")
