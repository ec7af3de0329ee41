"""The promise for parameters that are fixed: in 2015 a resume with fix_params raised."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from promise import resumes_after_every_batch

from arignote import NNClassifier

N_ROWS = 61
# 49 rows to train on, in batches of 13, 13, 13 and 10.
SETTINGS = {"n_epochs": 2, "batch_size": 13, "valid": 0.2, "n_threads": 1}
X = np.random.default_rng(1).normal(size=(N_ROWS, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def fc(name, n_units=6, activation="tanh", **more):
    return ["FCLayer", {"name": name, "n_units": n_units, "activation": activation} | more]


OUTPUT = ["ClassificationOutputLayer", {"name": "output"}]
NORM = {"module": "torch.nn:BatchNorm1d", "params": {"num_features": 6}}
CASES = {
    "lower layers": ([fc("a", fix_params=True), fc("b", fix_params=True), OUTPUT], {"sgd_type": "nag"}),
    "upper layers": (
        [fc("a"), fc("b", fix_params=["W"]), ["ClassificationOutputLayer", {"fix_params": True, "W": "he_normal"}]],
        {"sgd_type": "adam"},
    ),
    "slopes": (
        [fc("a", activation="prelu", fix_params=["a"]), ["ActivationLayer", {"fix_params": True}], OUTPUT],
        {"sgd_type": "adadelta"},
    ),
    "norms": (
        [
            fc("a"),
            ["BatchNormLayer", {"fix_params": ["gamma", "beta"]}],
            fc("b"),
            ["BatchNormLayer", {"fix_params": True}],
            OUTPUT,
        ],
        {"sgd_type": "momentum", "sgd_max_grad_norm": 0.5},
    ),
    "modules": (
        [fc("a"), ["TorchLayer", NORM | {"fix_params": ["w"]}], ["TorchLayer", NORM | {"fix_params": True}], OUTPUT],
        {"sgd_type": "rmsprop", "lr_rule": 0.01},
    ),
    "blocks and shared weights": (
        [
            [
                "Block",
                {"name": "res", "repeat": 2, "layers": [fc("one", fix_params=["b"]), fc("two", fix_params=True)]},
            ],
            fc("c", fix_params=["W"]),
            fc("d", share="c"),
            OUTPUT,
        ],
        {"sgd_type": "nag"},
    ),
    "recurrent": (
        [["LSTMLayer", {"n_units": 3, "n_layers": 2, "fix_params": ["W_rec", "b_in1"]}], OUTPUT],
        {"sgd_type": "adam", "lr_rule": 0.01},
    ),
    "all": (
        [fc("a", fix_params=True), ["ClassificationOutputLayer", {"fix_params": True, "W": "he_normal"}]],
        {"sgd_type": "sgd"},
    ),
}


def fit(case, **more):
    layers, settings = CASES[case]
    x = X.reshape(-1, 2, 3) if case == "recurrent" else X
    return NNClassifier(layers, rng=7).fit(x, Y, **SETTINGS | settings | more)


def is_fixed(layer, param):
    fixed = getattr(layer, "fix_params", False)
    return fixed if isinstance(fixed, bool) else any(param.startswith(word) for word in fixed)


@pytest.mark.parametrize("case", CASES)
def test_fixed_parameters_are_those_of_the_start_and_have_no_slots(case):
    start, end = fit(case, n_epochs=0), fit(case)
    placed = {place.name: place for place in end.network_.architecture.placed}
    for name, values in end.params.items():
        layer, _, param = name.partition(".")
        place = placed[layer]
        is_module = "Torch" in type(place.layer).__name__ and not place.params[param].trained
        stays = is_fixed(place.layer, param) and (not is_module or place.layer.fix_params is True)
        assert np.array_equal(values, start.params[name]) == stays, name
        slots = [slot for slot in end.state_.slots if slot.partition("/")[2] == name]
        has_slots = place.params[param].trained and not stays and case != "all"
        assert bool(slots) == has_slots, name


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if case != "all"])
def test_stopped_after_every_batch_twice_it_ends_in_the_same_network(case, tmp_path):
    resumes_after_every_batch(partial(fit, case), tmp_path)
