"""The promise over all that a run may be made of: every pair of choices stands together in at least one run."""

from __future__ import annotations

from functools import partial
from itertools import combinations, product

import h5py
import numpy as np
import pandas as pd
import pytest
from promise import resumes_after_every_batch
from strangers import Forward

from arignote import NNClassifier, NNRegressor
from arignote.data import HDFReader
from arignote.data.epoch import order
from arignote.data.readers.hdf import blocks
from arignote.data.readers.user_reader import UserReader
from arignote.data.rows import selection as rows

pytestmark = pytest.mark.slow

N_ROWS, BATCH_SIZE, N_EPOCHS = 61, 12, 3


def noisy(x, y, rng):
    return x + rng.normal(size=x.shape).astype(np.float32) / 10, y


CONVOLUTIONS = [
    ["InputImageLayer", {"n_pixels": [2, 3]}],
    ["ConvLayer", {"n_output_maps": 3, "filter_shape": [2, 1], "activation": "relu"}],
    ["MaxPool2DLayer", {"pool_shape": [1, 2], "stride": 1}],
    ["ConvLayer", {"n_output_maps": 2, "filter_shape": 1}],
]
OUTPUTS = {
    "classes": ["ClassificationOutputLayer"],
    "numbers": ["RegressionOutputLayer"],
    "flags": ["MultilabelOutputLayer"],
    "ranks": ["OrdinalOutputLayer", {"ranks": ["low", "middle", "high"]}],
    "same": ["RegressionOutputLayer", {"target": "same"}],
}
CHOICES = {
    "target": list(OUTPUTS),
    "sgd_type": [
        *("sgd", "momentum", "nag", "rmsprop", "adagrad", "adadelta", "amsgrad", "adamw", "adamax", "nadam", "radam"),
        *(["adam", {"beta1_decay": 0.75}], ["lion", {"weight_decay": 0.5}]),
    ],
    "lr_rule": [
        0.05,
        {"rule": "fixed", "initial_value": 0.1, "multiply_by": 0.5, "schedule": [1]},
        {"rule": "stalled", "initial_value": 0.1, "multiply_by": 0.5, "interval": 1},
        {"rule": "annealer", "initial_value": 0.1, "interval": 1, "train_threshold": 0.5, "roll_back": "train"},
        {"rule": "one_cycle", "initial_value": 0.01, "middle_value": 0.1, "final_value": 0.001, "n_updates": 11},
        {
            "rule": "warmup",
            "initial_value": 0.01,
            "n_updates": 7,
            "then": {"rule": "stalled", "initial_value": 0.1, "multiply_by": 0.5, "interval": 1},
        },
    ],
    "precision": ["float32", "bf16_matmul", "bf16", "fp16"],
    "network": ["dense", "convolutions", "convolutions, channels first"],
    "disturbed": [
        [],
        ["DropoutLayer", {"dropout_p": 0.3}],
        ["BatchNormLayer", {}],
        ["GaussianNoiseLayer", {}],
        ["LayerNormLayer", {}],
    ],
    "threads": [None, 0, 1, 4],
    "source": ["arrays", "hdf", "forward", "table"],
    "augmentation": [noisy, [["Noise", {"sigma": 0.1}], ["Brightness", {"max_delta": 0.2}]]],
    "shuffle": [True, False],
    "drop_last": [True, False],
    "accumulate": [1, 2],
    "validation_frequency": [None, 30],
    "stop_rule": [None, {"rule": "stalled", "interval": 1}],
    "momentum_rule": [
        None,
        {"rule": "fixed", "initial_value": 0.5, "decrease_by": -0.1, "final_value": 0.9, "interval": 1},
        {"rule": "linear", "initial_value": 0.5, "final_value": 0.9, "n_epochs": 2},
    ],
    "sgd_max_grad_norm": [None, 0.5],
    "rules": [
        None,
        {
            "fc1.lr_factor": ["linear", {"final_value": 0.5, "n_updates": 5}],
            "sgd_max_grad_value": {"rule": "fixed", "initial_value": 0.02, "multiply_by": 0.5, "interval": 1},
        },
    ],
    "fixed": [{}, {"fix_params": True, "thaw_at": 1}],
    "monitor": [None, ["grad_norm", "output"]],
    "sgd_max_grad_value": [None, 0.01],
    "dense": [{}, {"lr_factor": 0.25}, {"nonnegative": True}],
    "average": [None, {"kind": "ema", "decay": 0.8, "warmup": True}, {"kind": "swa", "start": 2}],
    "final_epochs": [0, 1],
    "shards": [1, 3],
}


def pairwise(choices):
    """Return runs so that every pair of choices of two words is in one of them (greedy, always the same)."""
    words = list(choices)
    numbers = {word: range(len(choices[word])) for word in words}
    missing = {((a, i), (b, j)) for a, b in combinations(words, 2) for i, j in product(numbers[a], numbers[b])}
    runs = []
    while missing:
        run = dict(min(missing))
        for word in words:
            if word not in run:
                run[word] = max(numbers[word], key=lambda n, word=word: len(covered(run | {word: n}, words) & missing))
        missing -= covered(run, words)
        runs.append(run)
    return runs


def covered(run, words):
    known = [(word, run[word]) for word in words if word in run]
    return set(combinations(known, 2))


RUNS = pairwise(CHOICES)


def spec(run):
    settings = {word: CHOICES[word][number] for word, number in run.items()}
    disturbed, threads, augmentation = (settings.pop(word) for word in ("disturbed", "threads", "augmentation"))
    dense = settings.pop("dense")
    target = settings.pop("target")
    if settings.pop("source") == "table":
        # Six columns, as of the arrays: four of numbers, and one of text with two values.
        settings["preprocess"] = [["Impute", {}], ["Standardise", {}], ["OneHot", {}]]
    if target == "numbers":
        settings |= {"missing_targets": True, "valid_loss": ["r2", "rmse"]}
    elif target == "classes":
        settings["valid_loss"] = ["f1_macro", "nll"]
    if settings["sgd_type"] not in ("momentum", "nag"):
        settings["momentum_rule"] = None
    if threads is not None:
        settings |= {"augmentation": augmentation, "n_workers": threads}
    network = settings.pop("network")
    settings["channels_last"] = False if network.endswith("first") else "auto"
    below = [] if network == "dense" else CONVOLUTIONS
    layers = [
        *below,
        ["FCLayer", {"n_units": 5, **dense, **settings.pop("fixed")}],
        *([disturbed] if disturbed else []),
        OUTPUTS[target],
    ]
    return layers, settings


@pytest.fixture(autouse=True)
def many_windows(monkeypatch):
    """What is not in memory comes in chunks of 7 rows, of which a window has two."""
    monkeypatch.setattr(rows, "BLOCK_BYTES", 2 * 7 * 24)
    monkeypatch.setattr(order, "BLOCK_BYTES", 2 * 7 * 24)
    monkeypatch.setattr(blocks, "_READ_BYTES", 7 * 24)
    monkeypatch.setattr(UserReader, "chunk_rows", 7)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("matrix") / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=data()[0], chunks=(7, 6), compression="gzip")
    return path


def data(target="classes"):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N_ROWS, 6)).astype(np.float32)
    score = x[:, 0] + 0.3 * rng.normal(size=N_ROWS)
    numbers = np.column_stack([100 + 20 * score, x[:, 1] ** 2])
    # Rows without a number are left out, others count for one column.
    numbers[[5, 20]] = numbers[[1, 30], 0] = numbers[[2, 40, 41], 1] = np.nan
    return x, {
        "classes": (score > 0).astype(np.int64),
        "numbers": numbers,
        "flags": np.column_stack([score > 0, x[:, 1] > 0.5, x[:, 2] > -1]),
        "ranks": np.array(["low", "middle", "high"])[np.digitize(score, [-0.5, 0.5])],
        "same": None,
    }[target]


def mixed(x):
    """Return a table with a column of text, and with numbers that are missing."""
    table = pd.DataFrame(x[:, :4]).assign(word=np.where(x[:, 5] > 0, "high", "low"))
    table.columns = list("abcde")
    table.loc[3::7, "b"] = np.nan
    return table


def fit(run, table, **more):
    layers, settings = spec(run)
    target = CHOICES["target"][run["target"]]
    x, y = data(target)
    source = CHOICES["source"][run["source"]]
    x = HDFReader(table, "x") if source == "hdf" else Forward(x) if source == "forward" else x
    x = mixed(x) if source == "table" else x
    cls = NNRegressor if target in ("numbers", "same") else NNClassifier
    estimator = cls(layers, rng=7, batch_size=BATCH_SIZE, n_epochs=N_EPOCHS, n_threads=1)
    return estimator.fit(x, y, valid=0.2, test=0.1, **settings, **more)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: "-".join(map(str, run.values())))
def test_stopped_after_every_batch_twice_it_ends_in_the_same_network(run, table, tmp_path):
    resumes_after_every_batch(partial(fit, run, table), tmp_path)


def test_every_pair_of_choices_is_in_a_run():
    words = list(CHOICES)
    found = set().union(*(covered(run, words) for run in RUNS))
    n_pairs = sum(len(CHOICES[a]) * len(CHOICES[b]) for a, b in combinations(words, 2))
    # As many runs as the two longest lists of choices have pairs are needed in any case.
    longest = sorted(map(len, CHOICES.values()))[-2:]
    assert len(found) == n_pairs and len(RUNS) < 1.2 * longest[0] * longest[1]
