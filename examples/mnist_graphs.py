"""MNIST by an LSTM that reads images row by row, or by a residual network: ``python examples/mnist_graphs.py lstm 4``.

The name is lstm or residual, the number that of epochs. Runs are kept in runs/; a killed one resumes.
"""

import sys

from arignote import NNClassifier, sample_data
from arignote.data import files

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


def main(name: str = "lstm", n_epochs: str = "4") -> None:
    """Train a network and print its error on the 10,000 images of the test."""
    train, valid, test = ((x.reshape(-1, 28, 28), y) for x, y in files.read_pickle(sample_data.mnist))
    settings = {"sgd_type": "adam", "batch_size": 128, "verbose": True, "checkpoint": f"runs/mnist_{name}"}
    classifier = NNClassifier(NETWORKS[name], rng=1, n_epochs=int(n_epochs), **settings)
    classifier.fit(*train, valid=valid)
    print(f"{name}: {classifier.n_params:,} parameters, test error {classifier.evaluate(*test)['error']:.2%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
