"""Data that need not fit into memory: images in an HDF5 file, read in chunks while the network trains.

``python examples/larger_than_memory.py 100`` writes 100 copies of the digits, enlarged, and trains on them. A file of
more than 256 MB is never loaded as a whole: its chunks are read in random order, by a thread of its own.
"""

import sys

import h5py
import numpy as np

from arignote import NNClassifier
from arignote.sample_data import digits

n_copies = int(sys.argv[1]) if len(sys.argv) > 1 else 2
X, y = digits()
images = (255 * X).astype(np.uint8).reshape(-1, 8, 8).repeat(2, axis=1).repeat(2, axis=2)

# Written block by block, as it would be from a camera.
with h5py.File("digits16.h5", "w") as file:
    stored = file.create_dataset("images", (0, 16, 16), "u1", maxshape=(None, 16, 16), chunks=(256, 16, 16))
    labels = file.create_dataset("labels", (0,), "i8", maxshape=(None,), chunks=(4096,))
    for _ in range(n_copies):
        stored.resize(len(stored) + len(images), axis=0)
        labels.resize(len(stored), axis=0)
        stored[-len(images) :], labels[-len(images) :] = images, y
    print(f"rows: {len(stored)}, {stored.nbytes / 1e6:.1f} MB")

layers = [
    ["InputImageLayer", {"n_pixels": 16}],
    ["ConvLayer", {"n_output_maps": 8, "filter_shape": 5, "activation": "relu"}],
    ["MaxPool2DLayer", {"pool_shape": 2}],
    ["ClassificationOutputLayer"],
]
settings = {"sgd_type": "adam", "lr_rule": 0.005, "n_epochs": 2, "preprocess": [["Scale", {"divide_by": 255}]]}
classifier = NNClassifier(layers, rng=1, **settings).fit("digits16.h5:/images", "digits16.h5:/labels", valid=0.1)
for row in classifier.history_:
    print(f"epoch {row['epoch']}: validation error {row['valid_error']:.1%}")
