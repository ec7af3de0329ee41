"""The promise for parameters that are fixed, for ever or for some epochs: in 2015 a resume with fix_params raised."""

from __future__ import annotations

import random
import time
from functools import partial
from pathlib import Path

import forked
import numpy as np
import pytest
from promise import digest, resumes_after_every_batch

from arignote import ConfigError, NNClassifier
from arignote.report.inspection import inspection

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


LATE = {"fix_params": True, "thaw_at": 1}
THAWED = {
    # Lower layers, which are not walked through before; two layers, of which each has a thaw of its own.
    "adam": ([fc("a", fix_params=True, thaw_at=2), fc("b", **LATE), OUTPUT], {"sgd_type": "adam", "n_epochs": 3}),
    "adam, one parameter": ([fc("a", fix_params=["W"], thaw_at=1), fc("b"), OUTPUT], {"sgd_type": "adam"}),
    "nag, penalised": (
        [fc("a", l2=0.01, l1=0.001, maxnorm=0.5, **LATE), ["DropoutLayer", {"dropout_p": 0.3}], OUTPUT],
        {"sgd_type": "nag", "sgd_max_grad_norm": 0.5},
    ),
    "adadelta, accumulated, validated in mid-epoch": (
        [fc("a", **LATE), fc("b", share="a"), OUTPUT],
        {"sgd_type": "adadelta", "accumulate": 2, "validation_frequency": 30},
    ),
    "norms and modules": (
        [
            fc("a", **LATE),
            ["BatchNormLayer", LATE],
            ["TorchLayer", NORM | LATE],
            ["ActivationLayer", LATE],
            ["FCMaxoutLayer", {"n_units": 4, "maxout_k": 2} | LATE],
            OUTPUT,
        ],
        {"sgd_type": "adam"},
    ),
    "averaged": (
        [fc("a", **LATE), ["BatchNormLayer", {}], OUTPUT],
        {"sgd_type": "adam", "average": ["ema", {"decay": 0.5}]},
    ),
    "half precision": ([fc("a", **LATE), fc("b"), OUTPUT], {"sgd_type": "adam", "precision": "fp16"}),
    "all": ([fc("a", **LATE), ["ClassificationOutputLayer", LATE | {"W": "he_normal"}]], {"sgd_type": "adam"}),
}


def thaw(case, **more):
    layers, settings = THAWED[case]
    return NNClassifier(layers, rng=7).fit(X, Y, **SETTINGS | settings | more)


@pytest.mark.slow
@pytest.mark.parametrize("case", THAWED)
def test_stopped_after_every_batch_around_a_thaw_it_ends_in_the_same_network(case, tmp_path):
    resumes_after_every_batch(partial(thaw, case), tmp_path)


def test_until_the_thaw_a_run_is_that_of_a_network_whose_layers_stay_fixed():
    layers = [fc("a", fix_params=True), fc("b", fix_params=True), OUTPUT]
    settings = SETTINGS | {"sgd_type": "adam", "n_epochs": 1}
    fixed = NNClassifier(layers, rng=7).fit(X, Y, **settings)
    ended = thaw("adam")
    assert [ended.history_[0][name] == fixed.history_[0][name] for name in ("train_nll", "valid_nll")] == [True, True]
    # Four updates an epoch.
    assert ended.state_.thawed == {"b": 4, "a": 8} and fixed.state_.thawed == {}
    for name in ("a.W", "b.W"):
        assert not np.array_equal(ended.params[name], fixed.params[name])


def test_a_run_whose_epochs_are_raised_ends_as_one_that_had_them_from_the_start(tmp_path):
    stem = str(tmp_path / "run")
    thaw("adam, one parameter", n_epochs=2, checkpoint=stem)
    raised = thaw("adam, one parameter", n_epochs=4, checkpoint=stem)
    assert digest(raised) == digest(thaw("adam, one parameter", n_epochs=4))
    # Fewer than it has done: its result, though the thaw comes after the last of these.
    assert thaw("adam, one parameter", n_epochs=1, checkpoint=stem).n_epochs_ == 4


def test_a_thaw_that_no_epoch_reaches_is_refused_before_training(tmp_path):
    with pytest.raises(ConfigError, match="a: thaw_at must be less than n_epochs, 2, or the layer is never trained"):
        thaw("adam", n_epochs=2, checkpoint=str(tmp_path / "run"))
    assert not list(tmp_path.glob("*.ckpt"))


def test_the_state_says_what_is_thawed(tmp_path):
    stem = str(tmp_path / "run")
    thaw("adam", checkpoint=stem)
    assert inspection(stem)["thawed"] == {"b": 4, "a": 8}
    loaded = NNClassifier.load(stem)
    assert digest(loaded.fit(X, Y, valid=0.2, n_epochs=4)) == digest(thaw("adam", n_epochs=4))


@pytest.mark.slow
def test_killed_at_random_moments_around_a_thaw_it_ends_in_the_same_bits(tmp_path):
    def command(stem):
        config = str(Path(__file__).resolve().parents[2] / "arignote" / "configs" / "digits_mlp.yaml")
        more = [
            "fit.n_epochs=6",
            "fit.checkpoint_every=3",
            "fit.batch_size=16",
            "fit.sgd_type=adam",
            "fit.lr_rule=null",
        ]
        more += [
            "fit.momentum_rule=null",
            "layers.fc1.fix_params=true",
            "layers.fc1.thaw_at=3",
            f"fit.checkpoint={stem}",
        ]
        return ["-m", "arignote", "fit", config, *(word for one in more for word in ("--set", one))]

    forked.run(command(tmp_path / "whole"), check=True)
    whole, moments = inspection(str(tmp_path / "whole")), random.Random(3)
    for _ in range(4):
        process = forked.Forked(command(tmp_path / "killed"))
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.4))
        process.kill()
        process.communicate()
    forked.run(command(tmp_path / "killed"), check=True)
    ended = inspection(str(tmp_path / "killed"))
    assert whole["finished"] and whole["thawed"] == ended["thawed"] and list(whole["thawed"]) == ["fc1"]
    for key in ("weights_sha256", "average_sha256", "history_sha256", "epoch", "finished"):
        assert ended[key] == whole[key]
