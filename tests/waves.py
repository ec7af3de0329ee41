"""A script of a user, with a reader that knows no class of ours; given a stem, an epoch and a batch it hangs there."""

from __future__ import annotations

import sys
import time

import numpy as np
from strangers import Forward

from arignote import NNClassifier
from arignote.data.epoch import order
from arignote.data.rows import selection as rows

# Windows of one chunk, as files have them that are larger than memory.
WINDOW = 256 * 12
LABELS = (np.sin(np.arange(700) * 0.7) > 0).astype(int)


class Waves(Forward):
    """Rows that are made as they are read, and counted."""

    n_read = 0

    def __init__(self):
        super().__init__(range(len(LABELS)))

    def rows(self, at, end):
        self.n_read += end - at
        return np.sin(np.arange(at, end)[:, None] * [0.1, 0.7, 1.3]).astype(np.float32)


def fit(stem, hang_at=None, **more):
    """Train on the waves, or resume; hang after a batch of an epoch."""

    def hang(event):
        if (event.kind, event.epoch, event.batch) == ("batch", *(hang_at or ())):
            print("here", flush=True)
            time.sleep(60)

    layers = [["FCLayer", {"n_units": 5}], ["DropoutLayer", {"dropout_p": 0.3}], ["ClassificationOutputLayer"]]
    settings = dict(batch_size=50, n_epochs=2, valid=0.2, sgd_type="adam", n_threads=1, checkpoint_every=1)
    settings |= dict(preprocess=[["Standardise"]], augmentation=[["Noise", {"sigma": 0.1}]])
    return NNClassifier(layers, rng=5).fit(Waves(), LABELS, checkpoint=stem, observers=hang, **settings | more)


if __name__ == "__main__":
    rows.BLOCK_BYTES = order.BLOCK_BYTES = WINDOW
    fit(sys.argv[1], (int(sys.argv[2]), int(sys.argv[3])))
