"""MNIST by an LSTM that reads the images row by row, and by a residual network: ``python examples/mnist_graphs.py lstm``.

The name of a network, lstm or residual, and the number of epochs may be given. Runs are kept in runs/, and killed ones resume.
"""

import sys

import numpy as np

from arignote import NNClassifier
from arignote.sample_data import mnist

CONV = ["ConvLayer", {"n_output_maps": 16, "filter_shape": 3, "pad": "same", "activation": "linear", "use_bias": False}]
RELU = ["ActivationLayer", {"activation": "relu"}]
BLOCK = [CONV, ["BatchNormLayer"], RELU, CONV, ["BatchNormLayer"], ["SumLayer", {"inputs": ["in", "norm2"]}], RELU]
NETWORKS = {
    # Each image is a sequence of 28 rows of 28 pixels.
    "lstm": [["LSTMLayer", {"n_units": 64, "only_last": True}], ["ClassificationOutputLayer"]],
    "residual": [
        ["InputImageLayer", {"n_pixels": 28}],
        ["ConvLayer", {"n_output_maps": 16, "filter_shape": 3, "activation": "relu"}],
        ["MaxPool2DLayer", {"pool_shape": 2}],
        ["Block", {"name": "res", "repeat": 2, "layers": BLOCK}],
        ["GlobalAveragePoolLayer"],
        ["ClassificationOutputLayer"],
    ],
}


def images(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (rows, 28, 28) in [0, 1], and their digits, of "train" or "test"."""
    with np.load(mnist) as found:
        return (found[f"x_{part}"] / 255).astype(np.float32), found[f"y_{part}"]


def main(name: str = "lstm", n_epochs: str = "4") -> None:
    """Train a network and print its error on the 10,000 images of the test."""
    settings = {"sgd_type": "adam", "batch_size": 128, "valid": 1 / 6, "partition": "contiguous"}
    classifier = NNClassifier(
        NETWORKS[name], rng=1, n_epochs=int(n_epochs), checkpoint=f"runs/mnist_{name}", **settings
    )
    classifier.fit(*images("train"), verbose=True)
    print(f"{name}: {classifier.n_params:,} parameters, test error {classifier.evaluate(*images('test'))['error']:.2%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
