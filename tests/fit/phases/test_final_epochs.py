"""Final epochs: their rows, rates and weights, recomputed in NumPy; which network is left; and what is refused."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from chunked_rows import Chunked
from command_line import arignote
from promise import at_event, digest

from arignote import ArignoteWarning, CheckpointError, ConfigError, NNClassifier
from arignote.checkpoints.format import decode
from arignote.data import Data
from arignote.fit.preview.check import check_config
from arignote.report.inspection import inspection
from arignote.spec.config import read_config

RNG = np.random.default_rng(6)
X = RNG.normal(2.0, 3.0, size=(40, 3)).astype(np.float32)
Y = (X[:, 0] + RNG.normal(0, 4.0, size=40) > 2).astype(np.int64) + (X[:, 1] > 5)
TRAIN, VALID, TEST = np.arange(22), np.arange(22, 33), np.arange(33, 40)
HELD_OUT = {
    "row numbers": {"valid": VALID, "test": TEST},
    "data of their own": {"valid": (X[VALID], Y[VALID]), "test": (X[TEST], Y[TEST])},
    "one of each": {"valid": VALID, "test": (X[TEST], Y[TEST])},
}
# 22 rows are three batches, 40 are five.
BATCH, N_EPOCHS, N_FINAL = 8, 6, 2
RULE = {"rule": "fixed", "initial_value": 0.4, "multiply_by": 0.75, "interval": 1}


class Loop:
    """A softmax regression in NumPy, float64, from zero: `momentum` (Sutskever et al., 2013), or `adam` (2015)."""

    def __init__(self, updater):
        self.w, self.updater = np.zeros((4, 3)), updater
        self.begin()

    def begin(self):
        self.v, self.m, self.s, self.n = 0.0, 0.0, 0.0, 0

    def loss_and_gradient(self, x, y, weights=None):
        weights = np.ones(len(y)) if weights is None else weights
        z = x @ self.w
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -(weights * np.log(p[np.arange(len(y)), y])).mean()
        return loss, x.T @ ((p - np.eye(3)[y]) * weights[:, None]) / len(y)

    def epoch(self, x, y, rate, weights=None):
        """Train on batches of the rows in their order, and return the mean loss over the rows."""
        total = 0.0
        for at in range(0, len(y), BATCH):
            rows = slice(at, at + BATCH)
            loss, g = self.loss_and_gradient(x[rows], y[rows], None if weights is None else weights[rows])
            total += loss * len(y[rows])
            self.n += 1
            if self.updater == "momentum":
                self.v = 0.9 * self.v + g
                self.w = self.w - rate * self.v
            else:
                self.m, self.s = 0.9 * self.m + 0.1 * g, 0.999 * self.s + 0.001 * g**2
                mean, square = self.m / (1 - 0.9**self.n), self.s / (1 - 0.999**self.n)
                self.w = self.w - rate * mean / (np.sqrt(square) + 1e-8)
        return total / len(y)


def standardised(x):
    x = (x - X[TRAIN].mean(axis=0)) / X[TRAIN].std(axis=0)
    return np.column_stack([x, np.ones(len(x))])


def by_hand(updater="momentum", n_first=N_EPOCHS - N_FINAL, weights=None):
    """Return the weights, the training losses, the best epoch and its rate of a run as it is defined."""
    loop, best, losses = Loop(updater), (np.inf,), []
    weights = np.ones(40) if weights is None else weights
    for epoch in range(n_first):
        rate, of_train = 0.4 * 0.75**epoch, weights[TRAIN] / weights[TRAIN].mean()
        losses.append(loop.epoch(standardised(X[TRAIN]), Y[TRAIN], rate, of_train))
        valid, _ = loop.loss_and_gradient(standardised(X[VALID]), Y[VALID])
        if valid < best[0]:
            best = valid, epoch + 1, rate, loop.w
    loop.w = best[3]
    loop.begin()
    losses += [loop.epoch(standardised(X), Y, best[2], weights / weights.mean()) for _ in range(N_FINAL)]
    return loop.w, losses, best[1], best[2]


def fit(held_out="row numbers", updater="momentum", x=X, y=Y, **more):
    settings = {
        **{"n_epochs": N_EPOCHS, "final_epochs": N_FINAL, "batch_size": BATCH, "shuffle": False, "n_threads": 1},
        **{"sgd_type": updater, "lr_rule": RULE, "preprocess": [["Standardise", {}]], "valid_loss": "nll"},
        **HELD_OUT[held_out],
    } | more
    if held_out == "data of their own":
        x, y = x[TRAIN], y[TRAIN]
    elif held_out == "one of each":
        x, y = x[:33], y[:33]
    return NNClassifier([["ClassificationOutputLayer", {"name": "out"}]], rng=5).fit(x, y, **settings)


def weights_of(params):
    return np.vstack([params["out.W"], params["out.b"]])


def column(fitted, name):
    return [row[name] for row in fitted.history_]


def assert_is(fitted, expected):
    w, losses, best_epoch, rate = expected
    assert fitted.best_["epoch"] == best_epoch
    assert np.allclose(weights_of(fitted.params), w, atol=2e-5)
    assert np.allclose(column(fitted, "train_nll"), losses, atol=2e-5)
    assert np.allclose(column(fitted, "learning_rate")[-N_FINAL:], rate)


@pytest.mark.parametrize("updater", ["momentum", "adam"])
@pytest.mark.parametrize("held_out", HELD_OUT)
def test_their_rows_rates_and_weights_are_those_of_a_loop_in_numpy(held_out, updater):
    fitted, expected = fit(held_out, updater), by_hand(updater)
    # Neither the first nor the last of the epochs before, of which a mistake could give the numbers.
    assert 1 < expected[2] < N_EPOCHS - N_FINAL
    assert_is(fitted, expected)
    assert column(fitted, "examples_seen") == [22, 44, 66, 88, 128, 168]


def test_they_begin_when_the_stop_rule_ends_the_epochs_before():
    # The second validation is the best, the third is worse.
    fitted = fit(n_epochs=30, stop_rule={"rule": "stalled", "interval": 1})
    assert_is(fitted, by_hand(n_first=3))
    progress = fitted.state_.progress
    assert (progress.epoch, progress.final_since, progress.slots_since) == (5, 3, 9)
    assert progress.ended and progress.stopped_by == "stop_rule" and not fitted.interrupted_


def test_they_begin_when_the_rule_of_a_rate_ends_the_epochs_before():
    # No loss falls to a hundredth of the first: 0.4, then halved after the second and the third validation.
    rule = {"rule": "annealer", "initial_value": 0.4, "interval": 1, "multiply_by": 0.5, "final_value": 0.15}
    rule |= {"train_threshold": 0.01, "valid_threshold": 0.01, "roll_back": "valid"}
    fitted = fit(lr_rule=rule, n_epochs=30)
    assert column(fitted, "learning_rate")[:3] == [0.4, 0.4, 0.2]
    rate = column(fitted, "learning_rate")[fitted.state_.best.n_rows - 1]
    assert column(fitted, "learning_rate")[3:] == [rate] * N_FINAL
    progress = fitted.state_.progress
    assert (progress.final_since, progress.final_after, progress.stopped_by) == (3, "lr_rule", "lr_rule")
    assert fitted.state_.position == "5 of 30 epochs complete, ended by its lr_rule (annealer)"


def test_sample_weights_and_class_weights_of_all_rows_count():
    own = np.linspace(0.5, 2.0, 40)
    assert_is(fit(sample_weight=own), by_hand(weights=own))
    by_class = {0: 3.0, 1: 1.0, 2: 2.0}
    for held_out in HELD_OUT:
        weights = np.array([by_class[label] for label in Y.tolist()])
        assert_is(fit(held_out, class_weight=by_class), by_hand(weights=weights))


def test_balanced_weights_are_balanced_over_all_rows():
    fitted = fit("data of their own", class_weight="balanced")
    loop, weights = Loop("momentum"), (1 / np.bincount(Y))[Y]
    loop.w = weights_of(fitted.state_.best.network).astype(np.float64)
    rate = fitted.history_[-1]["learning_rate"]
    losses = [loop.epoch(standardised(X), Y, rate, weights / weights.mean()) for _ in range(N_FINAL)]
    assert np.allclose(column(fitted, "train_nll")[-N_FINAL:], losses, atol=2e-5)
    assert np.allclose(weights_of(fitted.params), loop.w, atol=2e-5)


def test_no_validation_or_test_is_left_and_the_best_stays_what_it_was():
    fitted = fit(n_epochs=7, final_epochs=3)
    for name in ("valid_nll", "test_error", "test_nll"):
        assert np.isnan(column(fitted, name)[-3:]).all()
    assert np.isfinite(column(fitted, "valid_nll")[:-3]).all()
    assert fitted.state_.best.n_rows == 2 and len(fitted.history_) == 7


def test_they_begin_with_the_average_of_the_weights_and_end_with_it():
    fitted = fit(average={"kind": "ema", "decay": 0.75}, n_epochs=4, final_epochs=1)
    loop, best = Loop("momentum"), weights_of(fitted.state_.best.network).astype(np.float64)
    loop.w = average = best
    rate = fitted.history_[-1]["learning_rate"]
    # As five epochs, so that the average is updated after each batch.
    for at in range(0, 40, BATCH):
        loop.epoch(standardised(X)[at : at + BATCH], Y[at : at + BATCH], rate)
        average = 0.75 * average + 0.25 * loop.w
    assert np.allclose(weights_of(fitted.state_.network), loop.w, atol=2e-5)
    assert np.allclose(weights_of(fitted.params), average, atol=2e-5)
    assert not np.allclose(average, loop.w, atol=1e-2)


def test_an_average_of_epochs_is_that_of_the_final_ones_alone(tmp_path):
    settings = {"average": {"kind": "swa", "start": 2}, "n_epochs": 8, "final_epochs": 3}
    fitted = fit(**settings, checkpoint=str(tmp_path / "run"), checkpoint_all=True)
    ends = [decode((tmp_path / f"run_epoch{n}.ckpt").read_bytes(), "")[0].network for n in (6, 7, 8)]
    expected = np.mean([weights_of(one) for one in ends], axis=0)
    assert np.allclose(weights_of(fitted.params), expected, atol=1e-6)
    assert not np.allclose(expected, weights_of(fitted.state_.best.network), atol=1e-2)


def test_test_data_alone_is_folded_in_from_the_last_network():
    fitted = fit("row numbers", valid=None, test=np.arange(22, 40), n_epochs=3, final_epochs=1)
    loop = Loop("momentum")
    for epoch in range(2):
        loop.epoch(standardised(X[TRAIN]), Y[TRAIN], 0.4 * 0.75**epoch)
    loop.begin()
    loop.epoch(standardised(X), Y, 0.4 * 0.75**2)
    assert fitted.best_ is None and np.allclose(weights_of(fitted.params), loop.w, atol=2e-5)


def test_validations_by_examples_go_on_as_rows_with_the_training_loss():
    fitted = fit(validation_frequency=10)
    # Batches of 8, 8 and 6 rows, then five of 8: a row follows each batch with which a multiple of 10 is passed.
    seen = np.cumsum([8, 8, 6] * 4 + [8] * 10)
    passed = [int(now) for before, now in zip([0, *seen], seen, strict=False) if now // 10 > before // 10]
    assert column(fitted, "examples_seen") == passed
    is_final = np.array(passed) > 88
    assert np.isnan(np.array(column(fitted, "valid_nll"))[is_final]).all()
    assert np.isfinite(np.array(column(fitted, "train_nll"))).all()


def test_the_scale_of_the_loss_in_fp16_is_kept():
    # Set to zero, it would make every gradient infinite, and no update would be done.
    fitted = fit(precision="fp16", monitor="grad_norm")
    assert float(fitted.state_.slots["scaler/scale"]) == 65536
    assert np.allclose(weights_of(fitted.params), by_hand()[0], atol=2e-2)
    assert np.isfinite(column(fitted, "grad_norm")).all()


def test_the_last_network_is_the_result_everywhere_unless_the_best_is_asked_for(tmp_path):
    stem = str(tmp_path / "run")
    fitted = fit(checkpoint=stem, restore_best=True)
    last, best = weights_of(fitted.state_.network), weights_of(fitted.state_.best.network)
    assert not np.array_equal(last, best)
    assert np.array_equal(weights_of(fitted.params), last)
    probabilities = fitted.predict_proba(X)
    for which, w in ((None, last), ("last", last), ("best", best)):
        loaded = NNClassifier.load(stem, which=which)
        assert np.array_equal(weights_of(loaded.params), w)
        assert np.array_equal(loaded.predict_proba(X), probabilities) == (w is last)
    again = fit(checkpoint=stem)
    assert again.status_.startswith("finished, 6 of 6 epochs") and np.array_equal(weights_of(again.params), last)
    assert inspection(stem)["final_since"] == 4


def test_interrupted_in_their_middle_the_best_network_predicts_until_they_are_done():
    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.warns(ArignoteWarning, match="interrupted_"):
        fitted = fit(observers=at_event(14, interrupt))
    assert (fitted.state_.progress.epoch, fitted.state_.progress.batch) == (4, 2)
    assert np.array_equal(weights_of(fitted.params), weights_of(fitted.state_.best.network))


def test_scores_of_rows_that_they_trained_on_are_remarked():
    fitted = fit()
    with pytest.warns(ArignoteWarning, match="final epochs of this run trained on its test rows.*which best"):
        fitted.evaluate(X, Y, part="test")
    with pytest.warns(ArignoteWarning, match="trained on 40 of these 40 rows.*which best"):
        fitted.evaluate(Data(X, Y))


def test_numbers_of_layers_that_follow_a_rule_stay_as_they_were_with_the_best():
    rule = {"rule": "fixed", "initial_value": 0.1, "multiply_by": 0.5, "interval": 1}
    fitted = fit(rules={"out.l2": rule})
    assert column(fitted, "out.l2") == [0.1 * 0.5**n for n in (0, 1, 2, 3, *[fitted.best_["epoch"] - 1] * 2)]


REFUSED = [
    ({"valid": None, "test": None}, "final_epochs must be 0 without validation or test data"),
    ({"final_epochs": 6}, r"fit.final_epochs: must be < n_epochs \(6\); got 6"),
]


@pytest.mark.parametrize(("settings", "words"), REFUSED)
def test_what_leaves_nothing_for_them_is_refused_before_training(settings, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        fit(**settings, checkpoint=str(tmp_path / "run"), observers=at_event(1, pytest.fail))
    assert not list(tmp_path.glob("*.ckpt"))


def test_rows_of_their_own_data_have_no_sample_weight():
    with pytest.raises(ConfigError, match="final_epochs must be 0 with sample_weight and validation or test data of"):
        fit("data of their own", sample_weight=np.ones(22))


def test_what_was_trained_on_all_rows_is_not_trained_longer(tmp_path):
    stem = str(tmp_path / "run")
    fit(checkpoint=stem)
    for settings, words in (
        ({"n_epochs": 8}, "n_epochs must be 6 and final_epochs 2.*after epoch 4; got 8 and 2.*fresh.*load_params"),
        ({"n_epochs": 5}, "got 5 and 2"),
        ({"final_epochs": 3}, "got 6 and 3"),
        ({"final_epochs": 0}, "got 6 and 0"),
        ({"n_epochs": 8, "resume": "force"}, "got 8 and 2"),
    ):
        with pytest.raises(CheckpointError, match=words):
            fit(checkpoint=stem, **settings)
    assert fit(checkpoint=stem, n_epochs=8, resume="fresh").state_.progress.final_since == 6


def test_they_are_added_to_a_run_that_has_not_gone_past_their_beginning(tmp_path):
    stem = str(tmp_path / "run")
    fit(checkpoint=stem, n_epochs=4, final_epochs=0)
    with pytest.raises(CheckpointError, match=r"n_epochs must be at least 6 for 2 final epochs.*4 epochs.*got 5"):
        fit(checkpoint=stem, n_epochs=5)
    assert digest(fit(checkpoint=stem)) == digest(fit())


def test_they_are_not_added_to_a_run_that_its_stop_rule_has_ended(tmp_path):
    stem, settings = str(tmp_path / "run"), {"n_epochs": 30, "stop_rule": {"rule": "stalled", "interval": 1}}
    fit(checkpoint=stem, final_epochs=0, **settings)
    with pytest.raises(CheckpointError, match="final_epochs must be 0, as this run was ended by its stop rule"):
        fit(checkpoint=stem, **settings)


def ragged(n_rows):
    return [RNG.normal(size=(2 + n % 4, 3)).astype(np.float32) for n in range(n_rows)]


def of_steps(sequences):
    return [np.arange(len(one)) % 2 for one in sequences]


LSTM = [
    ["InputLayer", {"lengths": True}],
    ["LSTMLayer", {"n_units": 3, "only_last": True}],
    ["ClassificationOutputLayer"],
]
EACH_STEP = [["InputLayer", {"lengths": True}], ["ClassificationOutputLayer", {"per_step": True}]]
HELD = ragged(9)
OTHERS = {
    "sequences of their own": (LSTM, ragged(30), np.arange(30) % 2, {"valid": (HELD, np.arange(9) % 2)}, 30, 39),
    "sequences held out": (LSTM, ragged(30), np.arange(30) % 2, {"valid": 0.2}, 24, 30),
    "a value for each step": (EACH_STEP, HELD * 2, of_steps(HELD * 2), {"valid": (HELD, of_steps(HELD))}, 18, 27),
    # Of 48 windows two are left out, which have steps in common with those that are held out.
    "windows": (
        [["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]],
        *(RNG.normal(size=(100, 2)).astype(np.float32), np.arange(100) // 3 % 2),
        {"valid": 0.2, "windows": {"length": 6, "step": 2}, "sample_weight": np.linspace(1, 2, 100)},
        *(36, 46),
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_rows_of_any_kind_are_trained_on(kind):
    layers, x, y, settings, n_train, n_all = OTHERS[kind]
    settings |= {"n_epochs": 3, "final_epochs": 2, "batch_size": 8, "n_threads": 1}
    fitted = NNClassifier(layers, rng=1).fit(x, y, **settings)
    assert column(fitted, "examples_seen") == [n_train, n_train + n_all, n_train + 2 * n_all]
    assert np.isfinite(column(fitted, "train_nll")).all()


def test_the_command_says_which_network_is_the_result(tmp_path):
    config, stem = Path(__file__).resolve().parents[3] / "arignote" / "configs" / "digits_mlp.yaml", tmp_path / "run"
    settings = ("fit.n_epochs=3", "fit.final_epochs=1", f"fit.checkpoint={stem}")
    ended = arignote("fit", config, *(word for one in settings for word in ("--set", one)))
    assert ended.code == 0 and "result: the last network, trained on all rows after epoch 2\n" in ended.out
    shown = next(line for line in ended.out.splitlines() if "arignote evaluate" in line).split()
    assert shown[-4:] == ["--part", "test", "--which", "best"]
    asked = ("evaluate", stem, "--config", config, "--part", "test")
    of_last, of_best = arignote(*asked), arignote(*asked, "--which", "best")
    assert "trained on its test rows" in of_last.err and "test rows" not in of_best.err
    assert of_last.code == of_best.code == 0 and of_last.out != of_best.out


def test_the_chunks_of_held_out_files_decide_the_order_of_final_epochs_and_are_compared(tmp_path):
    stem = str(tmp_path / "run")

    def fitted(chunk_rows, **settings):
        valid = (Chunked(X[22:], chunk_rows), Y[22:])
        settings = {"n_epochs": 4, "final_epochs": 2, "batch_size": BATCH, "checkpoint": stem} | settings
        return NNClassifier([["ClassificationOutputLayer"]], rng=5).fit(X[:22], Y[:22], valid=valid, **settings)

    state = fitted(4, n_epochs=2, final_epochs=0).state_
    assert "final_order" not in state.data
    # Added to the run, they have an order of their own, which the rows of training in memory have not.
    state = fitted(4).state_
    assert "order" not in state.data and state.data["final_order"]["chunk_rows"] == 4
    with pytest.raises(CheckpointError, match=r"data\.final_order\.chunk_rows: 4 then, 6 now"):
        fitted(6)


CONFIG = """
layers: [[ClassificationOutputLayer]]
data: {{train: {{features: "x.csv:a", labels: "x.csv:y"}}{data}}}
fit: {{n_epochs: 4, final_epochs: 2{fit}}}
"""


@pytest.mark.parametrize(
    ("data", "fit", "words"),
    [
        ("", "", "final_epochs must be 0 without validation or test data"),
        (", valid: 0.0", "", "final_epochs must be 0 without validation or test data"),
        (
            ', valid: {features: "v.csv:a", labels: "v.csv:y"}, sample_weight: "x.csv:w"',
            "",
            "final_epochs must be 0 with sample_weight",
        ),
        (", test: 0.1", ", lr_rule: [stalled, {interval: 1, multiply_by: 0.5}]", "lr_rule 'stalled' needs validation"),
        (", valid: 0.1", "", None),
    ],
)
def test_a_config_is_checked_for_rows_that_are_held_out(data, fit, words, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG.format(data=data, fit=fit))
    if words is None:
        assert check_config(read_config(path)) == 2
        return
    with pytest.raises(ConfigError, match=words):
        check_config(read_config(path))


def test_a_config_is_checked_for_rules_and_averages_that_never_act(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG.format(data=", test: 0.1", fit=", average: {kind: swa, start: 4}"))
    with pytest.warns(ArignoteWarning, match=r"^average: start 4 leaves nothing to average in 4 epochs"):
        check_config(read_config(path))
    rule = "{rule: fixed, multiply_by: 0.5, schedule: [2, 1]}"
    path.write_text(CONFIG.format(data=", test: 0.1", fit=f", lr_rule: {rule}"))
    with pytest.raises(ConfigError, match=r"c\.yaml:4:\d+: fit\.lr_rule: schedule must be in ascending order"):
        check_config(read_config(path))
    path.write_text(CONFIG.format(data=", test: 0.1", fit=", lr_rule: [step, {multiply_by: 0.5, n_epochs: 2}]"))
    with pytest.warns(ArignoteWarning, match=r"^lr_rule never acts: its first change is after 2 epochs, of 2\. "):
        check_config(read_config(path))
