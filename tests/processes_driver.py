"""Fits that torchrun starts several processes of, or one process alone: ``processes_driver.py FOLDER CASE...``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import h5py
import numpy as np

from arignote import NNClassifier
from arignote.checkpoints.tensors import tensors_sha256
from arignote.data import HDFReader
from arignote.launch import is_first_process

N_ROWS = 203
DENSE = [["FCLayer", {"n_units": 24, "activation": "relu", "l2": 1e-3}], ["DropoutLayer", {"dropout_p": 0.3}]]
NORM = [
    ["InputImageLayer", {"n_pixels": [4, 3]}],
    ["ConvLayer", {"n_output_maps": 4, "filter_shape": 3}],
    ["BatchNormLayer"],
]
LSTM = [["InputLayer", {"n_in": [4, 3]}], ["LSTMLayer", {"n_units": 6, "only_last": True}]]
AUGMENTED = {"augmentation": [["Noise", {"sigma": 0.1}]], "n_workers": 2}
# Layers, and settings; batches of 24 rows, so that the last one has 3: one shard of four is empty.
CASES = {
    "dense": (DENSE, {"sgd_type": "adam", "valid_loss": ["nll", "f1_macro"], "test": 0.1}),
    "norm": (NORM, AUGMENTED | {"sgd_type": "nag", "average": {"kind": "ema", "decay": 0.9}}),
    "lstm": (LSTM, {"accumulate": 2, "sgd_max_grad_norm": 1.0, "validation_frequency": 100}),
    "bf16": (DENSE, {"precision": "bf16", "class_weight": "balanced"}),
    "hdf5": (DENSE, AUGMENTED | {"final_epochs": 1, "monitor": ["grad_norm"]}),
    "two": (DENSE, {"shards": 2}),
}


def data(folder: Path, case: str):
    """Return the arrays of a case, or the reader of the file that `write` has written."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N_ROWS, 12)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    if case != "hdf5":
        return x.reshape(-1, 4, 3) if case == "lstm" else x, y
    return HDFReader(folder / "x.h5", "x"), y


def write(folder: Path) -> None:
    """Write the features to a file with chunks of 16 rows."""
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("x", data=data(folder, "dense")[0], chunks=(16, 12))


def fitted(folder: Path, case: str, n_epochs: int = 3, stem: str = "", **more):
    """Return the estimator of a case, whose run is in the folder."""
    layers, settings = CASES[case]
    settings = (
        {"shards": 4, "batch_size": 24, "n_epochs": n_epochs, "valid": 0.2, "lr_rule": 0.05, "n_threads": 1}
        | settings
        | more
    )
    estimator = NNClassifier([*layers, ["ClassificationOutputLayer"]], rng=3, **settings)
    # With class weights.
    weights = np.random.default_rng(1).uniform(0.5, 2, N_ROWS) if case == "bf16" else None
    x, y = data(folder, case)
    return estimator.fit(x, y, sample_weight=weights, checkpoint=str(folder / (stem or case)), checkpoint_every=2)


def digests(estimator) -> str:
    """Return the digests of network, slots and history."""
    state = estimator.state_
    return " ".join((*map(tensors_sha256, (state.network, state.slots)), state.history.sha256()))


if __name__ == "__main__":
    for word in sys.argv[2:]:
        case, _, n_epochs = word.partition(":")
        more = {}
        if case == "different":
            # Each process has another learning rate.
            more = {"lr_rule": 0.1 + int(os.environ["RANK"]), "stem": case}
        elif case == "ranks":
            more = {"shards": "ranks", "stem": case}
        text = f"{case} {digests(fitted(Path(sys.argv[1]), 'two' if more else case, int(n_epochs or 3), **more))}"
        if is_first_process():
            print(text, flush=True)
