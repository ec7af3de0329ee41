"""The example of a service: it answers a good request as the classifier does, refuses bad ones, and stops."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest

from arignote import NNClassifier

pytest.importorskip("onnxruntime", reason="the service computes with onnxruntime")
pytest.importorskip("onnxscript", reason="pip install 'arignote[onnx]'")
pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "serve.py"
# Neither can be imported there.
START = """
import runpy, sys
sys.modules |= {"torch": None, "arignote": None}
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3)).astype(np.float32)
X[1::4, 1] = np.nan


@pytest.fixture(scope="module")
def classifier():
    y = np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)]
    layers = [["FCLayer", {"n_units": 4}], ["ClassificationOutputLayer"]]
    steps = [["Impute", {"columns": 1}], "Standardise"]
    return NNClassifier(layers, rng=1, n_epochs=3, batch_size=10, preprocess=steps).fit(X, y)


@pytest.fixture(scope="module")
def address(classifier, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    classifier.export(path)
    words = [sys.executable, "-c", START, SCRIPT, path, "--port", "0"]
    server = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    yield server.stdout.readline().strip()
    server.send_signal(signal.SIGTERM)
    out, _ = server.communicate(timeout=30)
    assert (out, server.returncode) == ("stopped\n", 0)


def answer(address, path="", body=None):
    """Return the status and the content of an answer."""
    try:
        with urlopen(address + path, data=body, timeout=30) as reply:
            return reply.status, json.load(reply)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_service_describes_the_network_and_predicts(classifier, address):
    status, found = answer(address)
    assert (status, found["inputs"], found["classes_"]) == (200, {"x": ["batch", 3]}, ["no", "yes"])
    rows = [[None if value != value else value for value in row] for row in X[:5].tolist()]
    status, found = answer(address, "predict", json.dumps({"x": rows}).encode())
    assert status == 200 and found["label"] == classifier.predict(X[:5]).tolist()
    np.testing.assert_allclose(found["probabilities"], classifier.predict_proba(X[:5]), atol=1e-5)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"x": [[1, 2]]}', "x: rows must have the shape ['batch', 3]; got [1, 2]"),
        ('{"x": [[1, 2, "three"]]}', "x: rows must be numbers"),
        ('{"X": [[1, 2, 3]]}', "give an object with the rows of x"),
        ("[[1, 2, 3]", "the body must be JSON: "),
        ('{"x": [[1, 2, 3], [1]]}', "x: all rows must have the same shape"),
        ('{"x": 5}', "x: rows must have the shape ['batch', 3]; got []"),
        ('{"x": [[null, 2, 3]]}', "the predictions of these rows are not finite"),
        ('{"x": [[1e39, 2, 3]]}', "x: rows must be finite numbers, or null where one is missing"),
    ],
)
def test_a_bad_request_is_answered_with_what_is_wrong(address, body, message):
    status, found = answer(address, "predict", body.encode())
    assert status == 400 and found["error"].startswith(message)
    assert answer(address, "other")[0] == 404
