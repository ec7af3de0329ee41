"""The script of 2015, word for word but for the data, and its import paths."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

# Of the README of 2015.
SCRIPT = """
from arignote.nnets import nets
from arignote.data import files
from arignote import sample_data
layers = [["InputLayer", {"name": "input"}],           # may be given or left off
          ["FCLayer", {"name": "fc1", "n_units": 400, "activation": "prelu_shelf", "l2": 0.001}],
          ["DropoutLayer", {"name": "DO-fc1", "dropout_p": 0.5}],
          ["FCLayer", {"name": "fc2", "n_units": 400, "activation": "prelu_shelf", "l2": 0.001}],
          ["DropoutLayer", {"name": "DO-fc2", "dropout_p": 0.5}],
          ["ClassificationOutputLayer", {"name": "output", "n_classes": 10}]]
classifier = nets.NNClassifier(layers, name="MNIST MLP", rng=42)
lr_rule = {"rule": "stalled", "initial_value": 0.1, "multiply_by": 0.25, "interval": 5}
momentum_rule = {"rule": "stalled", "initial_value": 0.7, "decrease_by": -0.1, "final_value": 0.95, "interval": 5}
mnist_data = files.read_pickle(sample_data.mnist)
classifier.fit(mnist_data[0], n_epochs=50, valid=mnist_data[1], test=mnist_data[2], augmentation=None,
               checkpoint=checkpoint, sgd_type="nag", lr_rule=lr_rule, momentum_rule=momentum_rule, batch_size=128,
               train_loss="nll", valid_loss="nll", test_loss=["nll", "error"])
"""
# Modules of 2015, and names in each that a script takes from it.
PATHS = {
    "arignote.data.files": "read_pickle checkpoint_read CheckpointError",
    "arignote.data.readers": "Data DataWithHoldoutPartitions DataWithHoldoutParitions Reader ArrayReader HDFReader "
    "get_reader",
    "arignote.image.augment": "create_shift_augment alter_training_minibatch augmentation_pipeline no_augmentation",
    "arignote.image.process": "decorrelate_and_whiten ZCA",
    "arignote.nnets.activations": "Tanh Sigmoid PReLU Maxout Linear",
    "arignote.nnets.layers": "InputLayer InputImageLayer FCLayer FCMaxoutLayer LCLayer LCMaxoutLayer ConvLayer "
    "ConvMaxoutLayer MLPConvLayer DropoutLayer MaxPool2DLayer MaxPoolChannelsLayer GlobalAveragePoolLayer "
    "ClassificationOutputLayer OrdinalOutputLayer MultilabelOutputLayer BC01ToC01BLayer C01BToBC01Layer",
    "arignote.nnets.nets": "NNClassifier define_logistic_regression define_mlp define_cnn",
    "arignote.nnets.sgd_updates": "Rule",
    "arignote.sample_data": "digits",
    "arignote.util.misc": "stratified_holdout stratified_shuffle",
    "arignote.util.netlog": "setup_logging",
}


@pytest.mark.parametrize(("path", "words"), PATHS.items(), ids=PATHS)
def test_an_import_path_of_2015_has_its_names(path, words):
    module = importlib.import_module(path)
    assert [word for word in words.split() if not hasattr(module, word)] == []


@pytest.mark.slow
def test_the_script_of_2015_runs_and_its_second_run_finds_the_first(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.integers(256, size=(204, 28, 28), dtype=np.uint8), (np.arange(204) % 10).astype(np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=x[:180], y_train=y[:180], x_test=x[180:], y_test=y[180:])
    monkeypatch.setenv("ARIGNOTE_DATA", str(tmp_path))
    first, again = ({"checkpoint": str(tmp_path / "mnist.v1.pkl")} for _ in range(2))
    for names in (first, again):
        exec(SCRIPT, names)
    first, again, files = first["classifier"], again["classifier"], again["files"]
    assert first.n_epochs_ == 50 and (tmp_path / "mnist.v1_last.ckpt").exists()
    assert again.status_.startswith("finished, 50 of 50 epochs")
    # As text, since the test loss is NaN where the network is not the best so far.
    assert repr(again.history_) == repr(first.history_)
    loaded = files.checkpoint_read(str(tmp_path / "mnist.v1.pkl"))
    assert (loaded.predict_proba(x.reshape(204, -1)) == first.predict_proba(x.reshape(204, -1))).all()


def test_a_logger_of_2015_is_one_of_the_package_with_its_level():
    from arignote.util.netlog import setup_logging

    logger = setup_logging("nets", level="WARNING")
    assert logger.name == "arignote.nets" and not logger.isEnabledFor(20) and logger.isEnabledFor(30)
