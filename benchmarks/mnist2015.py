"""The README script of 2015, unchanged but for the checkpoint: test error at the best validation, and wall time.

Run with the folder of mnist.npz in the environment variable ARIGNOTE_DATA.
"""

import sys
import tempfile
import time
from pathlib import Path

from arignote import sample_data
from arignote.data import files
from arignote.nnets import nets

checkpoint = str(Path(tempfile.mkdtemp()) / "mnist")
layers = [
    ["InputLayer", {"name": "input"}],
    ["FCLayer", {"name": "fc1", "n_units": 400, "activation": "prelu_shelf", "l2": 0.001}],
    ["DropoutLayer", {"name": "DO-fc1", "dropout_p": 0.5}],
    ["FCLayer", {"name": "fc2", "n_units": 400, "activation": "prelu_shelf", "l2": 0.001}],
    ["DropoutLayer", {"name": "DO-fc2", "dropout_p": 0.5}],
    ["ClassificationOutputLayer", {"name": "output", "n_classes": 10}],
]
classifier = nets.NNClassifier(layers, name="MNIST MLP", rng=42)
lr_rule = {"rule": "stalled", "initial_value": 0.1, "multiply_by": 0.25, "interval": 5}
momentum_rule = {"rule": "stalled", "initial_value": 0.7, "decrease_by": -0.1, "final_value": 0.95, "interval": 5}
mnist_data = files.read_pickle(sample_data.mnist)
began = time.perf_counter()
classifier.fit(
    mnist_data[0],
    n_epochs=int(sys.argv[1]) if len(sys.argv) > 1 else 50,
    valid=mnist_data[1],
    test=mnist_data[2],
    augmentation=None,
    checkpoint=checkpoint,
    sgd_type="nag",
    lr_rule=lr_rule,
    momentum_rule=momentum_rule,
    batch_size=128,
    train_loss="nll",
    valid_loss="nll",
    test_loss=["nll", "error"],
)
best = min(classifier.history_, key=lambda record: record["valid_nll"])
print(f"test error {100 * best['test_error']:.2f} % at epoch {best['epoch']}; {time.perf_counter() - began:.0f} s")
