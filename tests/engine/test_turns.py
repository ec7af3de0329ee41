"""Threads of one process that fit and predict at once: each computes in its own setup, with its own numbers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from promise import digest

from arignote import NNClassifier

X = np.random.default_rng(0).normal(size=(600, 20)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
SEEN: dict[str, set[tuple[int, str]]] = {}


def noisy(name):
    """Return an activation that draws, and records in what it is computed."""

    def activation(x):
        SEEN.setdefault(name, set()).add((torch.get_num_threads(), torch.backends.mkldnn.matmul.fp32_precision))
        return torch.tanh(x) + torch.rand_like(x)

    return activation


def fit(name="", **settings):
    activation = noisy(name) if name else "tanh"
    layers = [
        ["FCLayer", {"n_units": 30, "activation": activation}],
        ["DropoutLayer", {"dropout_p": 0.5}],
        ["ClassificationOutputLayer"],
    ]
    return NNClassifier(layers, rng=1, n_epochs=2, valid=0.2, **settings).fit(X, Y)


def state():
    """Return what is of the process."""
    matmul = torch.backends.mkldnn.matmul.fp32_precision
    return torch.get_num_threads(), matmul, torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()


def in_threads(functions):
    """Return what each function returns, all called at once in threads of their own."""
    barrier = threading.Barrier(len(functions))

    def run(function):
        barrier.wait()
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(run, functions))


# Threads, and what products of matrices are computed in.
SETUPS = {
    "one": ({"n_threads": 1}, (1, "ieee")),
    "three": ({"n_threads": 3}, (3, "ieee")),
    "short": ({"n_threads": 1, "precision": "bf16_matmul"}, (1, "bf16")),
}


@pytest.fixture(scope="module")
def fitted():
    return {name: fit(name, **settings) for name, (settings, _) in SETUPS.items()}


def test_eight_threads_predict_the_same_bits_as_one_and_leave_the_process_as_it_was(fitted):
    alone = {name: one.predict_proba(X) for name, one in fitted.items()}
    names = [*fitted] * 2 + ["one", "three"]
    before = state()
    SEEN.clear()
    for _ in range(3):
        found = in_threads([lambda one=fitted[name]: one.predict_proba(X) for name in names])
        assert all(np.array_equal(alone[name], p) for name, p in zip(names, found, strict=True))
    assert {name: {setup} for name, (_, setup) in SETUPS.items()} == SEEN
    assert state() == before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* is defined only in this script")
def test_a_loaded_network_predicts_in_the_threads_and_the_precision_of_its_fit(fitted, tmp_path):
    fitted["short"].set_params(checkpoint=str(tmp_path / "run"), n_threads=2).fit(X, Y, resume="fresh")
    loaded = NNClassifier.load(str(tmp_path / "run"), layers=fitted["short"].layers)
    SEEN.clear()
    assert np.array_equal(loaded.predict_proba(X), fitted["short"].predict_proba(X))
    assert {"short": {(2, "bf16")}} == SEEN


@pytest.mark.slow
def test_fits_and_predictions_in_threads_end_in_the_same_bits_as_one_after_the_other():
    settings = ({"n_threads": 1}, {"n_threads": 1, "precision": "bf16_matmul"}, {"n_threads": 2, "sgd_type": "adam"})
    alone = [fit(**one) for one in settings]
    p = alone[1].predict_proba(X)
    before = state()
    predict = [lambda: [alone[1].predict_proba(X) for _ in range(5)]] * 2
    *ended, first, second = in_threads([*(lambda one=one: fit(**one) for one in settings), *predict])
    assert [digest(one) for one in ended] == [digest(one) for one in alone]
    assert all(np.array_equal(p, one) for one in [*first, *second])
    assert state() == before
