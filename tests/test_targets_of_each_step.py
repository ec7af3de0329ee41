"""Networks that predict a value for each step of a sequence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError, DataError, NNClassifier, NNRegressor
from arignote.layers import declare, parse

RNG = np.random.default_rng(8)
N = 70
LENGTHS = RNG.integers(2, 8, N)
ROWS = [RNG.normal(size=(n, 2)).astype(np.float32) for n in LENGTHS]
SUMS = [np.cumsum(row[:, 0], dtype=np.float64) for row in ROWS]
SIGNS = [np.where(one > 0, "up", "down") for one in SUMS]
COUNTS = np.arange(7) < LENGTHS[:, None]
SETTINGS = {"n_epochs": 3, "batch_size": 16, "n_threads": 1, "valid": 0.2, "test": 0.2, "sgd_type": "adam"}
LISTS = ["InputLayer", {"lengths": True}]
LSTM = ["LSTMLayer", {"n_units": 6}]
CONV = ["Conv1DLayer", {"n_output_maps": 2, "filter_length": 3, "axes": "NLC"}]


def padded(rows, fill):
    found = np.full((N, 7, *np.shape(rows[0])[1:]), fill)
    for number, row in enumerate(rows):
        found[number, : len(row)] = row
    return found


def classifier(layers=(LISTS, LSTM), **more):
    output = ["ClassificationOutputLayer", {"per_step": True}]
    return NNClassifier([*layers, output], rng=3, **SETTINGS | more)


def regressor(layers=(LISTS, LSTM), **more):
    return NNRegressor([*layers, ["RegressionOutputLayer", {"per_step": True}]], rng=3, **SETTINGS | more)


@pytest.mark.slow
def test_a_classifier_of_steps_learns_and_gives_lists_back():
    found = classifier(n_epochs=60, lr_rule=0.03).fit(ROWS, SIGNS)
    assert found.evaluate(ROWS, SIGNS, "accuracy", part="test")["accuracy"] > 0.85
    assert found.classes_.tolist() == ["down", "up"]
    predicted, p = found.predict(ROWS), found.predict_proba(ROWS)
    assert [row.shape for row in predicted] == [(n,) for n in LENGTHS]
    assert [row.shape for row in p] == [(n, 2) for n in LENGTHS] and np.allclose(p[0].sum(axis=1), 1)
    right = np.concatenate(predicted) == np.concatenate(SIGNS)
    assert found.score(ROWS, SIGNS) == pytest.approx(right.mean())
    # The loss of a row is the mean over its steps.
    steps = [np.mean(a != b) for a, b in zip(predicted, SIGNS, strict=True)]
    with pytest.warns(UserWarning, match="this run was trained on"):
        assert found.evaluate(ROWS, SIGNS, "error")["error"] == pytest.approx(np.mean(steps))


@pytest.mark.slow
def test_a_regressor_of_steps_learns_in_units_of_their_spread():
    found = regressor(n_epochs=60, lr_rule=0.03).fit(ROWS, SUMS)
    assert found.evaluate(ROWS, SUMS, "r2", part="test")["r2"] > 0.9
    predicted = np.concatenate(found.predict(ROWS))
    flat = np.concatenate(SUMS)
    assert found.score(ROWS, SUMS) == pytest.approx(
        1 - ((predicted - flat) ** 2).sum() / ((flat - flat.mean()) ** 2).sum()
    )


def test_padded_targets_beside_padded_rows_are_the_same():
    layers = (["InputLayer", {"channel": "x", "lengths": "n"}], LSTM)
    x = {"x": padded(ROWS, np.nan), "n": LENGTHS}
    for own, other, y, filled in (
        (classifier(), classifier(layers), SIGNS, padded(SIGNS, "elsewhere")),
        (regressor(), regressor(layers), SUMS, padded(SUMS, np.nan)),
    ):
        own.fit(ROWS, y), other.fit(x, filled)
        assert all(np.array_equal(array, other.params[name]) for name, array in own.params.items())
        assert np.array_equal(other.predict(x)[COUNTS], np.concatenate(own.predict(ROWS)))
        assert other.predict(x).shape == (N, 7)
    # A mask leaves steps at their places.
    masked = regressor((["InputLayer", {"channel": "x", "mask": "m"}], LSTM)).fit({"x": x["x"], "m": COUNTS}, filled)
    assert all(np.array_equal(array, masked.params[name]) for name, array in other.params.items())


def test_sequences_of_one_length_need_no_lengths():
    x, y = RNG.normal(size=(40, 5, 2)), RNG.integers(0, 3, (40, 5))
    found = classifier((LSTM,), valid=None, test=None).fit(x, y)
    assert found.predict(x).shape == (40, 5) and found.predict_proba(x).shape == (40, 5, 3)
    assert found.state_.spec["n_in"] == [5, 2]


def test_the_output_is_a_dense_layer_that_all_steps_share():
    layers = parse([LSTM, ["ClassificationOutputLayer", {"per_step": True, "n_classes": 3}]])
    architecture = declare(layers, (5, 2))
    place = architecture.placed[-1]
    assert (
        place.output_shape == (5, 3) and place.params["W"].shape == (6, 3) and architecture.n_outputs == {"output": 3}
    )
    params = {"W": torch.randn(6, 3), "b": torch.randn(3)}
    x = torch.randn(4, 5, 6)
    found = layers[-1].build((5, 6))(params, x, True)
    torch.testing.assert_close(found, x @ params["W"] + params["b"])


@pytest.mark.slow
def test_beside_an_output_for_the_whole_row():
    layers = [
        LISTS,
        LSTM,
        ["ClassificationOutputLayer", {"name": "signs", "per_step": True}],
        ["GRULayer", {"n_units": 3, "only_last": True}],
        ["RegressionOutputLayer", {"name": "last"}],
    ]
    y = {"signs": SIGNS, "last": np.array([one[-1] for one in SUMS])}
    found = NNClassifier(layers, rng=3, **SETTINGS | {"n_epochs": 40, "lr_rule": 0.03}).fit(ROWS, y)
    predicted = found.predict(ROWS)
    assert [len(row) for row in predicted["signs"]] == LENGTHS.tolist() and predicted["last"].shape == (N,)
    assert found.history_[-1]["valid_error"] < 0.2 and found.history_[-1]["valid_last_r2"] > 0.5


@pytest.mark.parametrize(
    ("layers", "y", "words"),
    [
        ((LISTS, LSTM), [row[:-1] for row in SIGNS], "y of X row 0 must have a value for each of . steps; got"),
        ((LISTS, LSTM), [row[0] for row in SIGNS], r"must have a value for each step, \(rows, steps\)"),
        ((LISTS, LSTM), SIGNS[:-1], "X has 70 rows, its labels 69"),
        (
            (["InputLayer", {"lengths": True, "n_in": [9, 2]}], LSTM, CONV),
            SIGNS,
            "y of train has 9 steps, the output of 'output' 7",
        ),
    ],
)
def test_values_that_do_not_fit_the_sequences_are_refused(layers, y, words):
    with pytest.raises(DataError, match=words):
        classifier(layers).fit(ROWS, y)


def test_an_output_of_each_step_needs_sequences():
    layers = [["ClassificationOutputLayer", {"per_step": True, "n_classes": 2}]]
    with pytest.raises(ConfigError, match=r"output: per_step needs .* \(steps, features\); got \(3, 8, 8\)"):
        declare(parse(layers), (3, 8, 8))
    # Five units are not five steps.
    with pytest.raises(ConfigError, match=r"output: per_step needs .*; got \(5,\)"):
        declare(parse([["FCLayer", {"n_units": 5}], *layers]), (5, 2))


def test_settings_that_are_for_one_class_per_row_are_refused():
    with pytest.raises(ConfigError, match="class_weight is for one output of classes"):
        classifier(class_weight="balanced").fit(ROWS, SIGNS)
    with pytest.raises(ConfigError, match="per_step is for targets of y"):
        parse([["RegressionOutputLayer", {"per_step": True, "target": "same"}]])
    with pytest.raises(ConfigError, match="NNRegressor"):
        classifier().set_params(layers=[LISTS, LSTM, ["RegressionOutputLayer", {"per_step": True}]]).fit(ROWS, SUMS)


def test_the_losses_of_a_step_are_those_of_its_target():
    with pytest.raises(ConfigError, match=r"'squared' does not fit ClassificationOutputLayer .*, which fits classes"):
        classifier(train_loss="squared").fit(ROWS, SIGNS)
    found = classifier(train_loss=["nll", {"label_smoothing": 0.1}], valid_loss=["error", "nll"]).fit(ROWS, SIGNS)
    assert "valid_error" in found.history_[0]


def test_a_loaded_run_predicts_the_same(tmp_path):
    found = classifier(checkpoint=str(tmp_path / "run")).fit(ROWS, SIGNS)
    loaded = NNClassifier.load(str(tmp_path / "run"))
    assert all(map(np.array_equal, loaded.predict(ROWS), found.predict(ROWS)))
    assert loaded.evaluate(ROWS, SIGNS, part="test") == found.evaluate(ROWS, SIGNS, part="test")
    assert loaded.fit(ROWS, SIGNS, valid=0.2, test=0.2).status_.startswith("finished")
