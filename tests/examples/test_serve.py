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
# Beside the numbers a column of text.
TABLE = np.column_stack([X.astype(object), np.array(["a", "b", None], object)[np.arange(20) % 3]])


@pytest.fixture(scope="module")
def classifier():
    y = np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)]
    layers = [["FCLayer", {"n_units": 4}], ["ClassificationOutputLayer"]]
    steps = [["Impute", {"columns": 1}], "Standardise", "OneHot"]
    return NNClassifier(layers, rng=1, n_epochs=3, batch_size=10, preprocess=steps).fit(TABLE, y)


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
    inputs = {"x": ["batch", 3], "x.text": ["batch", 1]}
    assert (status, found["inputs"], found["classes_"]) == (200, inputs, ["no", "yes"])
    rows = [[None if value != value else value for value in row] for row in X[:5].tolist()]
    status, found = answer(address, "predict", json.dumps({"x": rows, "x.text": TABLE[:5, 3:].tolist()}).encode())
    assert status == 200 and found["label"] == classifier.predict(TABLE[:5]).tolist()
    np.testing.assert_allclose(found["probabilities"], classifier.predict_proba(TABLE[:5]), atol=1e-5)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"x": [[1, 2]], "x.text": [["a"]]}', "x: rows must have the shape ['batch', 3]; got [1, 2]"),
        ('{"x": [[1, 2, "three"]], "x.text": [["a"]]}', "x: rows must be numbers"),
        ('{"X": [[1, 2, 3]]}', "give an object with the rows of x, x.text"),
        ("[[1, 2, 3]", "the body must be JSON: "),
        ('{"x": [[1, 2, 3], [1]], "x.text": [["a"]]}', "x: all rows must have the same shape"),
        ('{"x": 5, "x.text": [["a"]]}', "x: rows must have the shape ['batch', 3]; got []"),
        ('{"x": [[null, 2, 3]], "x.text": [["a"]]}', "the predictions of these rows are not finite"),
        ('{"x": [[1e400, 2, 3]], "x.text": [["a"]]}', "x: rows must be finite numbers, or null where one is missing"),
        ('{"x": [[1, 2, 3]], "x.text": [[4]]}', "x.text: rows must be text, or null where it is missing"),
        ('{"x": [[1, 2, 3]], "x.text": [["c"]]}', "the predictions of these rows are not finite"),
    ],
)
def test_a_bad_request_is_answered_with_what_is_wrong(address, body, message):
    status, found = answer(address, "predict", body.encode())
    assert status == 400 and found["error"].startswith(message)
    assert answer(address, "other")[0] == 404
