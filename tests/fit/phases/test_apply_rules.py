"""A run whose rule restarts from the best network and ends training, beside one that is restarted by hand."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from promise import Stopped, at_event, newest, resumes_after_every_batch, stop

from arignote import ArignoteError, ArignoteWarning, CheckpointError, NNClassifier

LAYERS = [
    ["FCLayer", {"name": "fc1", "n_units": 6, "activation": "tanh"}],
    ["BatchNormLayer", {"name": "norm"}],
    ["ClassificationOutputLayer", {"name": "output"}],
]
RNG = np.random.default_rng(2)
X = RNG.normal(size=(40, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
# Labels by chance.
NOISE = RNG.integers(0, 2, 40)


def annealer(**params):
    # No loss falls to a hundredth: the first validation alone improves.
    thresholds = {"train_threshold": 0.01, "valid_threshold": 0.01}
    return {"rule": "annealer", "initial_value": 0.1, "interval": 2, "multiply_by": 0.5} | thresholds | params


def fit(rule, n_epochs=6, sgd_type="adam", **more):
    classifier = NNClassifier(LAYERS, rng=3, batch_size=16, n_epochs=n_epochs, sgd_type=sgd_type, lr_rule=rule)
    return classifier.fit(X, Y, valid=(X, NOISE), **more)


@pytest.mark.parametrize(("roll_back", "column", "rate"), [("valid", "valid_nll", 0.1), ("train", "train_nll", 4.0)])
def test_it_restarts_from_the_best_network_with_slots_of_zero(roll_back, column, rate, tmp_path):
    # With a rate of 4 the third epoch has not the lowest training loss.
    rule = annealer(roll_back=roll_back, initial_value=rate)
    stem = tmp_path / "run"
    fit(rule, n_epochs=3, checkpoint=str(stem), checkpoint_all=True)
    state = newest(stem)
    losses = [row[column] for row in state.history.records()]
    best = int(np.argmin(losses)) + 1
    at_best = NNClassifier.load(str(stem), which=str(best)).state_
    assert [row["learning_rate"] for row in state.history.records()] == [rate] * 3
    assert state.rules["lr"].value == rate / 2 and best < 3
    for name, array in at_best.network.items():
        np.testing.assert_array_equal(state.network[name], array, err_msg=name)
    assert state.slots and not any(slot.any() for slot in state.slots.values())
    assert state.progress.slots_since == state.progress.n_updates == 9


def test_updaters_count_from_the_restart():
    """The first step of adam is the learning rate in the direction of the gradient (Kingma and Ba, 2015)."""
    one_batch = {"batch_size": 40, "restore_best": False}
    before, restarted, after = (fit(annealer(roll_back="valid"), n_epochs=n, **one_batch).state_ for n in (2, 3, 4))
    assert before.progress.slots_since == 0
    assert after.progress.slots_since == restarted.progress.slots_since == 3 and restarted.rules["lr"].value == 0.05
    moved = np.abs(after.network["output.W"] - restarted.network["output.W"])
    np.testing.assert_allclose(moved, 0.05, rtol=1e-3)


def test_an_average_restarts_from_the_best_network_too(tmp_path):
    stem = tmp_path / "run"
    fit(annealer(roll_back="valid"), n_epochs=3, average={"kind": "ema", "decay": 0.9}, checkpoint=str(stem))
    state, best = newest(stem), NNClassifier.load(str(stem), which="best").state_
    for name, array in best.network.items():
        np.testing.assert_array_equal(state.network[name], array)
        np.testing.assert_array_equal(state.averaged[name], array)
    others = [slot for name, slot in state.slots.items() if not name.startswith("average/")]
    assert state.progress.slots_since == 9 and others and not any(slot.any() for slot in others)


def test_without_a_rollback_it_continues_as_a_fixed_rule_of_the_same_epochs():
    found = fit(annealer(), restore_best=False)
    rates = [row["learning_rate"] for row in found.history_]
    assert rates == [0.1, 0.1, 0.1, 0.05, 0.05, 0.025]
    fixed = {"rule": "fixed", "initial_value": 0.1, "multiply_by": 0.5, "schedule": [3, 5]}
    expected = fit(fixed, restore_best=False)
    for name, array in expected.params.items():
        np.testing.assert_array_equal(found.params[name], array)
    assert found.state_.best_train is None and found.state_.progress.slots_since == 0


def test_it_ends_training_with_the_epoch_in_which_the_rate_falls_below_its_final_value(tmp_path):
    rule = annealer(final_value=0.04)
    ended = fit(rule, n_epochs=9, checkpoint=str(tmp_path / "run"))
    # 0.1, then 0.05 after the third epoch, 0.025 after the fifth.
    assert ended.n_epochs_ == 5 and not ended.interrupted_
    state = newest(tmp_path / "run")
    assert state.progress.ended and state.progress.stopped_by == "lr_rule"
    assert state.position == "5 of 9 epochs complete, ended by its lr_rule (annealer)"
    again = fit(rule, n_epochs=9, checkpoint=str(tmp_path / "run"))
    assert again.n_epochs_ == 5 and "finished, 5 of 9 epochs (ended by its lr_rule (annealer))" in again.status_


def test_it_needs_validation_data():
    with pytest.raises(ArignoteError, match=r"lr_rule 'annealer' needs validation data"):
        NNClassifier(LAYERS, rng=3, n_epochs=2, batch_size=16, lr_rule=annealer()).fit(X, Y)


@pytest.mark.slow
@pytest.mark.parametrize("roll_back", ["valid", "train", None])
@pytest.mark.parametrize("more", [{}, {"validation_frequency": 20}], ids=["epochs", "examples"])
def test_it_resumes_after_every_batch(roll_back, more, tmp_path):
    rule = annealer(roll_back=roll_back, interval=1, final_value=0.02)
    resumes_after_every_batch(partial(fit, rule, **more), tmp_path)


def test_a_stop_just_after_the_restart_is_resumed_in_the_same_network(tmp_path):
    rule, stem = annealer(roll_back="train"), tmp_path / "run"
    whole = fit(rule, n_epochs=5)
    with pytest.raises(Stopped):
        fit(rule, n_epochs=5, checkpoint=str(stem), observers=at_event(3, stop, kind="validation"))
    resumed = fit(rule, n_epochs=5, checkpoint=str(stem))
    for name, array in whole.state_.network.items():
        np.testing.assert_array_equal(resumed.state_.network[name], array)


def test_a_state_whose_best_network_is_lost_is_not_resumed(tmp_path):
    stem = tmp_path / "run"
    fit(annealer(roll_back="valid"), n_epochs=2, checkpoint=str(stem))
    (tmp_path / "run_best.ckpt").unlink()
    with pytest.raises(CheckpointError, match="the file of its best network"):
        fit(annealer(roll_back="valid"), n_epochs=5, checkpoint=str(stem))


def test_the_network_of_the_lowest_training_loss_is_dropped_with_the_rule_that_needs_it(tmp_path):
    stem = str(tmp_path / "run")
    assert fit(annealer(roll_back="train"), n_epochs=2, checkpoint=stem).state_.best_train is not None
    with pytest.warns(ArignoteWarning, match="lr_rule"):
        assert fit(0.1, n_epochs=3, checkpoint=stem, resume="force").state_.best_train is None


@pytest.mark.parametrize("sgd_type", ["amsgrad", "nag", "sgd"])
def test_force_cannot_change_the_updater_and_says_what_can_be_done(sgd_type, tmp_path):
    stem = str(tmp_path / "run")
    fit(0.01, n_epochs=1, checkpoint=stem)
    message = r"keeps other slots .* No resume can change sgd_type.*resume=\"fresh\""
    with pytest.raises(CheckpointError, match=message):
        fit(0.01, n_epochs=2, sgd_type=sgd_type, checkpoint=stem, resume="force")
