"""Serve an exported network over HTTP: onnxruntime and the standard library, without PyTorch or Arignote.

``python examples/serve.py digits.onnx --port 8000``, and from elsewhere on the same machine::

    curl http://127.0.0.1:8000/
    curl http://127.0.0.1:8000/predict -d '{"x": [[0, 1, 2], [3, 4, 5]]}'

Columns of text of a table are an input of their own: ``{"x": [[54, 12.5]], "x.text": [["f", null]]}``.
The service has no encryption and no accounts: put a server that has them in front of it.
"""

import argparse
import json
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import onnxruntime

# Bytes.
LARGEST_REQUEST = 10_000_000
TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}


class BadRequestError(Exception):
    """A request that the network cannot answer; the message goes to the client."""


class Model:
    """The network of a file.

    Parameters
    ----------
    path : str
        A file that ``arignote export RUN --to FILE.onnx`` has written.
    """

    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path)
        self.inputs = {one.name: one for one in self.session.get_inputs()}
        self.outputs = [one.name for one in self.session.get_outputs()]
        stored = self.session.get_modelmeta().custom_metadata_map
        self.metadata = {name: json.loads(value) for name, value in stored.items()}

    def describe(self):
        """Return the shapes of the inputs, the names of the outputs, and what the file says of the network."""
        shapes = {name: one.shape for name, one in self.inputs.items()}
        return {"inputs": shapes, "outputs": self.outputs, **self.metadata}

    def predict(self, request):
        """Return the outputs by name for rows of each input, ``{"x": [[...], ...]}``."""
        if not isinstance(request, dict) or set(request) != set(self.inputs):
            raise BadRequestError(f"give an object with the rows of {', '.join(self.inputs)}")
        rows = {name: self.rows_of(name, values) for name, values in request.items()}
        if len({len(one) for one in rows.values()}) > 1:
            raise BadRequestError("all inputs must have the same number of rows")
        try:
            outputs = self.session.run(None, rows)
        except Exception as error:
            raise BadRequestError(f"the network cannot compute these rows: {error}") from None
        if not all(np.isfinite(values).all() for values in outputs if values.dtype.kind == "f"):
            raise BadRequestError("the predictions of these rows are not finite")
        return {name: values.tolist() for name, values in zip(self.outputs, outputs, strict=True)}

    def rows_of(self, name, values):
        """Return rows of an input as an array."""
        one = self.inputs[name]
        is_text = one.type == "tensor(string)"
        try:
            array = np.asarray(values, dtype=object if is_text else None)
        except ValueError:
            raise BadRequestError(f"{name}: all rows must have the same shape") from None
        if is_text:
            # The network takes a missing value as no text.
            array = np.where(np.equal(array, None), "", array).astype(object)
            if not all(isinstance(value, str) for value in array.flat):
                raise BadRequestError(f"{name}: rows must be text, or null where it is missing")
            self.check_shape(one, array)
            return array
        if array.dtype == object and one.type != "tensor(int64)":
            # null is a missing value.
            array = np.asarray(np.where(np.equal(array, None), np.nan, array).tolist())
        if array.dtype.kind not in ("iu" if one.type == "tensor(int64)" else "iuf"):
            raise BadRequestError(f"{name}: rows must be numbers")
        self.check_shape(one, array)
        with np.errstate(over="ignore"):
            array = array.astype(TYPES[one.type])
        if np.isinf(array).any():
            raise BadRequestError(f"{name}: rows must be finite numbers, or null where one is missing")
        return array

    @staticmethod
    def check_shape(one, array):
        """Raise an error unless rows have the shape of an input."""
        if not array.size or list(array.shape[1:]) != one.shape[1:] or array.ndim != len(one.shape):
            raise BadRequestError(f"{one.name}: rows must have the shape {one.shape}; got {list(array.shape)}")


class Service(BaseHTTPRequestHandler):
    """GET / describes the network, POST /predict computes it."""

    # Seconds to wait for a client.
    timeout = 10

    def do_GET(self):
        if self.path == "/":
            self.answer(200, self.server.model.describe())
        else:
            self.answer(404, {"error": f"there is no {self.path}: GET / or POST /predict"})

    def do_POST(self):
        if self.path != "/predict":
            self.answer(404, {"error": f"there is no {self.path}: GET / or POST /predict"})
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_REQUEST:
            self.close_connection = True
            self.answer(413, {"error": f"give a body of at most {LARGEST_REQUEST:,} bytes, with its Content-Length"})
            return
        try:
            request = json.loads(self.rfile.read(int(length)))
            self.answer(200, self.server.model.predict(request))
        except (BadRequestError, ValueError, RecursionError) as error:
            message = str(error) if isinstance(error, BadRequestError) else f"the body must be JSON: {error}"
            self.answer(400, {"error": message})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def stop(number, frame):
    raise KeyboardInterrupt


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    words = parser.parse_args()
    with ThreadingHTTPServer((words.host, words.port), Service) as server:
        server.model = Model(words.model)
        signal.signal(signal.SIGTERM, stop)
        print(f"http://{words.host}:{server.server_port}/", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")
