"""Runs on disk, loaded: which state a name means, which network predicts, and which settings it is resumed with."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from arignote import CheckpointError, NNClassifier, NNRegressor
from arignote.fit.stored.load import read_run, restore

LAYERS = [["FCLayer", {"name": "fc", "n_units": 5}], ["ClassificationOutputLayer", {"name": "out"}]]
X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)
BEST, LAST = 2, 4


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A run of four epochs, the second of which is the best one: from the third on it learns wrong labels."""
    stem = str(tmp_path_factory.mktemp("runs") / "run")
    settings = {"batch_size": 20, "lr_rule": 0.5, "valid": (X, Y), "checkpoint_all": True, "checkpoint": stem}
    NNClassifier(LAYERS, rng=1, n_epochs=BEST, **settings).fit(X, Y)
    estimator = NNClassifier(LAYERS, rng=1, n_epochs=LAST, **settings)
    with pytest.warns(match="data"):
        estimator.fit(X, 1 - Y, resume="force")
    assert estimator.best_["epoch"] == BEST
    return estimator


def weights_at(estimator, epoch):
    """Return the weights of the dense layer after an epoch, from the file of the epoch."""
    return read_run(f"{estimator.checkpoint_}_epoch{epoch}.ckpt")[0].network["fc.W"]


def test_a_stem_means_the_last_state_with_the_best_network(fitted):
    state, is_last = read_run(fitted.checkpoint_)
    assert is_last and state.progress.epoch == LAST
    assert np.array_equal(state.network["fc.W"], weights_at(fitted, LAST))
    assert np.array_equal(state.best.network["fc.W"], weights_at(fitted, BEST))


@pytest.mark.parametrize(
    ("which", "epoch", "is_last"), [("last", LAST, True), ("best", BEST, False), ("1", 1, False), ("3", 3, False)]
)
def test_which_chooses_among_the_files_of_a_stem(which, epoch, is_last, fitted):
    state, found = read_run(fitted.checkpoint_, which)
    assert found == is_last and np.array_equal(state.network["fc.W"], weights_at(fitted, epoch))


def test_a_file_means_its_own_state_alone(fitted, tmp_path):
    # Without the other files of its stem: the best network is not asked for.
    alone = shutil.copy(f"{fitted.checkpoint_}_last.ckpt", tmp_path / "run_last.ckpt")
    state, is_last = read_run(str(alone))
    assert not is_last and state.progress.epoch == LAST


def test_a_stem_without_files_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"/run: there is no run of this stem \(.*/run_last\.ckpt is missing\)"):
        read_run(str(tmp_path / "run"))


@pytest.mark.parametrize(("which", "epoch"), [(None, BEST), ("last", LAST), ("best", BEST), ("3", 3)])
def test_the_network_predicts_with_the_weights_that_were_asked_for(which, epoch, fitted):
    _, network, _ = restore(fitted.checkpoint_, which)
    assert np.array_equal(network.arrays()["fc.W"], weights_at(fitted, epoch))
    assert not network.training


@pytest.mark.parametrize(
    ("end", "which", "resumes"),
    [("", None, True), ("", "last", True), ("", "best", False), ("", "2", False), ("_last.ckpt", None, False)],
)
def test_a_run_is_resumed_where_it_was_found_and_one_of_its_files_is_not(end, which, resumes, fitted, tmp_path):
    folder = shutil.copytree(Path(fitted.checkpoint_).parent, tmp_path / "moved")
    _, _, settings = restore(f"{folder}/run{end}", which)
    assert settings["checkpoint"] == (f"{folder}/run" if resumes else None)
    assert settings["batch_size"] == 20


def test_an_augmentation_must_be_given_again(tmp_path):
    settings = {"n_epochs": 1, "batch_size": 20, "checkpoint": str(tmp_path / "run")}
    NNClassifier(LAYERS, rng=1, augmentation=[["Noise", {"sigma": 0.1}]], **settings).fit(X, Y)
    state, _, found = restore(settings["checkpoint"])
    assert state.spec["fit"]["augmentation"] and "augmentation" not in found


def test_layers_in_place_of_those_of_the_file_must_fit_its_target_and_its_parameters(fitted):
    wider = [["FCLayer", {"name": "fc", "n_units": 6}], LAYERS[1]]
    with pytest.raises(CheckpointError, match=r"fc\.W.*shape \(4, 5\).*\(4, 6\)"):
        restore(fitted.checkpoint_, layers=wider)
    numbers = [LAYERS[0], ["RegressionOutputLayer", {"name": "out"}]]
    with pytest.raises(CheckpointError, match=r"was fitted to {'out': 'classes'}; the output layers fit {'out': 'num"):
        restore(fitted.checkpoint_, layers=numbers)
    renamed = [LAYERS[0], ["ClassificationOutputLayer", {"name": "other"}]]
    with pytest.raises(CheckpointError, match=r"fitted to {'out': 'classes'}; the output layers fit {'other': 'clas"):
        restore(fitted.checkpoint_, layers=renamed)


def test_a_network_computes_in_the_precision_of_its_run(tmp_path):
    layers = [["FCLayer", {"name": "fc", "n_units": 5}], ["RegressionOutputLayer"]]
    stem = str(tmp_path / "run")
    NNRegressor(layers, rng=1, n_epochs=1, batch_size=20, precision="bf16", checkpoint=stem).fit(X, X[:, 0])
    assert restore(stem)[1].setup.precision == "bf16"
