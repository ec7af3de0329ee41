"""Small real data for all tests."""

from __future__ import annotations

import numpy as np
import pytest

# A command, not a test.
collect_ignore = ["resume/torture.py"]

LAYERS = [
    ["FCLayer", {"name": "fc1", "n_units": 12, "activation": "prelu_shelf", "l2": 0.001, "maxnorm": 3.0}],
    ["DropoutLayer", {"dropout_p": 0.3}],
    ["ClassificationOutputLayer", {"name": "output"}],
]


@pytest.fixture
def layers():
    return [[name, dict(params)] for name, params in LAYERS]


@pytest.fixture(scope="session")
def digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.data[:300] / 16).astype(np.float32), data.target[:300]
