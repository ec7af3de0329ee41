"""Train with six parts of one's own: ``python examples/own_parts/train.py``. Kill it and run it again: it resumes."""

from pathlib import Path

import numpy as np
from mask_augmentation import Mask
from power_decay_rule import PowerDecay
from record_reader import RecordReader
from rms_norm_layer import RMSNormLayer
from signum_updater import Signum
from smoothed_loss import SmoothedLoss

from arignote import NNClassifier
from arignote.registry import part_name
from arignote.sample_data import digits


def fit(folder="runs", **settings):
    """Write the digits as a file of records, and train on it."""
    path = Path(folder, "digits.bin")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        features, labels = digits()
        path.write_bytes(np.column_stack([labels, features * 16]).astype("u1").tobytes())
    layers = [["FCLayer", {"n_units": 32, "activation": "relu"}], RMSNormLayer(), ["ClassificationOutputLayer"]]
    classifier = NNClassifier(
        layers,
        rng=42,
        batch_size=64,
        train_loss=part_name(SmoothedLoss),
        sgd_type=Signum(beta=0.95),
        lr_rule=PowerDecay(initial_value=0.002),
        augmentation=Mask(p=0.05),
    )
    settings = {"n_epochs": 5, "checkpoint": str(Path(folder, "own_parts"))} | settings
    return classifier.fit(RecordReader(path, 64), RecordReader(path, 64, "labels"), valid=0.2, **settings)


if __name__ == "__main__":
    print(fit().status_)
