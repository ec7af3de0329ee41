"""A fit is run: what is written before the first batch, what observers learn, and which network is left."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import NNClassifier, NNRegressor, NotFiniteError
from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.writer import RunWriter
from arignote.data.prepare.fit_data import FitData
from arignote.fit.assemble import assemble
from arignote.fit.plan import FitRequest, plan_fit
from arignote.fit.run import network_to_predict, run
from arignote.layers import parse
from arignote.preemption.signals import StopRequest
from arignote.spec.settings import FitSettings

LAYERS = [["FCLayer", {"name": "fc", "n_units": 5}], ["ClassificationOutputLayer"]]
X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def assembled(valid=(X, 1 - Y), **settings):
    """Return a fit of three epochs; its validation rows have wrong labels, so that the first epoch is the best."""
    settings = FitSettings(**{"n_epochs": 3, "batch_size": 20, "lr_rule": 0.5, "n_threads": 1} | settings)
    return assemble(plan_fit(FitRequest(FitData(X, Y, valid), parse(LAYERS), settings, None, "run", 7), None))


def ran(fit, files=None, observers=(), status="starts"):
    with StopRequest() as stop:
        run(fit, stop, files, None, status, "start", observers)
    return fit


def test_a_first_state_is_written_before_the_first_batch(tmp_path):
    fit, stem = assembled(), str(tmp_path / "run")
    weights = fit.network.arrays()
    positions = []

    def observe(event):
        if event.kind == "start":
            _, state = RunFiles(stem).newest()
            positions.append((state.progress.epoch, state.progress.batch))
            assert all(np.array_equal(state.network[name], weights[name]) for name in weights)

    files = RunWriter(stem)
    files.acquire(lambda: None)
    try:
        ran(fit, files, [observe])
    finally:
        files.release()
    assert positions == [(0, 0)]
    assert RunFiles(stem).newest()[1].progress.epoch == 3


def test_observers_learn_how_the_fit_starts_before_anything_is_trained():
    events = []
    ran(assembled(), observers=[events.append], status="resumed from run_last.ckpt")
    first = events[0]
    assert (first.kind, first.text, first.epoch, first.batch) == ("start", "resumed from run_last.ckpt", 1, 0)
    assert [event.kind for event in events] == ["start", *[*["batch"] * 3, "validation"] * 3, "end"]


def test_each_start_of_a_run_is_recorded_but_none_of_one_that_is_finished():
    fit = ran(assembled())
    assert fit.state.starts == [[0, 0]] and fit.state.finished
    ran(fit)
    assert fit.state.starts == [[0, 0]] and fit.state.progress.n_updates == 9


@pytest.mark.parametrize(("restore_best", "epoch"), [(True, 1), (False, 3)])
def test_the_network_that_predicts_is_a_copy_of_the_best_or_of_the_last(restore_best, epoch):
    after = {}

    def observe(event):
        if event.kind == "validation":
            after[event.epoch] = fit.network.arrays()["fc.W"].copy()

    fit = assembled(restore_best=restore_best)
    ran(fit, observers=[observe])
    network = network_to_predict(fit)
    assert fit.state.best.epoch == 1
    assert np.array_equal(network.arrays()["fc.W"], after[epoch])
    assert not np.array_equal(after[1], after[3])
    # Outside training, and with memory of its own.
    assert not network.training and fit.network.training
    fit.network.weights.zero_()
    assert np.array_equal(network.arrays()["fc.W"], after[epoch])


def test_without_validation_the_last_network_predicts():
    fit = ran(assembled(valid=None))
    assert fit.state.best is None
    assert np.array_equal(network_to_predict(fit).arrays()["fc.W"], fit.network.arrays()["fc.W"])


def test_a_run_that_diverges_keeps_the_last_good_file(tmp_path):
    stem = str(tmp_path / "run")
    with pytest.raises(NotFiniteError, match="training diverged"), np.errstate(all="ignore"):
        NNClassifier(LAYERS[1:], rng=1, batch_size=20, lr_rule=3e38, checkpoint=stem).fit(100 * X, Y)
    _, state = RunFiles(stem).newest()
    assert state.progress.n_updates == 0 and all(np.isfinite(array).all() for array in state.network.values())


@pytest.mark.parametrize(
    ("value", "n_epochs"),
    # R^2 is at most 1, and better if it is larger.
    [(-1000.0, 1), (1.5, 3)],
)
def test_a_stop_rule_takes_the_larger_of_values_that_are_better_if_larger(value, n_epochs):
    settings = {"n_epochs": 3, "batch_size": 20, "valid": (X, X[:, 0]), "valid_loss": "r2", "lr_rule": 0.01}
    layers = [["RegressionOutputLayer"]]
    fitted = NNRegressor(layers, rng=1, stop_rule=["reached", {"value": value}], **settings).fit(X, X[:, 0])
    assert fitted.n_epochs_ == n_epochs


@pytest.mark.parametrize("changed", ["array", "file"])
def test_rows_that_stay_with_the_network_and_rows_that_are_fed_train_the_same_bits(changed, tmp_path):
    settings = {"n_epochs": 2, "batch_size": 16, "n_threads": 1, "shuffle": True}
    expected = NNClassifier(LAYERS, rng=1, **settings).fit(X, Y)
    np.save(tmp_path / "x.npy", X)
    # A file is fed batch by batch; so is an array with an augmentation.
    x = str(tmp_path / "x.npy") if changed == "file" else X
    more = {"augmentation": [same_rows], "n_workers": 0} if changed == "array" else {}
    found = NNClassifier(LAYERS, rng=1, **settings, **more).fit(x, Y)
    for name, array in expected.params.items():
        assert np.array_equal(found.params[name], array)


def same_rows(x, y):
    return x, y
