"""The promise for sequences: lists of arrays, offsets, masks and tokens, in every order of the rows."""

from __future__ import annotations

import signal
from functools import partial

import forked
import numpy as np
import pytest
from chunked_rows import Chunked
from promise import digest, resumes_after_every_batch

from arignote import NNClassifier

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(2)
N_ROWS = 47
LENGTHS = RNG.integers(1, 8, N_ROWS)
ROWS = [RNG.normal(size=(n, 2)).astype(np.float32) for n in LENGTHS]
TOKENS = RNG.integers(0, 5, (N_ROWS, 6))
VALUES, OFFSETS = np.concatenate(ROWS), np.concatenate([[0], np.cumsum(LENGTHS)])
MASK = RNG.random((N_ROWS, 6)) < 0.7
MASK[:, 2] = True
Y = np.array([int(row[:, 0].sum() > 0) for row in ROWS])
SETTINGS = {"n_epochs": 2, "batch_size": 11, "valid": 0.2, "n_threads": 1}
DROPOUT = ["DropoutLayer", {"dropout_p": 0.3}]
OUTPUT = ["ClassificationOutputLayer"]
LSTM = [
    ["LSTMLayer", {"n_units": 4, "bidirectional": True}],
    DROPOUT,
    ["GRULayer", {"n_units": 3, "only_last": True}],
    OUTPUT,
]
LISTS = [["InputLayer", {"lengths": True}], *LSTM]
AT_OFFSETS = [["InputLayer", {"channel": "x", "offsets": "at"}], *LSTM]
WORDS = [
    ["InputLayer", {"channel": "x", "mask": "m"}],
    ["EmbeddingLayer", {"n_tokens": 5, "n_units": 3}],
    DROPOUT,
    ["RecurrentLayer", {"n_units": 3, "backwards": True, "only_last": True}],
    OUTPUT,
]
EACH_STEP = [
    ["InputLayer", {"lengths": True}],
    LSTM[0],
    DROPOUT,
    ["ClassificationOutputLayer", {"per_step": True, "name": "signs"}],
    ["GRULayer", {"n_units": 3, "only_last": True}],
    ["RegressionOutputLayer", {"name": "total"}],
]
CASES = {
    "targets of each step and of the row": (EACH_STEP, ROWS, {"sgd_type": "adam"}),
    "lists": (LISTS, ROWS, {"sgd_type": "adam"}),
    "lists, not shuffled": (LISTS, ROWS, {"sgd_type": "nag", "shuffle": False}),
    "lists, preprocessed and augmented": (
        LISTS,
        ROWS,
        {"preprocess": ["Standardise"], "augmentation": [["Noise", {"sigma": 0.1, "channel": "x"}]]},
    ),
    "chunks of a file": (AT_OFFSETS, {"x": Chunked(VALUES, 13), "at": OFFSETS}, {"sgd_type": "adam"}),
    "chunks of a file in their order": (AT_OFFSETS, {"x": Chunked(VALUES, 13), "at": OFFSETS}, {"shuffle": False}),
    "chunks of a file, shuffled freely": (AT_OFFSETS, {"x": Chunked(VALUES, 13), "at": OFFSETS}, {"shuffle": "full"}),
    "tokens with holes, accumulated": (WORDS, {"x": TOKENS, "m": MASK}, {"sgd_type": "rmsprop", "accumulate": 2}),
}


def fit(case, **more):
    layers, x, settings = CASES[case]
    sums = [np.cumsum(row[:, 0]) for row in ROWS]
    y = {"signs": [one > 0 for one in sums], "total": [one[-1] for one in sums]} if layers is EACH_STEP else Y
    return NNClassifier(layers, rng=7).fit(x, y, **SETTINGS | settings | more)


@pytest.mark.parametrize("case", CASES)
def test_stopped_after_every_batch_twice_it_ends_in_the_same_network(case, tmp_path):
    resumes_after_every_batch(partial(fit, case), tmp_path)


SCRIPT = """
import os, signal
import numpy as np
from arignote import NNClassifier

def observer(event):
    if event.kind == "batch" and (event.epoch, event.batch) == (1, 2):
        os.kill(os.getpid(), signal.SIGKILL)

found = np.load("data.npz")
x = np.split(found["values"], found["offsets"][1:-1])
NNClassifier({layers!r}, rng=7).fit(
    x, found["y"], **{settings!r}, checkpoint="run", checkpoint_every=1, observers=observer
)
"""


def test_killed_by_sigkill_it_ends_in_the_same_network(tmp_path):
    layers, _, settings = CASES["lists"]
    np.savez(tmp_path / "data.npz", values=VALUES, offsets=OFFSETS, y=Y)
    ended = forked.run(["-c", SCRIPT.format(layers=layers, settings=SETTINGS | settings)], cwd=tmp_path)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    resumed = fit("lists", checkpoint=str(tmp_path / "run"))
    assert digest(resumed) == digest(fit("lists")) and len(resumed.state_.starts) == 2


def test_other_lengths_are_other_data(tmp_path):
    stem = str(tmp_path / "run")
    fit("lists", checkpoint=stem, n_epochs=1)
    others = [row if n != 3 else row[:-1] for n, row in enumerate(ROWS)] if LENGTHS[3] > 1 else ROWS[::-1]
    with pytest.raises(Exception, match=r"data\.train"):
        NNClassifier(LISTS, rng=7).fit(others, Y, **SETTINGS | {"sgd_type": "adam"}, checkpoint=stem)
