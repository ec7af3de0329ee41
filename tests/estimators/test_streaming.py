"""Predictions and scores of a reader: its rows come in blocks, of which few are there at a time."""

from __future__ import annotations

import threading
import weakref

import numpy as np
import pytest

from arignote import NNClassifier, NNRegressor
from arignote.data import Reader

N = 60_000
LABELS = np.arange(N) % 3


class Streamed(Reader):
    """Rows that are computed when they are read; counts those that are in memory at the same time.

    Row i is (i mod 3, i mod 3, i mod 2).
    """

    shape, dtype, where = (N, 3), np.dtype(np.float32), "streamed"

    def __init__(self):
        self.alive = self.most = self.total = 0
        self._lock = threading.Lock()

    def _count(self, n):
        with self._lock:
            self.alive += n
            self.total += max(n, 0)
            self.most = max(self.most, self.alive)

    def read(self, rows):
        numbers = np.arange(*rows.indices(N)) if isinstance(rows, slice) else rows
        found = np.stack([numbers % 3, numbers % 3, numbers % 2], axis=1).astype(np.float32)
        self._count(len(found))
        weakref.finalize(found, self._count, -len(found))
        return found


@pytest.fixture(scope="module")
def classifier():
    x = Streamed().read(slice(0, 600))
    layers = [["FCLayer", {"n_units": 8}], ["ClassificationOutputLayer"]]
    net = NNClassifier(layers, rng=2, n_epochs=25, batch_size=50, sgd_type="nag", lr_rule=0.1)
    return net.fit(x, LABELS[:600])


@pytest.mark.slow
@pytest.mark.parametrize("call", ["predict", "predict_proba", "evaluate", "metrics", "confusion", "layer_output"])
def test_few_rows_of_a_reader_are_in_memory_at_a_time(call, classifier):
    reader = Streamed()
    if call in ("predict", "predict_proba"):
        found = getattr(classifier, call)(reader)
        assert np.array_equal(found if call == "predict" else found.argmax(axis=1), LABELS)
    elif call == "layer_output":
        assert classifier.layer_output(reader, "fc1").shape == (N, 8)
    elif call == "confusion":
        matrix, mistakes = classifier.confusion(reader, LABELS)
        assert matrix.tolist() == (np.eye(3, dtype=int) * N // 3).tolist() and mistakes == []
        labels = LABELS.copy()
        labels[[5, 40_000]] = 1, 0
        _, mistakes = classifier.confusion(reader, labels, ids=[f"row{row}" for row in range(N)])
        assert mistakes == [("row5", 1, 2), ("row40000", 0, 1)]
    else:
        losses = {"evaluate": None, "metrics": ["accuracy"]}[call]
        assert classifier.evaluate(reader, LABELS, losses).get("accuracy", 1.0) == 1.0
    assert reader.alive == 0 and reader.total >= N
    # A block has 2,048 rows: four are read ahead, and one is with the network.
    assert reader.most <= 8 * 2048


def test_numbers_are_predicted_block_by_block():
    reader = Streamed()
    net = NNRegressor([["RegressionOutputLayer"]], rng=2, n_epochs=1).fit(reader.read(slice(0, 600)), LABELS[:600])
    reader.most = 0
    assert net.predict(reader).shape == (N,) and 0 < reader.most <= 8 * 2048
