"""The networks of the example of MNIST are trained on a few images of the digits, enlarged to 28 x 28 pixels."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from arignote import NNClassifier
from arignote.sample_data import digits

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "mnist_graphs.py"
NETWORKS = runpy.run_path(str(SCRIPT))["NETWORKS"]


@pytest.mark.parametrize(
    ("name", "n_params"),
    [
        ("lstm", 4 * (64 * 28 + 64 * 64 + 2 * 64) + 64 * 10 + 10),
        ("residual", (16 * 9 + 16) + 4 * (16 * 16 * 9 + 2 * 16) + (16 * 10 + 10)),
    ],
)
def test_the_networks_learn_from_images_as_they_are(name, n_params):
    x, y = digits()
    images = np.pad(np.kron(x[:500].reshape(-1, 8, 8), np.ones((3, 3), np.float32)), ((0, 0), (2, 2), (2, 2)))
    classifier = NNClassifier(
        NETWORKS[name], rng=1, n_epochs=8, batch_size=16, sgd_type="adam", lr_rule=0.02, valid=0.2
    )
    classifier.fit(images, y[:500])
    assert images.shape[1:] == (28, 28) and classifier.n_params == n_params
    assert classifier.evaluate(images, y[:500], part="valid")["error"] < 0.6
